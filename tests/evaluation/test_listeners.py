"""Models of listeners: the packages' own numbers, laws, and what has no rating."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from evaluation.metrics import METRICS, PERCEPTION, STANDARD, MetricError, choose
from evaluation.metrics.metric import weights_path

CLIPS = Path(__file__).parents[2] / "demo" / "clips"
# By the packages' own calls (speechmos 0.0.1.1 with librosa 0.11.0, distillmos 0.9.1).
PUBLISHED = {
    "english_man": {
        "dnsmos_ovrl": 2.82333,
        "dnsmos_sig": 3.13522,
        "dnsmos_bak": 3.80395,
        "dnsmos_p808": 3.24875,
        "distillmos": 1.70010,
    },
    "german_woman": {
        "dnsmos_ovrl": 2.15995,
        "dnsmos_sig": 2.65994,
        "dnsmos_bak": 3.18384,
        "dnsmos_p808": 3.29164,
        "distillmos": 1.96776,
    },
}
LISTENERS = [name for name in PERCEPTION if "listeners" in METRICS[name].function]
# The package draws raters at random: the mean of 400 of them, which 15 come near to.
RATED = {"english_man": 3.0277, "german_woman": 2.6320}

pytest.importorskip("onnxruntime")
pytest.importorskip("speechmos")
pytest.importorskip("distillmos")


def read(name):
    return soundfile.read(CLIPS / f"{name}.flac")


@pytest.mark.parametrize("clip", PUBLISHED)
def test_the_packages_own_numbers(clip):
    wav, rate = read(clip)
    for name, expected in PUBLISHED[clip].items():
        assert METRICS[name](wav, wav, rate) == pytest.approx(expected, abs=2e-4), name
    assert METRICS["plcmos"](wav, wav, rate) == pytest.approx(RATED[clip], abs=0.05)


@pytest.mark.parametrize("name", LISTENERS)
def test_what_it_rates_is_worse_and_the_reference_does_not_count(name):
    # Noise alone, not added: it may make a synthetic voice sound less synthetic.
    wav, rate = read("english_man")
    worse = np.random.default_rng(0).normal(size=wav.shape) * 0.03
    if name == "plcmos":  # two of three packets of 20 ms are lost
        worse = wav * (np.arange(len(wav)) // (rate // 50) % 3 == 0)
    metric = METRICS[name]
    clean = metric(wav, wav, rate)
    assert metric(wav, worse, rate) < clean
    assert metric(worse, wav, rate) == clean
    assert 1 <= clean <= 5


@pytest.mark.parametrize("name", LISTENERS)
def test_silence_has_no_rating(name):
    wav, rate = read("english_man")
    with pytest.raises(MetricError, match="silent"):
        METRICS[name](wav, np.zeros_like(wav), rate)


def test_one_sample_has_no_rating():
    """At a higher rate nothing of it is left at 16 kHz."""
    with pytest.raises(MetricError, match="nothing is left of the output at 16000 Hz"):
        METRICS["dnsmos_ovrl"](np.ones(1), np.ones(1), 48000)


def test_a_short_clip_is_repeated_as_the_package_does():
    wav, rate = read("english_man")
    short = wav[rate : rate + rate // 2]
    doubled = np.concatenate([short, short])
    score = METRICS["dnsmos_ovrl"]
    assert score(short, short, rate) == pytest.approx(score(doubled, doubled, rate))


def test_other_weights_are_another_version(monkeypatch, tmp_path):
    from evaluation.metrics import metric

    before = METRICS["distillmos"].version
    assert "weights" in before
    assert weights_path("distillmos:weights/distill_mos_v7.pt").is_file()
    (tmp_path / "other.pt").write_bytes(b"other weights")
    monkeypatch.setattr(metric, "weights_path", lambda name: tmp_path / "other.pt")
    metric._digest.cache_clear()
    try:
        assert METRICS["distillmos"].version != before
    finally:
        metric._digest.cache_clear()


def test_sets_of_metrics_by_name():
    names = [metric.name for metric in choose(["standard", "perception"])]
    assert names == [*STANDARD, *PERCEPTION]
    with pytest.raises(ValueError, match="'stoi' is given twice"):
        choose(["standard", "stoi"])
