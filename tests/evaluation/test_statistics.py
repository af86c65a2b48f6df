"""Intervals, paired differences, Bjøntegaard differences and entropies."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test

from evaluation.recordings.domain import guess_domain
from evaluation.results.curves import Curve, bd_metric, bd_rate
from evaluation.results.rates import codebook_use, held_out_bits, plug_in_bits
from evaluation.results.statistics import (
    flip_test,
    holm,
    interval,
    paired_difference,
)
from evaluation.selftest import speech_like


class TestInterval:
    def test_covers_as_often_as_it_says(self):
        rng = np.random.default_rng(0)
        hits = 0
        for trial in range(200):
            values = rng.normal(size=25)
            result = interval(values, [""] * 25, seed=trial)
            hits += result.low <= 0 <= result.high
        assert 0.88 <= hits / 200 <= 0.98

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("clusters", "covers"), [(5, 0.80), (10, 0.90), (20, 0.92)]
    )
    @pytest.mark.parametrize("draw", ["normal", "exponential"])
    def test_covers_as_often_as_the_pages_say(self, clusters, covers, draw):
        rng = np.random.default_rng(clusters)
        mean, hits = {"normal": 0, "exponential": 1}[draw], 0
        for trial in range(600):
            values = getattr(rng, draw)(size=clusters)
            result = interval(values, [""] * clusters, seed=trial)
            hits += result.low <= mean <= result.high
        assert hits / 600 == pytest.approx(covers, abs=0.03)

    def test_clusters_widen_it(self):
        rng = np.random.default_rng(1)
        speakers = [f"s{index // 10}" for index in range(100)]
        values = np.repeat(rng.normal(size=10), 10) + 0.1 * rng.normal(size=100)
        clustered = interval(values, speakers)
        alone = interval(values, [""] * 100)
        assert clustered.mean == pytest.approx(alone.mean)
        assert clustered.high - clustered.low > 2 * (alone.high - alone.low)
        assert (clustered.clusters, alone.clusters) == (10, 100)

    def test_is_repeatable_and_needs_no_order(self):
        values = list(np.random.default_rng(0).normal(size=20))
        speakers = [chr(97 + index) for index in range(20)]
        first = interval(values, speakers, seed=3, label="x")
        again = interval(values[::-1], speakers[::-1], seed=3, label="x")
        assert first == pytest.approx(again)
        assert first != interval(values, speakers, seed=4, label="x")

    def test_weights(self):
        assert interval([0.0, 1.0], ["a", "b"], [3.0, 1.0]).mean == 0.25

    def test_nothing_one_and_equal(self):
        assert math.isnan(interval([], []).mean)
        one = interval([2.0, 3.0], ["a", "a"])
        assert (one.mean, math.isnan(one.low), one.clusters) == (2.5, True, 1)

    @pytest.mark.parametrize("clusters", range(1, 8))
    def test_few_clusters_have_none(self, clusters):
        """However many clips they have, and even where all agree."""
        speakers = [f"s{index % clusters}" for index in range(40)]
        for values in (np.arange(40.0), np.ones(40)):
            result = interval(values, speakers)
            ends = (result.low, result.high)
            assert np.isnan(ends).all() == (clusters < 5)
            assert np.isnan(ends).any() == (clusters < 5)
            assert result.mean == values.mean()

    def test_equal_values(self):
        assert interval([2.0] * 5, [""] * 5)[:3] == (2.0, 2.0, 2.0)


class TestPaired:
    def test_small_but_sure_difference(self):
        rng = np.random.default_rng(0)
        base = rng.normal(size=30)
        result = paired_difference(
            base + 0.1 + 0.01 * rng.normal(size=30), base, [""] * 30
        )
        assert result.difference.mean == pytest.approx(0.1, abs=0.01)
        assert result.p < 0.001

    def test_no_difference(self):
        rng = np.random.default_rng(0)
        result = paired_difference(rng.normal(size=30), rng.normal(size=30), [""] * 30)
        assert result.p > 0.05

    def test_missing_scores_leave_the_pair_out(self):
        result = paired_difference([1, math.nan, 3, 9], [0, 1, math.nan, 8], [""] * 4)
        assert (result.difference.mean, result.pairs) == (1.0, 2)

    def test_one_speaker_proves_nothing(self):
        assert math.isnan(paired_difference([2, 3], [1, 1], ["a", "a"]).p)

    @pytest.mark.parametrize(
        ("clusters", "error"), [(5, 1e-12), (12, 1e-12), (30, 0.03)]
    )
    def test_flips_as_scipy_does(self, clusters, error):
        """To the bit where all flips are tried, else within the draw."""
        rng = np.random.default_rng(clusters)
        sums = rng.normal(0.3, 1, size=(3, clusters))
        for ours, row in zip(flip_test(sums), sums, strict=True):
            theirs = permutation_test(
                (row, np.zeros_like(row)),
                lambda x, y, axis: (x - y).sum(axis=axis),
                permutation_type="samples",
                vectorized=True,
                n_resamples=4999,
                rng=rng,
            )
            assert ours == pytest.approx(theirs.pvalue, abs=error)

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
    def test_holm_laws(self, p_values):
        """Each is the largest of (m - j) p_(j) up to its own rank, and at most 1."""
        m, ranked = len(p_values), sorted(p_values)
        expected = [
            min(1.0, max((m - j) * ranked[j] for j in range(ranked.index(p) + 1)))
            for p in p_values
        ]
        corrected = holm(p_values)
        # Equal values take the rank of the first, which has the largest factor.
        assert corrected == pytest.approx(expected)

    def test_holm_ignores_what_is_missing(self):
        assert holm([0.01, math.nan, 0.02])[0] == 0.02


class TestBjontegaard:
    curve = Curve([1, 2, 4, 8, 16], [1.0, 1.8, 2.9, 3.6, 4.0])

    @settings(deadline=None, max_examples=30)
    @given(factor=st.floats(0.5, 2.0))
    def test_scaled_rate(self, factor):
        scaled = Curve([factor * rate for rate in self.curve.kbps], self.curve.score)
        assert bd_rate(scaled, self.curve).value == pytest.approx(
            100 * (factor - 1), abs=1e-6
        )

    @settings(deadline=None, max_examples=30)
    @given(offset=st.floats(-0.5, 0.5))
    def test_shifted_score(self, offset):
        shifted = Curve(self.curve.kbps, [score + offset for score in self.curve.score])
        result = bd_metric(shifted, self.curve)
        assert result.value == pytest.approx(offset, abs=1e-9)
        assert (result.low, result.high) == (pytest.approx(1), pytest.approx(16))

    def test_falling_metrics(self):
        anchor = Curve(self.curve.kbps, [-score for score in self.curve.score])
        half = Curve([rate / 2 for rate in anchor.kbps], anchor.score)
        assert bd_rate(half, anchor).value == pytest.approx(-50)

    def test_curves_in_opposite_directions(self):
        """One of them gets worse with more bits: no rate gives an equal score."""
        worse = Curve(self.curve.kbps, self.curve.score[::-1])
        for pair in ((worse, self.curve), (self.curve, worse)):
            result = bd_rate(*pair)
            assert result.value is None
            assert result.reason == "one curve rises with the rate, one falls"
            assert bd_metric(*pair).value is not None

    def test_no_number_without_evidence(self):
        far = Curve([1, 2], [10.0, 11.0])
        assert bd_rate(far, self.curve).reason == "the curves share no scores"
        fast = Curve([100, 200], [1.0, 2.0])
        assert bd_metric(fast, self.curve).reason == "the curves share no rates"
        bumpy = Curve([1, 2, 4], [1.0, 3.0, 2.0])
        assert "do not rise or fall" in bd_rate(bumpy, self.curve).reason
        assert bd_metric(bumpy, self.curve).value is not None
        single = Curve([1, 2], [1.0, math.nan])
        assert bd_rate(single, self.curve).reason == "fewer than two rates"


class TestEntropy:
    def test_held_out_lies_above_the_truth_and_plug_in_below(self):
        rng = np.random.default_rng(0)
        share = rng.dirichlet(np.full(256, 0.5))
        truth = -(share[share > 0] * np.log2(share[share > 0])).sum()
        codes = [rng.choice(256, size=(1, 300), p=share) for _ in range(20)]
        (use,) = codebook_use(codes, 256)
        assert use.plug_in_bits < truth < use.held_out_bits
        assert use.held_out_bits == pytest.approx(truth, abs=0.15)
        assert use.tokens == 6000

    def test_dead_codes_and_perplexity(self):
        (use,) = codebook_use([np.tile([[0, 1, 2, 3]], 8)] * 5, 16)
        assert (use.dead, use.perplexity, use.plug_in_bits) == (12, 4.0, 2.0)

    def test_one_recording_cannot_be_held_out(self):
        assert math.isnan(held_out_bits(np.array([[5, 5]])))

    def test_constant(self):
        assert plug_in_bits(np.array([7, 0])) == 0


class TestDomain:
    def test_voice_and_instrument(self):
        time = np.arange(48000) / 16000
        chord = sum(np.sin(2 * np.pi * f * time) for f in (220, 277, 330, 440)) / 8
        assert guess_domain(speech_like(3.0), 16000) == "speech"
        assert guess_domain(chord * np.exp(-time), 16000) == "music"

    def test_silence_is_left_to_the_metrics(self):
        assert guess_domain(np.zeros(16000), 16000) == "speech"
        assert guess_domain(np.ones(10), 16000) == "speech"

    def test_real_recordings(self, shared_audio):
        import soundfile

        for folder, domain, share in (
            ("eval_speech_24k", "speech", 0.95),
            ("eval_speech_44k", "speech", 0.95),
            ("eval_music_44k", "music", 0.85),
        ):
            guesses = [
                guess_domain(*soundfile.read(path))
                for path in sorted((shared_audio / folder).glob("*.flac"))
            ]
            assert guesses.count(domain) / len(guesses) >= share, folder
