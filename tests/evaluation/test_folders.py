"""Metrics whose model lies in a folder: the real layouts, tiny and random."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from tiny_models import save_scoreq, save_utmos, save_whisper, save_xvector, tone
from toy_systems import Rounding

from evaluation import evaluate
from evaluation.metrics import METRICS, MetricError, choose
from evaluation.metrics.recognizers import whisper
from evaluation.metrics.words import normalize

RATE = 16000
SAVE = {
    "scoreq": save_scoreq,
    "utmos": save_utmos,
    "wavlm_similarity": save_xvector,
    "whisper_wer": save_whisper,
}


def bound(name, folder):
    (metric,) = choose([f"{name}:{folder}"])
    return metric


@pytest.fixture(params=SAVE)
def model(request, tmp_path):
    """A metric's name, and a folder with a model for it."""
    pytest.importorskip("onnxruntime" if request.param == "scoreq" else "transformers")
    folder = tmp_path / "model"
    folder.mkdir()
    SAVE[request.param](folder)
    return request.param, folder


@pytest.mark.parametrize("name", SAVE)
def test_a_folder_is_needed_and_what_is_in_it(name, tmp_path):
    with pytest.raises(ValueError, match=f"write {name}:FOLDER, the folder of"):
        choose([name])
    with pytest.raises(ValueError, match="there is no .* Give the folder of"):
        choose([f"{name}:{tmp_path}"])


def test_utmos_is_what_its_layout_says(tmp_path):
    """Against the same network, written down once more without transformers."""
    pytest.importorskip("transformers")
    model = save_utmos(tmp_path)
    metric = bound("utmos", tmp_path)
    for seconds in (0.5, 0.73):  # an even and an odd number of frames
        wav = tone(seconds) + 0.1 * np.random.default_rng(0).normal(
            size=round(seconds * RATE)
        )
        with torch.no_grad():
            expected = model(torch.from_numpy(wav.astype(np.float32))[None]).item()
        assert metric(wav, wav, RATE) == pytest.approx(expected, abs=1e-5)


def test_utmos_refuses_other_weights(tmp_path):
    pytest.importorskip("transformers")
    torch.save({"a": torch.zeros(1)}, tmp_path / "utmos22_strong_v1.pt")
    with pytest.raises(MetricError, match="holds no weights of UTMOS"):
        bound("utmos", tmp_path)(tone(), tone(), RATE)


def test_scoreq_is_given_whole_frames(tmp_path):
    pytest.importorskip("onnxruntime")
    save_scoreq(tmp_path)
    wav = tone(1.0)[:-100]
    padded = np.append(wav, np.zeros(100))
    score = bound("scoreq", tmp_path)(wav, wav, RATE)
    assert score == pytest.approx(np.abs(padded).mean(), rel=1e-5)


def test_the_same_voice_is_the_same(tmp_path):
    pytest.importorskip("transformers")
    save_xvector(tmp_path)
    metric = bound("wavlm_similarity", tmp_path)
    assert metric(tone(), tone(), RATE) == pytest.approx(1)
    assert metric(tone(), tone(hertz=1900.0), RATE) < 0.9999


def test_whisper_writes_words_and_they_are_counted(tmp_path):
    pytest.importorskip("transformers")
    save_whisper(tmp_path)
    heard = whisper(tone(), RATE, str(tmp_path))
    assert heard.strip()
    assert "<|" not in heard
    metric = bound("whisper_wer", tmp_path)
    assert metric.weighted(tone(), tone(), RATE, heard).value == 0
    wrong = metric.weighted(tone(), tone(), RATE, f"{heard} and two")
    words = len(normalize(heard)) + 2
    assert wrong == (pytest.approx(200 / words), words)
    with pytest.raises(MetricError, match="no transcript"):
        metric(tone(), tone(), RATE)
    with pytest.raises(MetricError, match="longer than the 30 s"):
        metric.weighted(tone(31.0), tone(31.0), RATE, "a word")


def test_what_has_no_score(model):
    name, folder = model
    metric = bound(name, folder)
    if name == "whisper_wer":  # of words in silence all are wrong
        assert metric.weighted(tone(), 0 * tone(), RATE, "a word") == (100, 2)
    else:
        with pytest.raises(MetricError, match="the output is silent"):
            metric(tone(), 0 * tone(), RATE)
    with pytest.raises(MetricError, match="too short"):
        metric.weighted(tone(0.05), tone(0.05), RATE, "a word")


def test_other_weights_are_noticed(model, clips, tmp_path):
    """By the version, by the cache, and by a process that has loaded the first."""
    name, folder = model
    out = tmp_path / "out"

    def scores():
        results = evaluate(
            clips, [Rounding()], [1], [f"{name}:{folder}"], output=out, workers=0,
            report=False,
        )  # fmt: skip
        assert set(results.utterances["status"]) == {"ok"}
        return results.signature, list(results.utterances[name].dropna())

    first = scores()
    assert scores() == first
    SAVE[name](folder, 2)
    for path in folder.glob("*.*"):  # as a copy with its old time would be
        os.utime(path, ns=(1, 1))
    signature, values = scores()
    assert signature != first[0]
    if name != "whisper_wer":  # all random words are wrong
        assert values != first[1]


def test_only_what_counts_is_hashed(tmp_path):
    save_scoreq(tmp_path)
    before = bound("scoreq", tmp_path).version
    (tmp_path / "adapt_nr_synthetic.onnx").write_bytes(b"another model")
    assert bound("scoreq", tmp_path).version == before
    assert "onnxruntime" in before
    assert METRICS["scoreq"].version != before


def test_what_is_hidden_is_not_hashed(tmp_path):
    save_whisper(tmp_path)
    before = bound("whisper_wer", tmp_path).version
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "model.metadata").write_text("downloaded on a Sunday")
    assert bound("whisper_wer", tmp_path).version == before
    (tmp_path / "seen.txt").write_text("part of the model")
    assert bound("whisper_wer", tmp_path).version != before
