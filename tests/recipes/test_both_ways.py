"""Tokens of a store, and of the codec inside: the same batches, the same model."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
import speechbrain as sb
import torch
from hyperpyyaml import load_hyperpyyaml

from dac_lobe.inference import TokenASR
from dac_lobe.inference.export import export_model
from dac_lobe.nnet.datasets import make_loader_options
from dac_lobe.nnet.token_input import describe_tokens, tokenise
from tests.recipes.running import KILLER, ROWS, flags_of, last_weights, run

ROOT = Path(__file__).resolve().parents[2]
ROW = ROWS["asr/hparams/an4_tiny"]
SIG = ["--input=sig", "--codec=16khz-small"]


@pytest.fixture
def prepared(samples, tmp_path):
    """Datasets and hparams of an4_tiny, on the small corpus."""

    def prepare(**overrides):
        given = {
            "data_folder": str(samples / "an4"),
            "token_folder": str(samples / "an4_store"),
            "output_folder": str(tmp_path),
            "output_neurons": 14,
            "batch_seconds": 6,
            "num_buckets": 2,
            **overrides,
        }
        text = (ROOT / "recipes/asr/hparams/an4_tiny.yaml").read_text()
        hparams = load_hyperpyyaml(text, given)
        (tmp_path / "save").mkdir(exist_ok=True)
        hparams["prepare"]()
        script = runpy.run_path(str(ROOT / "recipes/asr/train.py"))
        return script["dataio_prepare"](hparams)[0], hparams

    return prepare


def batches(datasets, hparams):
    """Ids, inputs and lengths of an epoch."""
    loader = sb.dataio.dataloader.make_dataloader(
        datasets["train"], **make_loader_options(datasets["train"], hparams)
    )
    return [(batch.id, *batch[hparams["input"]]) for batch in loader]


def test_same_tokens_bit_for_bit(prepared):
    """In batches of several lengths, padding and relative lengths included."""
    stored = batches(*prepared())
    datasets, hparams = prepared(input="sig", token_folder=None)
    tokenizer = hparams["tokenizer"]()
    heard = batches(datasets, hparams)
    assert len(stored) == len(heard) > 1
    assert any((lengths < 1).any() for _, _, lengths in stored)
    for (names, tokens, lengths), (others, sig, sig_lengths) in zip(
        stored, heard, strict=True
    ):
        assert names == others
        found, found_lengths = tokenise(tokenizer, sig, sig_lengths)
        assert torch.equal(found, tokens)
        assert torch.equal(found_lengths, lengths)


def test_both_ways_start_from_the_same_codebooks(samples):
    store = describe_tokens("tokens", samples / "an4_store")
    codec = describe_tokens("sig", codec="16khz-small")
    same = "num_codebooks", "codebook_size", "sample_rate", "frame_rate", "fingerprint"
    assert [codec[key] for key in same] == [store[key] for key in same]
    torch.manual_seed(0)
    first = prepared_embedding(store)
    torch.manual_seed(0)
    second = prepared_embedding(codec)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


def prepared_embedding(facts):
    from dac_lobe.nnet.embedding import TokenEmbedding

    sizes = facts["num_codebooks"], facts["codebook_size"]
    return TokenEmbedding(*sizes, 32, init_from=facts["codebooks"]).state_dict()


def test_what_is_not_given_is_asked_for(samples):
    with pytest.raises(ValueError, match=r"needs --token_folder"):
        describe_tokens("tokens")
    with pytest.raises(ValueError, match=r"needs --codec"):
        describe_tokens("sig", samples / "an4_store")
    with pytest.raises(ValueError, match=r"input='wav'; choose one of tokens, sig"):
        describe_tokens("wav")


def test_augmenting_a_store_is_refused(prepared):
    with pytest.raises(ValueError, match=r"augment: True needs recordings"):
        prepared(augment=True)


@pytest.mark.slow
def test_same_weights_after_two_epochs(samples, tmp_path):
    """Dropout, masks and prefixes on: they are drawn alike, too."""
    flags = [flag for flag in flags_of(ROW, samples) if "--dropout" not in flag]
    flags.append("--dropout=0.3")
    inside = [flag for flag in flags if "--token_folder" not in flag] + SIG
    for name, given in (("store", flags), ("inside", inside)):
        done = run(ROW, given, tmp_path / name)
        assert done.returncode == 0, done.stderr[-3000:]
    expected, found = (last_weights(tmp_path / name) for name in ("store", "inside"))
    assert expected.keys() == found.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    # The codec is in no checkpoint.
    newest = sorted((tmp_path / "inside/save").glob("CKPT*"))[-1]
    assert not [name for name in found if "codec" in name or "tokenizer" in name]
    assert {path.suffix for path in newest.iterdir()} <= {".ckpt", ".yaml"}
    # Exported, they are one model.
    recording = next((samples / "an4/wav").rglob("*.flac"))
    heard = set()
    for name in ("store", "inside"):
        exported = export_model(
            tmp_path / name, tmp_path / f"{name}_out", "16khz-small"
        )
        asr = TokenASR.from_hparams(str(exported), savedir=str(tmp_path / f"{name}_in"))
        assert asr.hparams.input == "tokens"
        heard.add(asr.transcribe_file(recording))
    assert len(heard) == 1


@pytest.mark.slow
def test_augmented_run_is_resumed_as_if_undisturbed(samples, tmp_path):
    """SIGKILL in the second epoch: the same noise and speeds, the same weights."""
    flags = [flag for flag in flags_of(ROW, samples) if "--token_folder" not in flag]
    flags += SIG
    killer = {
        "launcher": [sys.executable, "-c", KILLER],
        "SAVES": str(tmp_path / "killed/save"),
    }
    for name, augment, options in (
        ("straight", True, {}),
        ("killed", True, killer),
        ("killed", True, {}),
        ("plain", False, {}),
    ):
        done = run(ROW, [*flags, f"--augment={augment}"], tmp_path / name, **options)
        assert done.returncode == (-9 if options else 0), done.stderr[-3000:]
    straight, killed, plain = (
        last_weights(tmp_path / name) for name in ("straight", "killed", "plain")
    )
    assert all(torch.equal(killed[key], straight[key]) for key in straight)
    assert not all(torch.equal(plain[key], straight[key]) for key in straight)
