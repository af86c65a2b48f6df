"""Extraction: the same bytes whatever happened on the way, and nothing lost silently."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from dac_lobe.audio import write_audio
from dac_lobe.data import Item, read_manifest, write_manifest
from dac_lobe.tokens import TokenStore, extract, read_meta
from dac_lobe.tokens.plan import PLAN_FILE, digest_of_plan, plan_shards
from dac_lobe.tokens.shards import ShardSpec, shard_path
from dac_lobe.weights.fingerprint import _digest


@pytest.fixture
def run(tiny_model, shard_hours):
    """Extract a corpus into a folder."""

    def run(corpus, folder, model=tiny_model, **options):
        options = {"shard_hours": shard_hours, **options}
        return extract(corpus / "all.csv", folder, model, **options)

    return run


def test_report_counts(corpus, tmp_path, store_folder, run):
    seen = []
    report = run(corpus, tmp_path / "s", on_shard=lambda *now: seen.append(now))
    assert seen[-1][1:] == (len(seen), len(seen))
    assert (report.items, report.failures, report.shards_kept) == (7, {}, 0)
    assert report.shards == len(seen) == TokenStore(store_folder).meta.num_shards
    assert report.audio_seconds == pytest.approx(1.2945, abs=1e-3)


def test_bytes_do_not_depend_on_the_place(
    corpus, tmp_path, store_folder, run, contents
):
    """Another folder, another corpus folder, and a relative model path."""
    moved = tmp_path / "elsewhere"
    shutil.copytree(corpus, moved)
    run(moved, tmp_path / "s")
    assert contents(tmp_path / "s") == contents(store_folder)


@pytest.mark.parametrize("damage", ["remove", "truncate", "flip", "index", "half"])
def test_resuming_repairs(corpus, tmp_path, store_folder, damage, run, contents):
    """Whatever is missing or damaged is made again, the rest is kept."""
    folder = tmp_path / "s"
    shutil.copytree(store_folder, folder)
    path = shard_path(folder, 1)
    if damage == "remove":
        path.unlink()
    elif damage == "truncate":
        path.write_bytes(path.read_bytes()[:-1])
    elif damage == "flip":
        content = bytearray(path.read_bytes())
        content[-40] ^= 1
        path.write_bytes(bytes(content))
    elif damage == "index":
        (folder / "index" / "00001.tsv").write_text("ID\tframes\tsamples\n")
    else:  # killed while writing: the temporary file stays behind
        path.rename(path.with_name(f".{path.name}.0123abcd.part"))
    report = run(corpus, folder)
    assert report.shards == 1
    assert contents(folder) == contents(store_folder)


@pytest.mark.parametrize("content", [None, b"", b"not codebooks"])
def test_codebooks_are_repaired(corpus, tmp_path, store_folder, content, run, contents):
    folder = tmp_path / "s"
    shutil.copytree(store_folder, folder)
    (folder / "codebooks.safetensors").unlink()
    if content is not None:
        (folder / "codebooks.safetensors").write_bytes(content)
    assert run(corpus, folder).shards == 0
    assert contents(folder) == contents(store_folder)


def test_codes_that_16_bits_do_not_hold_are_refused(corpus, make_dac, tmp_path, run):
    model = make_dac(codebook_size=65537).save(tmp_path / "many.safetensors")
    with pytest.raises(ValueError, match="65537 codes.*at most 65536"):
        run(corpus, tmp_path / "s", model)
    assert not (tmp_path / "s").exists()


def test_nothing_to_do(corpus, tmp_path, store_folder, run):
    folder = tmp_path / "s"
    shutil.copytree(store_folder, folder)
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert run(corpus, folder).shards == 0
    assert times == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def _break(corpus, folder):
    """A copy of the corpus with three recordings that cannot be read."""
    shutil.copytree(corpus, folder)
    (folder / "wav" / "utt1.wav").unlink()
    (folder / "wav" / "utt3.wav").write_bytes(b"this is not audio at all")
    soundfile.write(folder / "wav" / "utt5.wav", np.full(50, np.nan), 16000, "FLOAT")
    return folder


def test_unreadable_items_are_listed(corpus, tmp_path, store_folder, run):
    broken = _break(corpus, tmp_path / "corpus")
    report = run(broken, tmp_path / "s")
    assert set(report.failures) == {"utt1", "utt3", "utt5"}
    store = TokenStore(tmp_path / "s")
    assert store.failures == report.failures
    assert store.ids == ["utt0", "utt2", "utt4", "utt6"]
    assert store.failures["utt1"] == "no such file"
    assert not any(str(tmp_path) in reason for reason in store.failures.values())
    with pytest.raises(KeyError, match="no such file"):
        store["utt1"]
    # The items beside them are what they are without them.
    whole = TokenStore(store_folder)
    assert all(store[name].equal(whole[name]) for name in store.ids)


def test_failures_can_be_retried(corpus, tmp_path, store_folder, run, contents):
    broken = _break(corpus, tmp_path / "corpus")
    failures = run(broken, tmp_path / "s").failures
    again = run(corpus, tmp_path / "s")
    assert (again.shards, again.failures) == (0, failures)
    assert run(corpus, tmp_path / "s", retry_failed=True).failures == {}
    assert contents(tmp_path / "s") == contents(store_folder)


@pytest.fixture
def headers(tmp_path):
    """A folder of eight recordings, whose durations only their headers tell."""
    noise = np.random.default_rng(0)
    for number in range(8):
        wav = 0.1 * noise.standard_normal(int(16000 * 0.3))
        path = tmp_path / "audio" / f"{number}.wav"
        write_audio(path, wav[None], 16000)
    return tmp_path / "audio"


@pytest.mark.parametrize("stopped", [False, True])
@pytest.mark.parametrize("noted", [True, False])
def test_what_was_mended_moves_no_shard(
    headers, tiny_model, shard_hours, tmp_path, stopped, noted
):
    """An empty file has no duration: with it, shards would be cut elsewhere."""
    store, options = tmp_path / "s", {"shard_hours": shard_hours}
    whole = (headers / "2.wav").read_bytes()
    (headers / "2.wav").write_bytes(b"")
    extract(headers, store, tiny_model, **options)
    before, again = read_meta(store), dict(options)
    if stopped:
        shard_path(store, 2).unlink()
    if not noted:  # a store of version 0.2: what was asked for is not known
        (store / PLAN_FILE).unlink()
        again = {}
    (headers / "2.wav").write_bytes(whole)
    planned = plan_shards(read_manifest(headers), shard_hours)
    assert digest_of_plan(planned) != before["manifest"]
    with pytest.raises(ValueError, match=r"another job: num_shards.*differ"):
        extract(headers, store, tiny_model, shard_hours=2 * shard_hours)
    report = extract(headers, store, tiny_model, **again, retry_failed=True)
    assert report.failures == {}
    assert report.shards == (2 if stopped else 1)
    assert read_meta(store) == before
    fresh = tmp_path / "fresh"
    extract(headers, fresh, tiny_model, **options)
    made, wanted = TokenStore(store), TokenStore(fresh)
    assert made.ids == wanted.ids
    assert all(made[name].equal(wanted[name]) for name in wanted)


def test_a_wrong_data_root_is_corrected(
    headers, tiny_model, shard_hours, tmp_path, contents
):
    """Nothing could be read, so nothing had a duration: that plan is given up."""
    listing, options = tmp_path / "m.csv", {"shard_hours": shard_hours}
    listing.write_text(
        "path\n" + "".join(f"$data_root/{number}.wav\n" for number in range(8))
    )
    nowhere = tmp_path / "nowhere"
    with pytest.raises(ValueError, match="none of the 8 items"):
        extract(listing, tmp_path / "s", tiny_model, data_root=nowhere, **options)
    for folder in (tmp_path / "s", tmp_path / "fresh"):
        extract(listing, folder, tiny_model, data_root=headers, **options)
    assert contents(tmp_path / "s") == contents(tmp_path / "fresh")


def test_items_that_were_added_are_no_mended_ones(headers, tiny_model, tmp_path):
    extract(headers, tmp_path / "s", tiny_model)
    shutil.copy(headers / "0.wav", headers / "8.wav")
    with pytest.raises(ValueError, match=r"another job: num_items.*differ"):
        extract(headers, tmp_path / "s", tiny_model)


def test_all_unreadable_is_an_error(corpus, tmp_path, store_folder, run, contents):
    """Each time, and until the right folder is given."""
    for _ in range(2):
        with pytest.raises(ValueError, match=r"none of the 7 items.*data_root"):
            run(corpus, tmp_path / "s", data_root=tmp_path / "nowhere")
    run(corpus, tmp_path / "s")
    assert contents(tmp_path / "s") == contents(store_folder)


def test_batches_hold_the_same_codes(corpus, tmp_path, store_folder, run):
    """Masked batches change no code, and are part of what the store says."""
    run(corpus, tmp_path / "s", batch_seconds=1.0)
    batched, single = TokenStore(tmp_path / "s"), TokenStore(store_folder)
    assert all(batched[name].equal(single[name]) for name in single)
    assert batched.meta.batch_seconds == 1.0


def test_folder_manifest(corpus, tiny_model, tmp_path, store_folder):
    extract(corpus / "wav", tmp_path / "s", tiny_model)
    assert TokenStore(tmp_path / "s").ids == TokenStore(store_folder).ids


def test_another_job_is_refused(
    corpus, make_dac, tmp_path, store_folder, run, contents
):
    folder = tmp_path / "s"
    shutil.copytree(store_folder, folder)
    other = make_dac(encoder_dim=5).save(tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="another job: fingerprint differ"):
        run(corpus, folder, other)
    with pytest.raises(ValueError, match="num_codebooks differ"):
        run(corpus, folder, num_codebooks=2)
    assert contents(folder) == contents(store_folder)


def test_a_foreign_folder_is_left_alone(corpus, tmp_path, run, contents):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="exists and is no token store"):
        run(corpus, tmp_path)
    assert contents(tmp_path) == {"thesis.tex": b"years of work"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "spark"}, "local, torchrun, ray"),
        ({"workers": 0}, "choose 1 or more"),
        ({"workers": True}, "choose 1 or more"),
        ({"batch_seconds": -1}, "0 or more"),
        ({"shard_hours": 0}, "positive"),
        ({"num_codebooks": 9}, "Choose 1 to 3"),
    ],
)
def test_bad_options(corpus, tmp_path, options, message, run):
    with pytest.raises(ValueError, match=message):
        run(corpus, tmp_path / "s", **options)


def test_plan_depends_on_the_manifest_alone(corpus, shard_hours):
    items = read_manifest(corpus / "all.csv")
    plan = plan_shards(items, shard_hours)
    assert plan == plan_shards(items[::-1], shard_hours)
    assert [item for shard in plan for item in shard.items] == items
    assert all(shard.items for shard in plan)
    assert digest_of_plan(plan) != digest_of_plan(plan_shards(items[:-1], shard_hours))


def test_the_store_names_the_backend_of_the_environment(
    corpus, tiny_model, tmp_path, monkeypatch
):
    monkeypatch.setenv("DAC_LOBE_BACKEND", "torch")
    extract(corpus / "all.csv", tmp_path / "s", tiny_model, backend="native")
    assert read_meta(tmp_path / "s")["backend"] == "torch"


def test_a_changed_manifest_is_refused(corpus, tiny_model, tmp_path):
    rows = [
        {"ID": item.id, "duration": item.duration, "wav": item.wav}
        for item in read_manifest(corpus / "all.csv")
    ]
    extract(write_manifest(tmp_path / "a.csv", rows[:3]), tmp_path / "s", tiny_model)
    with pytest.raises(ValueError, match=r"num_items.*differ"):
        extract(write_manifest(tmp_path / "a.csv", rows), tmp_path / "s", tiny_model)


@pytest.mark.parametrize(
    ("columns", "before", "after"),
    [
        ("start,stop", "0,2000", "2000,4000"),
        ("start,stop", "0,2000", ","),
        ("start,stop", ",", "0,2000"),
        ("start_s,stop_s", "0,0.1", "0,0.2"),
    ],
)
def test_other_parts_of_the_same_files_are_refused(
    corpus, tiny_model, tmp_path, columns, before, after
):
    listing = tmp_path / "a.csv"

    def run(segment):
        row = f"utt0,0.1,{corpus}/wav/utt0.wav,{segment}"
        listing.write_text(f"ID,duration,wav,{columns}\n{row}\n")
        return extract(listing, tmp_path / "s", tiny_model)

    run(before)
    assert run(before).shards_kept == 1
    with pytest.raises(ValueError, match="another job: manifest differ"):
        run(after)


def test_the_digest_of_whole_files_is_that_of_their_ids():
    """Stores of versions that digested nothing else are continued."""
    ids = [["a", "b c"], ["\u00e9"]]
    shards = [
        ShardSpec(number, tuple(Item(name, f"{name}.wav", 1.0) for name in names))
        for number, names in enumerate(ids)
    ]
    text = "".join("\t".join(names) + "\n" for names in ids)
    assert digest_of_plan(shards) == hashlib.sha256(text.encode()).hexdigest()


def test_a_store_of_another_device_is_not_continued(
    corpus, tmp_path, store_folder, run
):
    """Near ties are not settled alike on a GPU: no store holds codes of both."""
    shutil.copytree(store_folder, tmp_path / "s")
    meta = tmp_path / "s" / "meta.json"
    meta.write_text(meta.read_text().replace('"device": "cpu"', '"device": "cuda"'))
    with pytest.raises(ValueError, match=r"device differ \(device cuda, now cpu\)"):
        run(corpus, tmp_path / "s")


def test_a_store_that_another_rank_is_beginning_is_no_foreign_folder(
    corpus, tiny_dac, tmp_path, run, store_folder, contents
):
    from dac_lobe.tokens.codebooks import save_codebooks

    folder = tmp_path / "s"
    folder.mkdir()
    save_codebooks(tiny_dac, folder)  # and not yet what says of what they are
    run(corpus, folder)
    assert contents(folder) == contents(store_folder)


def test_a_store_with_the_fingerprint_of_before_goes_on(
    corpus, tmp_path, store_folder, run, contents, tiny_dac, other_dac
):
    folder = tmp_path / "s"
    shutil.copytree(store_folder, folder)
    name = _digest(tiny_dac, 1)
    replace(TokenStore(folder).meta, fingerprint=name).save(folder)
    before = contents(folder)
    shard_path(folder, 1).unlink()
    run(corpus, folder)
    assert contents(folder) == before
    assert TokenStore(folder, codec=tiny_dac).meta.fingerprint == name
    with pytest.raises(ValueError, match="tokens of the codec"):
        TokenStore(folder, codec=other_dac)
