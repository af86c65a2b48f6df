"""What judges synthesised speech: distances with known values, a page, a whole run."""

from __future__ import annotations

import csv
import importlib
import itertools
import json
import math
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from speechbrain.inference.interfaces import Pretrained
from speechbrain.lobes.features import Fbank

from dac_lobe.audio import read_audio

ROOT = Path(__file__).resolve().parents[2]
TTS = ROOT / "recipes" / "tts"
RATE = 16000


@pytest.fixture(scope="module", autouse=True)
def scripts():
    """Import from the recipe's folder, as its scripts do."""
    sys.path.insert(0, str(TTS))
    yield
    sys.path.remove(str(TTS))


@pytest.fixture(scope="module")
def mcd(scripts):
    return importlib.import_module("mcd")


@pytest.fixture(scope="module")
def voice():
    """A second of pulses through a moving resonance."""
    time = torch.arange(RATE) / RATE
    phase = 2 * math.pi * (120 * time + 8 * torch.sin(6 * time))
    harmonics = [torch.cos(k * phase) / (1 + abs(k - 5 - 3 * time)) for k in range(20)]
    noise = torch.randn(RATE, generator=torch.Generator().manual_seed(0))
    return 0.1 * sum(harmonics) + 0.01 * noise


def test_a_recording_against_itself_is_0(mcd, voice):
    assert mcd.mel_cepstral_distortion(voice, voice, RATE) == 0


def test_level_does_not_count(mcd, voice):
    assert mcd.mel_cepstral_distortion(voice, 0.5 * voice, RATE) < 0.05


def test_neither_is_the_first(mcd, voice):
    other = voice.flip(0)[: RATE // 2]
    there = mcd.mel_cepstral_distortion(voice, other, RATE)
    back = mcd.mel_cepstral_distortion(other, voice, RATE)
    assert there == pytest.approx(back)
    assert there > 1


def test_too_short_is_no_number(mcd, voice):
    assert math.isnan(mcd.mel_cepstral_distortion(voice, voice[:399], RATE))
    assert math.isfinite(mcd.mel_cepstral_distortion(voice, voice[:400], RATE))


@pytest.mark.parametrize("rate", [22050, 24000, 44100])
def test_higher_rates(mcd, rate):
    wav = torch.randn(rate)
    assert mcd.mel_cepstral_distortion(wav, wav, rate) == 0
    assert mcd.mel_cepstral_distortion(wav, torch.randn(rate), rate) > 0


def test_cepstra_are_the_sum_of_the_definition(mcd, voice):
    decibels = Fbank(sample_rate=RATE, n_mels=40)(voice[None])[0].double().numpy()
    found = mcd.mel_cepstra(voice, RATE)
    assert found.shape == (len(decibels), 13)
    for m in (1, 7, 13):
        wanted = sum(
            math.log(10)
            / 20
            * decibels[:, n]
            * math.cos(math.pi * m * (n + 0.5) / 40)
            / 40
            for n in range(40)
        )
        np.testing.assert_allclose(found[:, m - 1], wanted, atol=1e-9)


def test_distance_of_one_coefficient(mcd, monkeypatch):
    """c_1 apart by 1: 10 sqrt(2) / ln 10 dB."""
    cepstra = {400: np.zeros((3, 13)), 401: np.eye(1, 13).repeat(3, 0)}
    monkeypatch.setattr(mcd, "mel_cepstra", lambda wav, rate: cepstra[len(wav)])
    found = mcd.mel_cepstral_distortion(torch.zeros(400), torch.zeros(401), RATE)
    assert found == pytest.approx(10 * math.sqrt(2) / math.log(10))


def _cheapest(distances: np.ndarray) -> float:
    """The same by recursion over all three ways into a cell."""
    rows, columns = distances.shape

    def cost(i, j):
        if i < 0 or j < 0:
            return math.inf
        if i == j == 0:
            return distances[0, 0]
        before = min(cost(i - 1, j - 1), cost(i - 1, j), cost(i, j - 1))
        return before + distances[i, j]

    return cost(rows - 1, columns - 1)


@given(st.integers(0, 1000), st.integers(1, 5), st.integers(1, 5))
def test_no_path_is_cheaper(seed, rows, columns):
    mcd = importlib.import_module("mcd")
    distances = np.random.default_rng(seed).random((rows, columns))
    cost, steps = mcd.warp(distances)
    assert cost == pytest.approx(_cheapest(distances))
    assert max(rows, columns) <= steps <= rows + columns - 1


@pytest.mark.parametrize("speeds", [(1, 2, 1), (3, 1, 1), (2, 2, 2)])
def test_stretching_costs_nothing(mcd, speeds):
    first = np.random.default_rng(0).random((3, 13))
    second = np.repeat(first, speeds, axis=0)
    distances = np.linalg.norm(first[:, None] - second[None], axis=-1)
    assert mcd.warp(distances) == (0.0, sum(speeds))


class _Players(HTMLParser):
    """Collects what a page plays, and its tags."""

    def __init__(self):
        super().__init__()
        self.sources, self.tags, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "audio":
            self.sources.append(dict(attrs)["src"])

    def handle_data(self, data):
        self.text.append(data)


def test_page_plays_what_there_is(tmp_path):
    page = importlib.import_module("page")
    numbers = {"mean": 12.34, "low": 10.0, "high": 15.0}
    summary = {
        **dict.fromkeys(("CER", "WER", "MCD", "duration_ratio"), numbers),
        "missing_stop": 0.0,
    }
    line = {"text": "<b>A & B", "heard": "", "speaker": "s", "cer": 50.0}
    details = {
        "ground truth": [{**line, "wav": "wavs/ground_truth/a.wav"}],
        "model": [{**line, "heard": "A", "wav": None}],
    }
    options = {"temperature": 0.8, "top_k": 20, "guidance_scale": 3.0, "seed": 1}
    path = tmp_path / "report.html"
    page.write_page(path, dict.fromkeys(details, summary), details, options)
    found = _Players()
    found.feed(path.read_text())
    assert found.sources == ["wavs/ground_truth/a.wav"]
    assert "b" not in found.tags
    assert "12.3 [10.0, 15.0]" in "".join(found.text)
    assert "Nothing was spoken." in "".join(found.text)


def test_sentences_of_one_name_are_kept_apart(tmp_path):
    """Ids of a folder with speakers in it are paths; an empty sentence has no file."""
    evaluate = importlib.import_module("evaluate")
    lines = [{"ID": name} for name in ("anna/1", "ben/1", "ben/2")]
    spoken = [evaluate.Spoken(torch.full((size,), 0.5), True) for size in (100, 200, 0)]
    evaluate.write_wavs(tmp_path, "the model", lines, spoken, RATE)
    assert lines[2]["wav"] is None
    sizes = [read_audio(tmp_path / line["wav"]).shape[-1] for line in lines[:2]]
    assert sizes == [100, 200]


def test_another_model_is_judged_the_second_time(tmp_path, monkeypatch):
    """Through SpeechBrain's loading; nothing of the first model is left anywhere."""
    evaluate = importlib.import_module("evaluate")
    monkeypatch.chdir(tmp_path)
    for kind in ("TokenTTS", "TokenASR"):
        monkeypatch.setattr(evaluate, kind, Pretrained)
    pretrainer = "!new:speechbrain.utils.parameter_transfer.Pretrainer"
    for rate in (8000, 16000):
        text = f"input: sig\nmodules: {{}}\nsample_rate: {rate}\n"
        (tmp_path / str(rate)).mkdir()
        text += f"pretrainer: {pretrainer}\n"
        (tmp_path / str(rate) / "hyperparams.yaml").write_text(text)
    for rate in (8000, 16000):
        folder = str(tmp_path / str(rate))
        assert evaluate.load(folder, folder)[0].hparams.sample_rate == rate
    assert {path.name for path in tmp_path.iterdir()} == {"8000", "16000"}
    with pytest.raises(ValueError, match="hears sig at 16000 Hz; waveforms at 8000"):
        evaluate.load(str(tmp_path / "8000"), str(tmp_path / "16000"))


@pytest.mark.slow
def test_the_pipeline_ends_with_a_report(every_letter, tmp_path):
    """Codec, tokens, ASR, TTS, judge: every command, on a corpus of seconds."""
    command = [sys.executable, str(ROOT / "recipes/pipeline.py")]
    command += ["--data_folder", str(every_letter), "--codec_steps", "2"]
    command += ["--asr_epochs", "1", "--tts_epochs", "1", "--workers", "1"]
    command += ["--output_folder", str(tmp_path / "out")]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, timeout=900
    )
    assert done.returncode == 0, done.stderr + done.stdout
    out = tmp_path / "out"
    assert (out / "pipeline.md").read_text().strip() in done.stdout
    results = json.loads((out / "evaluation/results.json").read_text())
    rows = ["ground truth", "resynthesis", "model", "shuffled text"]
    assert list(results["rows"]) == rows
    few = results["rows"]["model"]["WER"]["clusters"] < 5
    assert (results["rows"]["model"]["WER"]["low"] is None) == few
    assert ("[n/a]" in (out / "evaluation/results.md").read_text()) == few
    found = _Players()
    found.feed((out / "evaluation/report.html").read_text())
    lines = list(itertools.chain(*results["items"].values()))
    assert sorted(found.sources) == sorted(line["wav"] for line in lines if line["wav"])
    assert all(os.path.getsize(out / "evaluation" / path) for path in found.sources)
    truth = results["items"]["ground truth"]
    assert all(line["mcd"] == 0 and line["duration_ratio"] == 1 for line in truth)
    # What recipes/run_seeds.py compares adds up to the row's word error rate.
    for row, found in results["rows"].items():
        path = out / f"evaluation/utterances_{row.replace(' ', '_')}.csv"
        with path.open(newline="") as file:
            counts = [
                (int(line["word_errors"]), int(line["words"]))
                for line in csv.DictReader(file)
            ]
        edits, words = map(sum, zip(*counts, strict=True))
        assert 100 * edits / words == pytest.approx(found["WER"]["mean"])
