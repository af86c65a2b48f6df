"""Changes of level: as loud as asked for, unclipped, and no sign turned unasked."""

from __future__ import annotations

import numpy as np
import pytest

from dac_lobe.audio.loudness import measure_loudness
from dac_lobe.data.augment import PEAK, Augment

RATE = 16000
TONE = np.sin(2 * np.pi * 997 * np.arange(RATE) / RATE)
LEVEL = Augment(loudness_lufs=-16.0, gain_db=0.0, polarity=False)


def loudness(wav: np.ndarray) -> float:
    return measure_loudness([wav[None]], RATE).lufs


def change(wav: np.ndarray) -> np.ndarray:
    return LEVEL(wav, np.random.default_rng(0))


@pytest.mark.parametrize("lufs", [-38.0, -24.0, -16.0, -10.0])
def test_every_segment_leaves_at_the_loudness_asked_for(lufs):
    wav = TONE * 10 ** ((lufs - loudness(TONE)) / 20)
    changed = change(wav)
    assert loudness(changed) == pytest.approx(-16.0, abs=0.1)
    np.testing.assert_allclose(changed / np.abs(changed).max(), TONE, atol=0.01)


def test_a_peak_is_not_clipped_for_loudness():
    """A click in quiet noise: it may grow to the largest peak, and its shape stays."""
    wav = 0.003 * np.random.default_rng(0).standard_normal(RATE)
    wav[RATE // 2] = 0.5
    changed = change(wav)
    assert changed.max() == pytest.approx(PEAK)
    np.testing.assert_allclose(changed, wav * changed.max() / 0.5, atol=1e-6)
    assert loudness(wav) < loudness(changed) < -16.0


@pytest.mark.parametrize("level", [0.0, 1e-5])
def test_what_has_no_loudness_stays(level):
    """Silence, and what is below the standard's gate."""
    np.testing.assert_allclose(change(level * TONE), level * TONE, rtol=1e-6)
