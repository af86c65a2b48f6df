"""Codecs and metrics of others may do what they like: it costs their own rows at most."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
from toy_recordings import voice
from toy_systems import Broken, Odd, Rounding

from evaluation import Metric, Rate, System
from evaluation import evaluate as evaluate_with_report
from evaluation.cli import main
from evaluation.errors import LoadError
from evaluation.metrics import choose
from evaluation.metrics.columns import RESERVED

evaluate = partial(evaluate_with_report, report=False, workers=0)
RATE = 16000


def own(name: str, function: str = "") -> Metric:
    """A metric of a user's own, from this folder's `toy_systems`."""
    return Metric(name, f"toy_systems:{function or name}", name, "d", "me", True)


def changed(attribute: str, value) -> Broken:
    """A codec that works, but for one attribute."""
    system = Broken("fine")
    setattr(system, attribute, value)
    return system


def raising(error: Exception):
    """A function that raises ``error``, whatever it is given."""

    def function(*given):
        raise error

    return function


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


@pytest.mark.parametrize("name", ["utterance", "kbps", "seconds", "status", "@facts"])
def test_metrics_called_like_columns_are_refused(name):
    with pytest.raises(ValueError, match=f"metric '{name}' would stand in the tables'"):
        choose([own(name)])


def test_every_column_that_is_no_metric_is_reserved(clips):
    table = evaluate(clips, ["identity"], metrics=["lsd"]).utterances
    assert {*table.columns, "@facts"} == {*RESERVED, "lsd"}


@pytest.mark.parametrize(
    ("kind", "advice"),
    [("int16", "32768"), ("int32", "2147483648"), ("uint8", "full scale")],
)
def test_integer_samples_are_refused(clips, kind, advice):
    class Pcm(Broken):
        def decode(self, coded, point, length):
            return (100 * coded[0]).astype(kind)

    table = evaluate(clips, [Pcm("fine")], metrics=["lsd"]).utterances
    assert set(table["reason"]) == {
        f"decode: float samples in [-1, 1] are needed, got {kind}; divide by {advice}"
    }


def test_rates_may_be_numbers_of_numpy(clips):
    class Counted(Broken):
        def rate(self, coded, point, length):
            return Rate(
                emitted=np.int64(8000 * length), file=np.float32(16000 * length)
            )

    table = evaluate(clips / "clip0.wav", [Counted("fine")], metrics=["lsd"]).utterances
    assert table["kbps_emitted"][0] == 8 * RATE
    assert table["kbps_file"][0] == 16 * RATE


class TestExceptions:
    """Of any kind: each is the reason of its own row."""

    @pytest.mark.parametrize("workers", [0, 1])
    @pytest.mark.parametrize("step", ["encode", "decode", "metric"])
    def test_are_reasons(self, clips, workers, step):
        results = evaluate(
            clips, [Odd(step)], metrics=[own("calling"), "lsd"], workers=workers
        )
        where = "calling: " if step == "metric" else f"{step}: "
        assert set(results.utterances["reason"]) == {
            f"{where}CalledProcessError: Command 'codec' returned non-zero exit status 3."
        }
        assert results.utterances["lsd"].notna().all() == (step == "metric")

    @pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
    def test_interruptions_are_none(self, clips, kind):
        with pytest.raises(kind):
            evaluate(clips, [changed("decode", raising(kind()))], metrics=["lsd"])


@pytest.mark.parametrize("way", ["nan", "short"])
def test_bad_output_is_tried_again(clips, tmp_path, way):
    """As what is raised is: nobody raises a version for what never was right."""
    system = Broken(way)
    system.fingerprint = lambda: "the same"
    tables = []
    for system.way in (way, "fine"):
        tables.append(
            evaluate(clips, [system], metrics=["lsd"], output=tmp_path).utterances
        )
    assert [set(table["status"]) for table in tables] == [{"failed"}, {"ok"}]


class TestReadiness:
    """What cannot start is refused in a sentence, before anything is computed."""

    @pytest.mark.parametrize("kind", [RuntimeError, KeyError, ValueError, OSError])
    def test_of_what_cannot_be_loaded(self, clips, kind):
        cause = kind("weights")
        with pytest.raises(
            LoadError, match=r"broken-fine cannot be loaded: .*weights"
        ) as e:
            evaluate(clips, [changed("load", raising(cause))])
        assert e.value.__cause__ is cause

    def test_of_what_cannot_be_loaded_from_the_command(self, clips, tmp_path, capsys):
        command = [str(clips), "--model", "toy_systems:Unloadable", "-j", "0"]
        assert main([*command, "--output", str(tmp_path / "o")]) == 1
        assert capsys.readouterr().err.splitlines() == [
            "dac-lobe-evaluate: unloadable cannot be loaded: KeyError: 'weights'"
        ]

    def test_of_what_cannot_be_sent(self, clips):
        system = changed("gain", lambda wav: wav)
        with pytest.raises(ValueError, match=r"broken-fine cannot be sent .*workers=0"):
            evaluate(clips, [system], metrics=["lsd"], workers=1)
        assert set(evaluate(clips, [system], metrics=["lsd"]).utterances["status"]) == {
            "ok"
        }

    @pytest.mark.parametrize(
        ("found", "said"),
        [
            ([], r"points\(\) of broken-fine gives \[\]; one or more Point"),
            (["6kbps"], r"gives \['6kbps'\]; one or more Point"),
            (None, "broken-fine has no points: TypeError"),
        ],
    )
    def test_of_what_has_no_points(self, clips, found, said):
        with pytest.raises(ValueError, match=said):
            evaluate(clips, [changed("points", lambda codebooks: found)])

    @pytest.mark.parametrize("name", ["", None])
    def test_of_what_has_no_name(self, clips, name):
        with pytest.raises(ValueError, match="toy_systems:Broken has no name"):
            evaluate(clips, [changed("name", name)])
