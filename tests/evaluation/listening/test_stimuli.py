"""Sounds of a listening test: anchors, and equal loudness."""

from __future__ import annotations

import numpy as np
import pytest
from toy_recordings import RATE

from evaluation.listening.stimuli import anchor, anchors_at, match


class TestStimuli:
    @pytest.mark.parametrize("rate", [16000, 44100])
    @pytest.mark.parametrize("edge", [3500, 7000])
    def test_anchors_pass_and_stop(self, rate, edge):
        """Within 0.1 dB up to the edge, 25 dB down soon after (BS.1534-3, 5.1)."""
        time_ = np.arange(rate) / rate
        for frequency, lowest, highest in (
            (edge * 0.5, -0.1, 0.1), (edge * 0.99, -0.1, 0.1), (edge * 1.11, -200, -50),
        ):  # fmt: skip
            tone = np.sin(2 * np.pi * frequency * time_)
            out = anchor(tone, rate, edge)
            assert out.shape == tone.shape
            inner = slice(rate // 4, -rate // 4)
            level = 10 * np.log10(np.mean(out[inner] ** 2) / np.mean(tone[inner] ** 2))
            assert lowest <= level <= highest
            if lowest > -1:  # nor is it late
                assert np.abs(out - tone)[inner].max() < 0.02

    def test_anchors_need_something_to_take_away(self):
        assert anchors_at(16000) == (3500, 7000)
        assert anchors_at(14000) == (3500,)
        assert anchors_at(7000) == ()

    def test_loudness_is_matched(self):
        """Measured by another implementation of BS.1770."""
        pyloudnorm = pytest.importorskip("pyloudnorm")
        rng = np.random.default_rng(0)
        noise = rng.normal(size=3 * RATE)
        takes = [0.1 * noise, 0.01 * noise, 0.5 * anchor(0.1 * noise, RATE, 3500)]
        matched, _ = match(takes, RATE)
        meter = pyloudnorm.Meter(RATE)
        levels = [meter.integrated_loudness(take) for take in matched]
        assert np.ptp(levels) < 0.1
        assert max(np.abs(take).max() for take in matched) <= 0.99

    def test_peaks_lower_all_alike(self):
        click = np.zeros(2 * RATE)
        click[::4000] = 1
        quiet = 0.01 * np.random.default_rng(1).normal(size=2 * RATE)
        matched, gains = match([click, quiet], RATE)
        assert np.abs(matched[0]).max() <= 0.981
        alone, _ = match([quiet], RATE)
        assert np.abs(matched[1]).max() < np.abs(alone[0]).max()
        assert len(gains) == 2

    def test_silence_stays(self):
        matched, gains = match([np.zeros(RATE), np.zeros(RATE)], RATE)
        assert not matched[0].any()
        assert gains == [0, 0]
