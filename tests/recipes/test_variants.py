"""Augmented copies in a store: made once, the same ones, and drawn among."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from speechbrain.augment.augmenter import Augmenter
from speechbrain.augment.time_domain import AddNoise, SpeedPerturb

from dac_lobe.audio import Segment, read_audio, write_audio
from dac_lobe.data import read_manifest
from dac_lobe.data.variants import variant_id, write_variants
from dac_lobe.nnet.datasets import add_tokens, read_datasets
from dac_lobe.tokens import TokenStore, extract
from tests.recipes.running import ROWS, flags_of, run


@pytest.fixture
def change():
    return Augmenter(
        min_augmentations=2,
        max_augmentations=2,
        augmentations=[
            SpeedPerturb(16000, [90, 110]),
            AddNoise(snr_low=10, snr_high=20),
        ],
    )


@pytest.fixture
def make(samples, tmp_path, change):
    def make(name, variants=2, **options):
        corpus = samples / "an4"
        manifest = corpus / "train.csv"
        return write_variants(
            manifest, tmp_path / name, change, variants, 16000, corpus, **options
        )

    return make


def digests(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.glob("*.flac")
    }


def test_a_copy_follows_from_its_name_and_the_seed(make, tmp_path):
    make("first")
    state = random.getstate(), torch.get_rng_state()
    make("second", variants=3)
    assert random.getstate() == state[0]
    assert torch.equal(torch.get_rng_state(), state[1])
    make("other", seed=1)
    first, second, other = (
        digests(tmp_path / name) for name in ("first", "second", "other")
    )
    assert len(first) == 24
    assert len(set(first.values())) == 24
    assert first.items() <= second.items()
    assert not first.items() & other.items()


def test_what_is_there_is_kept(make, tmp_path):
    make("copies")
    before = digests(tmp_path / "copies")
    gone = tmp_path / "copies" / "a0@1.flac"
    times = {p: p.stat().st_mtime_ns for p in gone.parent.glob("*.flac") if p != gone}
    gone.unlink()
    make("copies")
    assert digests(tmp_path / "copies") == before
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())


def test_speed_changes_the_length_and_noise_the_sound(make, samples):
    path = make("copies", variants=1)
    for item in read_manifest(path):
        name = item.id.removesuffix("@1")
        wav = read_audio(samples / "an4/wav" / name[0] / f"{name}.flac", 16000)[0]
        changed = read_audio(item.wav, 16000)[0]
        ratio = len(changed) / len(wav)
        assert min(abs(ratio - 100 / 90), abs(ratio - 100 / 110)) < 0.02
        assert item.duration == pytest.approx(len(changed) / 16000, abs=1e-3)


def test_a_recipe_draws_among_them(make, samples, tmp_path):
    copies = make("copies")
    corpus = samples / "an4"
    extract([corpus / "train.csv", copies], tmp_path / "store", data_root=corpus)
    datasets = read_datasets({"train": corpus / "train.csv"}, corpus)
    datasets["valid"] = read_datasets({"valid": corpus / "train.csv"}, corpus)["valid"]
    add_tokens(datasets, tmp_path / "store", 12, variants=2)
    store = TokenStore(tmp_path / "store")
    for dataset in datasets.values():
        dataset.set_output_keys(["id", "tokens"])

    def drawn(label):
        item = datasets[label][0]
        names = [variant_id(item["id"], number) for number in range(3)]
        (found,) = [n for n in names if torch.equal(store[n], item["tokens"])]
        return found

    torch.manual_seed(0)
    first = [drawn("train") for _ in range(20)]
    assert set(first) == {"a0", "a0@1", "a0@2"}
    torch.manual_seed(0)
    assert [drawn("train") for _ in range(20)] == first
    # In training by epoch and name: not by process, nor by what was read before.
    by_epoch = []
    for epoch in range(20):
        datasets["train"].drawing = f"1986 {epoch}"
        by_epoch.append(drawn("train"))
        assert drawn("train") == by_epoch[-1]
    assert set(by_epoch) == {"a0", "a0@1", "a0@2"}
    assert {drawn("valid") for _ in range(5)} == {"a0"}
    with pytest.raises(ValueError, match="such as 'a0@3'"):
        add_tokens(datasets, tmp_path / "store", 12, variants=3)


def test_wrong_arguments(make, tmp_path, change):
    with pytest.raises(ValueError, match="variants=0; choose 1 or more"):
        make("none", variants=0)
    path = make("copies", variants=1)
    with pytest.raises(ValueError, match="looks like a variant"):
        write_variants(path, tmp_path / "again", change, 1, 16000)


def test_a_copy_is_of_its_part_and_stays_in_its_folder(tmp_path):
    wav = np.linspace(-0.9, 0.9, 8000)
    path = write_audio(tmp_path / "corpus/a.wav", wav, 8000, "PCM_16")
    listing = tmp_path / "parts.csv"
    listing.write_text("path,start,stop\ncorpus/a.wav,2000,5000\n")
    copies = write_variants(listing, tmp_path / "copies", lambda w, r: (w, r), 1, 8000)
    (copy,) = read_manifest(copies)
    part = read_audio(path, segment=Segment(2000, 5000))
    np.testing.assert_allclose(read_audio(copy.wav), part, rtol=0, atol=1e-4)
    for name in (path, "../corpus/a.wav"):
        listing.write_text(f"path\n{name}\n")
        with pytest.raises(
            ValueError, match="out of .*copies. Give the manifest a column"
        ):
            write_variants(listing, tmp_path / "copies", lambda w, r: (w, r), 1, 8000)
    assert len(list((tmp_path / "corpus").iterdir())) == 1


@pytest.mark.slow
def test_extracted_and_trained_on(samples, tmp_path):
    """By the two recipes, as the README has it."""
    rows = ROWS["tokens/hparams/an4"], ROWS["asr/hparams/an4_tiny"]
    flags = [flags_of(row, samples) for row in rows]
    done = run(rows[0], [*flags[0], "--variants=2"], tmp_path / "tokens")
    assert done.returncode == 0, done.stderr[-3000:]
    store = TokenStore(tmp_path / "tokens/store")
    assert len(store) == 12 * 3 + 6 + 6  # of the training items alone
    train = [flag for flag in flags[1] if "--token_folder" not in flag]
    train += [f"--token_folder={store.path}", "--variants=2"]
    done = run(rows[1], train, tmp_path / "asr")
    assert done.returncode == 0, done.stderr[-3000:]
