"""Codecs and metrics of others may do what they like: it costs their own rows at most."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
from toy_recordings import voice
from toy_systems import Broken, Rounding

from evaluation import Metric, System
from evaluation import evaluate as evaluate_with_report

evaluate = partial(evaluate_with_report, report=False, workers=0)
RATE = 16000


def own(name: str, function: str = "") -> Metric:
    """A metric of a user's own, from this folder's `toy_systems`."""
    return Metric(name, f"toy_systems:{function or name}", name, "d", "me", True)


class TestInPlace:
    """Work on the arrays that were given, which are nobody else's."""

    @pytest.mark.parametrize("form", ["file", "memory"])
    def test_of_the_input(self, clips, form):
        class Quiet(Broken):
            def encode_clip(self, clip, wav, sample_rate):
                wav -= wav.mean()
                wav *= 0.25
                return wav, True

        source = clips / "clip0.wav" if form == "file" else (voice(), RATE)
        table = evaluate(
            source, [Quiet("fine")], metrics=["mel_dac7"], baselines=["identity"]
        ).utterances
        assert table["mel_dac7"][0] > 1
        assert table["mel_dac7"][1] == 0

    def test_of_the_codes(self, clips):
        class Clearing(Rounding):
            def decode(self, codes, point, length):
                wav = super().decode(codes, point, length)
                codes[:] = 0
                return wav

        found, wanted = (
            evaluate(clips, [one], [1, 4], ["si_sdr_raw"]).utterances
            for one in (Clearing(), Rounding())
        )
        pd.testing.assert_frame_equal(found, wanted)

    @pytest.mark.parametrize(
        "form", [np.asarray, lambda wav: (wav, "x"), lambda wav: {"wav": wav}]
    )
    def test_of_what_another_codec_made(self, form):
        class Emptying(System):
            name = "emptying"

            def encode(self, wav, sample_rate):
                return form(wav)

            def decode(self, coded, point, length):
                held = coded if isinstance(coded, np.ndarray) else None
                held = coded["wav"] if isinstance(coded, dict) else held
                held = coded[0] if held is None else held
                wav = held.copy()
                held[:] = 0
                return wav

        system, wav = Emptying(), voice()
        coded = system.encode(wav.copy(), RATE)
        for _ in range(2):
            point = system.points(None)[0]
            np.testing.assert_array_equal(
                system.reconstruct(coded, point, len(wav), RATE), wav
            )

    def test_of_a_metric(self, clips):
        systems, names = [Rounding()], ["mel_dac7", "si_sdr_raw"]
        found = evaluate(clips, systems, [4], [own("erasing"), *names]).utterances
        wanted = evaluate(clips, systems, [4], names).utterances
        assert set(found["status"]) == {"ok"}
        pd.testing.assert_frame_equal(found[names], wanted[names])
