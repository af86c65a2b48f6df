"""The bundled clips are what their manifest and the demo's README say."""

from __future__ import annotations

import csv
import runpy
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parents[2]
CLIPS = ROOT / "demo" / "clips"
MAKER = runpy.run_path(str(ROOT / "scripts" / "make_demo_clips.py"))


def manifest() -> list[dict[str, str]]:
    with (CLIPS / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_manifest_lists_exactly_the_clips():
    listed = [row["path"] for row in manifest()]
    assert sorted(listed) == sorted(path.name for path in CLIPS.glob("*.flac"))
    assert listed == [f"{clip.name}.flac" for clip in MAKER["CLIPS"]]


def test_clips_stay_small():
    assert sum(path.stat().st_size for path in CLIPS.iterdir()) < 600_000


@pytest.mark.parametrize("row", manifest(), ids=lambda row: row["path"])
def test_clip(row):
    """Each is 16 kHz mono speech that every metric can score."""
    samples, rate = soundfile.read(CLIPS / row["path"])
    assert (rate, samples.ndim) == (16000, 1)
    assert samples.size / rate == pytest.approx(float(row["duration_s"]), abs=1e-3)
    assert 3 <= samples.size / rate <= 5
    assert np.abs(samples).max() < 1
    assert row["domain"] == "speech"
    pesq = pytest.importorskip("pesq")
    assert pesq.pesq(16000, samples, samples, "wb") > 4.6


def test_pink_noise_falls_by_three_decibels_an_octave():
    noise = MAKER["pink_noise"](2**16, seed=0)
    power = np.abs(np.fft.rfft(noise)) ** 2
    octaves = [power[2**k : 2 ** (k + 1)].mean() for k in range(8, 15)]
    assert 10 * np.log10(np.divide(octaves[:-1], octaves[1:])) == pytest.approx(
        3.01, abs=0.6
    )


def test_music_plays_the_first_chord_in_tune():
    """The first 1.5 s are broken A minor: 220, 261.6, 329.6 and 440 Hz."""
    samples = MAKER["music"](24000)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(24000), 2**18))
    hertz = np.fft.rfftfreq(2**18, 1 / 16000)
    for note in (220.0, 261.63, 329.63):
        near = (hertz > note - 12) & (hertz < note + 12)
        assert hertz[near][spectrum[near].argmax()] == pytest.approx(note, abs=1.5)


def test_level():
    scaled = MAKER["_at_level"](np.random.default_rng(0).standard_normal(1000), -26.0)
    assert np.sqrt(np.mean(scaled**2)) == pytest.approx(10 ** (-26 / 20))
