"""Loudness: against the standard's numbers and an independent implementation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dac_lobe.audio.loudness import (
    Loudness,
    cookbook_weighting,
    gain_to,
    k_weighting,
    measure_loudness,
)


def speechlike(rate, seconds, channels=1):
    generator = np.random.default_rng(0)
    wav = generator.standard_normal((channels, round(rate * seconds))) * 0.05
    envelope = 0.2 + np.abs(np.sin(np.arange(wav.shape[1]) / rate * 3))
    wav[:, : wav.shape[1] // 3] *= 0.01  # a part for the gates to drop
    return wav * envelope


@pytest.mark.parametrize("weighting", [k_weighting, cookbook_weighting])
@pytest.mark.parametrize("rate", [1000, 2000, 2999, 3300, 3364])
def test_a_low_rate_weighs_what_it_can_hold(weighting, rate):
    """The corner of the shelf may lie above half the rate."""
    tone = 0.1 * np.sin(2 * np.pi * rate / 5 * np.arange(3 * rate) / rate)[None]
    lufs = measure_loudness([tone], rate, weighting).lufs
    plain = -0.691 + 10 * np.log10(np.square(tone).mean())
    assert plain - 20 < lufs < plain + 4


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 44100, 48000, 96000])
def test_a_full_scale_tone_of_997_hz_reads_minus_3(rate):
    tone = np.sin(2 * np.pi * 997 * np.arange(3 * rate) / rate)[None]
    assert measure_loudness([tone], rate).lufs == pytest.approx(-3.01, abs=0.05)


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_agrees_with_pyloudnorm(rate, channels):
    pyloudnorm = pytest.importorskip("pyloudnorm", reason="pyloudnorm is not here")
    wav = speechlike(rate, 7.3, channels)
    # The coefficients of the standard's annex, not the rounded ones of a book.
    meter = pyloudnorm.Meter(rate, filter_class="DeMan")
    theirs = meter.integrated_loudness(wav.T)
    assert measure_loudness([wav], rate).lufs == pytest.approx(theirs, abs=0.02)


@pytest.mark.parametrize("rate", [16000, 24000, 44100])
def test_the_official_packages_meter_is_pyloudnorms_own(rate):
    """audiotools' meter is pyloudnorm's, with its default filter."""
    pyloudnorm = pytest.importorskip("pyloudnorm", reason="pyloudnorm is not here")
    wav = speechlike(rate, 7.3)
    theirs = pyloudnorm.Meter(rate).integrated_loudness(wav.T)
    ours = measure_loudness([wav], rate, cookbook_weighting).lufs
    assert ours == pytest.approx(theirs, abs=1e-6)
    assert measure_loudness([wav], rate).lufs > ours + 0.04  # the standard's


def test_the_blocks_do_not_matter():
    wav = speechlike(16000, 3.0, 2)
    whole = measure_loudness([wav], 16000)
    parts = measure_loudness(np.array_split(wav, 17, axis=1), 16000)
    assert parts.lufs == pytest.approx(whole.lufs, abs=1e-9)
    assert parts.peak == whole.peak


def test_ten_decibels_are_ten_lu():
    wav = speechlike(16000, 3.0)
    louder = measure_loudness([wav * 10**0.5], 16000).lufs
    assert louder - measure_loudness([wav], 16000).lufs == pytest.approx(10.0)


@pytest.mark.parametrize("samples", [1, 10, 1600, 6399])
def test_clips_shorter_than_a_window_have_a_loudness(samples):
    tone = 0.5 * np.sin(2 * np.pi * 997 * np.arange(samples) / 16000 + 1.0)[None]
    assert -30 < measure_loudness([tone], 16000).lufs < 0


@pytest.mark.parametrize("samples", [0, 1, 16000])
def test_silence_gets_no_gain(samples):
    loudness = measure_loudness([np.zeros((1, samples))], 16000)
    assert loudness == Loudness(-math.inf, 0.0)
    assert gain_to(loudness, -16.0) == 0.0


def test_noise_below_the_gate_gets_no_gain():
    wav = 1e-5 * np.random.default_rng(0).standard_normal((1, 16000))
    assert gain_to(measure_loudness([wav], 16000), -16.0) == 0.0


def test_the_gain_reaches_the_target_and_never_clips():
    wav = speechlike(16000, 3.0)
    loudness = measure_loudness([wav], 16000)
    gain = gain_to(loudness, -40.0)
    after = measure_loudness([wav * 10 ** (gain / 20)], 16000)
    assert after.lufs == pytest.approx(-40.0, abs=0.011)
    gain = gain_to(loudness, 0.0)
    assert loudness.peak * 10 ** (gain / 20) <= 1.0
