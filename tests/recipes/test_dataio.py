"""What a user may get wrong in an ASR or TTS recipe, and what the script says."""

from __future__ import annotations

import csv
import runpy
import shutil
from pathlib import Path

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml
from speechbrain.utils.checkpoints import Checkpointer

from dac_lobe.inference.export import _read_labels

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def prepare_data(samples, tmp_path):
    """Run a recipe's preparer and its ``dataio_prepare``, with some values changed."""

    def prepare(task, change=None, **overrides):
        recipe = ROOT / "recipes" / task
        script = runpy.run_path(str(recipe / "train.py"))
        given = {
            "data_folder": str(samples / "an4"),
            "token_folder": str(samples / "an4_store"),
            "output_folder": str(tmp_path),
            **({"output_neurons": 14} if task == "asr" else {}),
            **overrides,
        }
        text = (recipe / "hparams" / "an4_tiny.yaml").read_text()
        hparams = load_hyperpyyaml(text, given)
        (tmp_path / "save").mkdir(exist_ok=True)
        hparams["prepare"]()
        if change is not None:
            change(tmp_path / "train.csv")
        return script["dataio_prepare"](hparams)

    return prepare


def rewrite(path, **changes):
    """Change columns of a manifest's first row."""
    with open(path, newline="") as file:
        table = list(csv.DictReader(file))
    table[0].update(changes)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)


def test_asr_items(prepare_data):
    datasets, labels = prepare_data("asr")
    item = datasets["train"][0]
    assert item["tokens"].shape[1] == 12
    assert labels.decode_torch(item["char_encoded"]) == item["char_list"]
    assert len(datasets["train"]) == 12


@pytest.mark.parametrize("unit", ["", "_s", "_sec", "_seconds"])
def test_asr_reads_segments(prepare_data, unit):
    """A row's segment, in samples or seconds; a row without one is the whole file."""

    def change(path):
        with open(path, newline="") as file:
            table = list(csv.DictReader(file))
        for row in table:
            row.update({f"start{unit}": "", f"stop{unit}": ""})
        start, stop = (800 / 16000, 2400 / 16000) if unit else (800, 2400)
        table[0].update({f"start{unit}": start, f"stop{unit}": stop})
        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, table[0])
            writer.writeheader()
            writer.writerows(table)

    whole = prepare_data("asr")[0]["train"]
    datasets, _ = prepare_data("asr", change)
    parts = datasets["train"]
    parts.set_output_keys(["id", "sig"])
    whole.set_output_keys(["id", "sig"])
    names = [whole[i]["id"] for i in range(len(whole))]
    first = next(iter(parts.data))
    for name in names:
        sig, full = (
            d.pipeline.compute_specific(["sig"], {"id": name, **d.data[name]})
            for d in (parts, whole)
        )
        expected = full["sig"][800:2400] if name == first else full["sig"]
        assert torch.equal(sig["sig"], expected)


def test_shuffled_tokens_are_the_same_frames(prepare_data):
    straight = prepare_data("asr")[0]["train"][0]["tokens"]
    shuffled = prepare_data("asr", shuffle_tokens=True)[0]["train"]
    found = shuffled[0]["tokens"]
    assert not found.equal(straight)
    assert sorted(found.tolist()) == sorted(straight.tolist())
    assert found.equal(shuffled[0]["tokens"])


def test_tts_sentences_are_apart(prepare_data):
    datasets = prepare_data("tts")
    texts = [
        {row["wrd"] for row in datasets[name].data.values()}
        for name in ("train", "valid", "test")
    ]
    assert not texts[0] & texts[1]
    assert not texts[0] & texts[2]
    assert not texts[1] & texts[2]


def test_too_short_for_ctc(prepare_data):
    with pytest.raises(ValueError, match=r"2 frames in 0.08 s are too few for CTC"):
        prepare_data("asr", lambda path: rewrite(path, duration="0.08", wrd="STOP"))


def test_character_that_is_only_in_the_test(prepare_data, tmp_path):
    def change(path):
        rewrite(path.with_name("test.csv"), wrd="QUIZ")

    with pytest.raises(ValueError, match=r"'QUIZ' has \['Q', 'U', 'Z'\]"):
        prepare_data("asr", change)


@pytest.mark.parametrize("name", ["test", "valid"])
def test_two_manifests_of_one_name(prepare_data, tmp_path, name):
    """Else one would be tested, or validated on, in the other's place."""
    files = [str(tmp_path / "test.csv"), str(tmp_path / "other" / f"{name}.csv")]
    with pytest.raises(ValueError, match=f"is called '{name}' too"):
        prepare_data("asr", test_csv=files)


def test_alphabet_of_another_size(prepare_data):
    with pytest.raises(ValueError, match="Set output_neurons to 14"):
        prepare_data("asr", output_neurons=28)


@pytest.mark.parametrize("task", ["asr", "tts"])
def test_text_without_tokens(prepare_data, task):
    with pytest.raises(ValueError, match="have no tokens in .* such as 'nobody'"):
        prepare_data(task, lambda path: rewrite(path, ID="nobody"))


def test_store_of_another_corpus(prepare_data, samples):
    with pytest.raises(ValueError, match="12 of 12 items have no tokens"):
        prepare_data("asr", token_folder=str(samples / "ljspeech_store"))


def test_folder_that_is_no_store(prepare_data, samples):
    with pytest.raises(ValueError, match="is no token store"):
        prepare_data("asr", token_folder=str(samples / "an4"))


def test_text_that_cannot_be_spoken(prepare_data):
    with pytest.raises(ValueError, match=r"\['4'\]; allowed are"):
        prepare_data("tts", lambda path: rewrite(path, wrd="4 YES"))


@pytest.mark.parametrize("name", ["valid", "test"])
def test_speakers_that_are_not_trained(prepare_data, name):
    """Before an epoch, which would be lost."""

    def change(path):
        rewrite(path.with_name(f"{name}.csv"), spk_id="nobody")

    with pytest.raises(ValueError, match=f"{name}: 1 of . speakers .* 'nobody'.*Split"):
        prepare_data("tts", change)


def test_a_first_start_that_was_refused_leaves_no_labels(prepare_data, tmp_path):
    """The corrected one is not measured by them."""
    with pytest.raises(ValueError, match="Set output_neurons to 15"):
        prepare_data("asr", lambda path: rewrite(path, wrd="GO 5", duration="9"))
    _, labels = prepare_data(
        "asr", lambda path: rewrite(path, wrd="GO ON", duration="9")
    )
    assert "5" not in labels.lab2ind
    numbered = [labels.ind2lab[number] for number in range(len(labels))]
    assert numbered == _read_labels(tmp_path / "save/label_encoder.txt")


def test_a_speaker_that_was_missing_at_first_is_learned(prepare_data, tmp_path):
    def change(path):
        rewrite(path.with_name("valid.csv"), spk_id="nobody")

    with pytest.raises(ValueError, match=r"valid: 1 of . speakers"):
        prepare_data("tts", change)
    prepare_data("tts", lambda path: rewrite(path, spk_id="nobody"))
    assert "nobody" in _read_labels(tmp_path / "save/speakers.txt")


@pytest.mark.parametrize(
    ("task", "name", "column"),
    [("asr", "label_encoder.txt", "wrd"), ("tts", "speakers.txt", "spk_id")],
)
def test_labels_of_checkpoints_stay(prepare_data, tmp_path, task, name, column):
    prepare_data(task)
    path = tmp_path / "save" / name
    before = path.read_bytes()
    Checkpointer(path.parent).save_checkpoint()
    with open(tmp_path / "train.csv", newline="") as file:
        last = list(csv.DictReader(file))[-1][column]
    # Met in another order, they keep their numbers.
    prepare_data(task, lambda path: rewrite(path, duration="9", **{column: last}))
    assert path.read_bytes() == before
    with pytest.raises(ValueError, match=rf"{path} were made .* no '5', and the train"):
        prepare_data(task, lambda path: rewrite(path, **{column: "5"}))
    assert path.read_bytes() == before


def test_too_many_speakers(prepare_data):
    with pytest.raises(ValueError, match="Set num_speakers to 8"):
        prepare_data("tts", num_speakers=2)


def test_stale_manifests_are_made_again(prepare_data, samples, tmp_path):
    """A corpus that has changed is prepared anew; one that has not is left alone."""
    prepare_data("asr")
    before = (tmp_path / "train.csv").stat().st_mtime_ns
    prepare_data("asr")
    assert (tmp_path / "train.csv").stat().st_mtime_ns == before
    corpus = shutil.copytree(samples / "an4", tmp_path / "an4")
    rewrite(corpus / "train.csv", wrd="NO NO")
    prepare_data("asr", data_folder=str(corpus))
    assert "NO NO" in (tmp_path / "train.csv").read_text()


@pytest.mark.parametrize(
    ("num_codebooks", "asked", "tested"),
    [
        (12, None, [1, 2, 4, 8]),
        (4, None, [1, 2, 4]),
        (1, None, [1]),
        (0, [], []),
        (4, [2, 4], [2, 4]),
        (4, [], []),
        (4, [2, 8], "a list of numbers from 1 to 4"),
        (4, [0], "a list of numbers from 1 to 4"),
        (4, [True], "a list of numbers from 1 to 4"),
        (4, 4, "a list of numbers from 1 to 4"),
        (0, [1], r"Give \[\]"),
    ],
)
def test_codebooks_that_do_not_exist_are_not_tested(num_codebooks, asked, tested):
    """The YAML's list follows num_codebooks; one that was asked for has to fit."""
    script = runpy.run_path(str(ROOT / "recipes/asr/train.py"))
    hparams = {"test_codebooks": [1, 2, 4, 8] if asked is None else asked}
    if num_codebooks:
        hparams["num_codebooks"] = num_codebooks
    overrides = f"\nseed: 1\nnum_codebooks: {num_codebooks}"
    if asked is not None:
        overrides += f"\ntest_codebooks: {asked}"
    if isinstance(tested, list):
        assert script["choose_test_codebooks"](hparams, overrides) == tested
    else:
        with pytest.raises(ValueError, match=tested):
            script["choose_test_codebooks"](hparams, overrides)
