"""The whole evaluation on small recordings: tables, failures, cache."""

from __future__ import annotations

import importlib
import json
import os
import sys
import types
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from toy_recordings import voice
from toy_systems import Broken, Loading, OneBitLess, Rounded, Rounding

from evaluation import Metric, suite
from evaluation import evaluate as evaluate_with_report
from evaluation.metrics import METRICS, choose
from evaluation.recordings.finding import find_clips
from evaluation.results import writers
from evaluation.results.compare import compare
from evaluation.running.cache import Cache
from evaluation.running.own_metric import own_metric
from evaluation.running.run import Cell
from evaluation.running.runner import execute
from evaluation.systems import Point, Rate

RATE = 16000
evaluate = partial(evaluate_with_report, report=False)
FAST = ["stoi", "mel_dac7", "si_sdr", "si_sdr_raw"]


def row(table, **match):
    for key, value in match.items():
        table = table[table[key] == value]
    assert len(table) == 1
    return table.iloc[0]


def counted(cache):
    """Scores that a cache has."""
    return sum(len(shard.read_text().splitlines()) for shard in cache.glob("*.jsonl"))


class TestTables:
    def test_one_row_per_utterance_system_and_point(self, clips, tmp_path):
        results = evaluate(
            clips,
            [Rounding()],
            [1, 2, 4],
            FAST,
            baselines=["identity"],
            output=tmp_path / "out",
            workers=0,
        )
        table = pd.read_csv(tmp_path / "out" / "utterances.csv")
        assert list(table.columns[:5]) == [
            "utterance",
            "system",
            "num_codebooks",
            "setting",
            "kbps",
        ]
        assert not table.duplicated(["utterance", "system", "num_codebooks"]).any()
        assert len(table) == 3 * 3 + 3
        assert set(table["status"]) == {"ok"}
        summary = pd.read_csv(tmp_path / "out" / "summary.csv")
        four = row(summary, system="rounding", num_codebooks=4)
        assert (four["kbps"], four["n_ok"], four["n_total"]) == (128.0, 3, 3)
        assert four["stoi_mean"] == pytest.approx(
            results.utterances.query("system == 'rounding' and num_codebooks == 4")[
                "stoi"
            ].mean(),
            abs=1e-6,
        )
        assert "si_sdr" in (tmp_path / "out" / "summary.md").read_text()

    def test_more_codebooks_are_better(self, clips):
        summary = evaluate(clips, [Rounding()], None, FAST, workers=0).summary
        assert list(summary["num_codebooks"]) == [1, 2, 4]
        assert summary["stoi_mean"].is_monotonic_increasing
        assert summary["mel_dac7_mean"].is_monotonic_decreasing
        assert summary["si_sdr_mean"].is_monotonic_increasing


class TestBjontegaard:
    """Both curves are of the same recordings, and so are their rates."""

    def test_failing_where_it_is_hard_gains_nothing(self, clips):
        copy = Rounded("copy", lost=("clip2",))
        results = evaluate(
            clips, [copy], metrics=["si_sdr_raw"], baselines=[Rounded("anchor")],
            workers=0,
        )  # fmt: skip
        one = row(results.bd, system="copy")
        assert one["n"] == 2
        assert one["bd_rate_percent"] == pytest.approx(0, abs=1e-9)
        assert one["bd_metric"] == pytest.approx(0, abs=1e-9)
        # The table has each system's own recordings, and says how many.
        top = results.summary[results.summary["setting"] == "6 bits"]
        assert list(top["si_sdr_raw_n_ok"]) == [2, 3]
        assert top["si_sdr_raw_mean"].nunique() == 2

    @pytest.mark.parametrize("lost", [("clip0", "clip1"), ("clip0", "clip1", "clip2")])
    def test_no_recording_that_both_have(self, clips, lost):
        results = evaluate(
            clips, [Rounded("copy", lost=lost)], metrics=["si_sdr_raw"],
            baselines=[Rounded("anchor", lost=("clip2",))], workers=0,
        )  # fmt: skip
        one = row(results.bd, system="copy")
        assert one["n"] == 0
        assert one["bd_rate_percent"] is None
        assert "rate: no clip is scored at every point" in one["reason"]

    def test_recordings_without_a_score_cost_nothing(self, clips):
        """Music has no STOI: with it or without it, the same numbers."""
        found = []
        for music in ("clip1.wav,music\n", ""):
            (clips / "some.csv").write_text(
                f"path,domain\nclip0.wav,speech\n{music}clip2.wav,speech\n"
            )
            results = evaluate(
                clips / "some.csv", [Rounded("dear", dear="clip1")], metrics=["stoi"],
                baselines=[Rounded("anchor")], workers=0,
            )  # fmt: skip
            found.append(row(results.bd, system="dear").to_dict())
        assert found[0] == found[1]
        assert found[0]["n"] == 2
        assert found[0]["bd_rate_percent"] == pytest.approx(0, abs=1e-9)


class TestScoringRate:
    """Without a system that has one it is the recordings' own: nothing is cut off."""

    @pytest.mark.parametrize("form", ["file", "memory"])
    def test_of_what_has_none(self, tmp_path, caplog, form):
        time = np.arange(44100) / 44100
        wav = sum(0.2 * np.sin(2 * np.pi * hertz * time) for hertz in (440, 15000))
        low = 0.2 * np.sin(2 * np.pi * 440 * time)
        for name, samples in (("clips", wav), ("decoded", low)):
            (tmp_path / name).mkdir()
            soundfile.write(tmp_path / name / "a.wav", samples, 44100)
        source = tmp_path / "clips" if form == "file" else {"a": (wav, 44100)}
        results = evaluate(
            source, [f"folder:{tmp_path / 'decoded'}"], metrics=["lsd"], workers=0
        )
        assert results.run.sample_rate == 44100
        assert results.utterances["lsd"][0] > 1
        assert "scored at 44100 Hz" in caplog.text

    def test_of_most_recordings(self, clips):
        soundfile.write(clips / "other.wav", np.zeros(48000), 48000)
        (clips / "noise.flac").write_bytes(b"not audio at all")
        run = evaluate(clips, ["identity"], metrics=["lsd"], workers=0).run
        assert run.sample_rate == RATE

    def test_of_a_system_that_has_one(self, caplog):
        wav = np.random.default_rng(0).normal(size=44100) / 9
        run = evaluate(
            (wav, 44100), ["identity"], metrics=["lsd"], baselines=[Rounding()],
            workers=0,
        ).run  # fmt: skip
        assert run.sample_rate == Rounding.sample_rate
        assert "scored at" not in caplog.text


def test_names_with_marks_of_markdown_and_latex(clips, tmp_path):
    system = Rounding()
    system.name = "a|b~c^d\\e_f"
    evaluate(clips, [system], [1], ["stoi"], workers=0, output=tmp_path)
    table = (tmp_path / "summary.md").read_text().split("\n\n")[0].splitlines()
    assert len({line.replace(r"\|", "").count("|") for line in table}) == 1
    told = r"a|b\textasciitilde{}c\textasciicircum{}d\textbackslash{}e\_f"
    assert told in (tmp_path / "summary.tex").read_text()


def test_no_parquet_of_an_earlier_run_stays(tmp_path, monkeypatch):
    table, path = pd.DataFrame({"a": [1]}), tmp_path / "table.csv"
    path.with_suffix(".parquet").write_bytes(b"of another run")
    monkeypatch.setattr(writers, "find_spec", lambda name: None)
    writers.write_table(path, table)
    assert [item.name for item in tmp_path.iterdir()] == ["table.csv"]


@pytest.mark.parametrize("form", ["csv", "parquet", "json"])
def test_small_numbers_have_as_many_digits_as_large_ones(tmp_path, form):
    """And what of two sums is luck does not show."""
    if form == "parquet":
        pytest.importorskip("pyarrow")
    given, path = [1.23456789e-9, 0.1 + 0.2, 123456.789, np.nan], tmp_path / f"t.{form}"
    if form == "json":
        writers.write_json(path, {"a": given})
        assert json.loads(path.read_text())["a"] == [
            1.23456789e-9,
            0.3,
            123456.789,
            None,
        ]
        return
    known = pd.Series([0.1 + 0.2, None, 1.0, 2e-9], dtype=object)
    whole = pd.array([1, 2, 3, None], "Int64")
    table = pd.DataFrame({"a": given, "b": known, "n": whole})
    writers.write_table(path.with_suffix(".csv"), table)
    found = pd.read_csv(path) if form == "csv" else pd.read_parquet(path)
    assert found["a"].to_list()[:3] == [1.23456789e-9, 0.3, 123456.789]
    assert found["b"].dropna().to_list() == [0.3, 1.0, 2e-9]
    assert found["n"].to_list()[:3] == [1, 2, 3]
    assert found.isna().sum().to_list() == [1, 1, 1]


def test_small_differences_of_small_scores_are_found(tmp_path):
    """By `compare` too, which reads the files: they are not rounded away."""
    waves = {f"clip{seed}": (voice(0.3, seed), RATE) for seed in range(6)}
    mine = Metric("tiny", "toy_systems:tiny_error", "Tiny", "d", "me", False)
    for out, points in (("one", 3), ("two", 6)):
        system = Rounded("mine")
        system.points = lambda codebooks, points=points: [Point(setting="x")]
        system.decode = lambda coded, point, length, points=points: (
            np.round(coded[0] * 2**points) / 2**points
        )
        system.rate = lambda *given: Rate()
        evaluate(waves, [system], metrics=[mine], workers=0, output=tmp_path / out)
    row = compare(tmp_path / "one", tmp_path / "two").iloc[0]
    assert row["difference"] < 0
    assert row["p"] < 0.05


def test_own_metric(clips):
    mine = Metric(
        "peak", "toy_systems:peak_error", "Peak error", "Difference of the peaks.",
        "this test", higher_is_better=False, options=(("factor", "2"),),
    )  # fmt: skip
    results = evaluate(clips, [Rounding()], [1, 4], ["mel_dac7", mine], workers=1)
    assert results.summary["peak_mean"].is_monotonic_decreasing
    assert results.definitions["metrics"]["peak"]["source"] == "this test"


def test_another_metric_of_ones_own_is_scored_again(clips, tmp_path, monkeypatch):
    """Whatever in it is another, but for what people read; ours are as they were."""
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "metric_of_mine.py"
    module.write_text(
        "def one(*given, by='1'):\n    return float(by)\ndef two(*given):\n    return 2\n"
    )
    mine = Metric("mine", "metric_of_mine:one", "Mine", "d", "me", True)

    def score(metric):
        results = evaluate(
            clips, ["identity"], metrics=["si_sdr_raw", metric], workers=0,
            cache_dir=tmp_path / "cache",
        )  # fmt: skip
        return results.utterances["mine"][0], counted(tmp_path / "cache")

    assert score(mine) == (1, 3 * 3)  # facts and two scores of three clips
    assert score(replace(mine, title="My own", unit="dB")) == (1, 9)
    assert score(replace(mine, function="metric_of_mine:two")) == (2, 12)
    assert score(replace(mine, options=(("by", "3"),))) == (3, 15)
    assert score(replace(mine, definition="another")) == (1, 18)
    module.write_text("def one(*given):\n    return helper()\nhelper = lambda: 4.0\n")
    importlib.reload(importlib.import_module("metric_of_mine"))
    assert score(mine) == (4, 21)


def test_a_metric_of_ones_own_that_was_typed_in(monkeypatch):
    """There is no source of it: what it runs tells it from another."""

    def typed(text):
        module = types.ModuleType("typed_in")
        exec(text, vars(module))
        monkeypatch.setitem(sys.modules, "typed_in", module)
        return own_metric(Metric("mine", "typed_in:one", "Mine", "d", "me", True))

    one = "def one(*given):\n    return len([x for x in given if x in {'a', 'b'}])"
    assert typed(one) == typed("\n\n" + one)
    assert typed(one) != typed(one.replace("'a'", "'c'"))


def test_metrics_of_ours_have_the_keys_that_they_had(tmp_path):
    (tmp_path / "hyperparams.yaml").write_text("a: 1\n")
    bound = choose([f"wer:{tmp_path}"])
    assert not any(map(own_metric, (*METRICS.values(), *bound)))
    assert own_metric(replace(METRICS["wer"], options=(("model", "m"),)))


@pytest.mark.parametrize("workers", [0, 2])
def test_systems_are_loaded_once_in_each_process(clips, tmp_path, workers):
    """And travel before they are: what `load` makes need not be picklable."""
    log = tmp_path / "loads"
    systems = [Loading(name, str(log)) for name in ("a", "b")]
    results = evaluate(clips, systems, [1], ["si_sdr_raw"], workers=workers)
    assert list(results.utterances["status"]) == ["ok"] * 6
    loads = log.read_text().splitlines()
    assert len(loads) == len(set(loads))
    assert {f"{name} {os.getpid()}" for name in "ab"} <= set(loads)
    assert (len(loads) > 2) == bool(workers)


@pytest.mark.parametrize("form", [torch.from_numpy, np.ndarray.tolist])
def test_codes_as_tensors_and_lists_are_codes(clips, form):
    """With the scores, rates and entropies of the same codes as an array."""
    system = Rounding()
    system.encode = lambda wav, rate: form(Rounding().encode(wav, rate))
    found, wanted = (
        evaluate(clips, [one], [1, 4], ["si_sdr_raw"], workers=0).summary
        for one in (system, Rounding())
    )
    assert wanted["kbps_entropy"].notna().all()
    pd.testing.assert_frame_equal(found, wanted)


class TestFailures:
    """Each way to fail is a row with its reason, and costs no other row."""

    @pytest.mark.parametrize(
        ("way", "reason"),
        [
            ("raise", "decode: ZeroDivisionError: as asked"),
            ("nan", "decode: the output holds NaN or infinite samples"),
            ("short", "decode: the lengths differ"),
        ],
    )
    def test_of_one_decode(self, clips, way, reason):
        results = evaluate(clips, [Broken(way, only="clip1")], metrics=FAST, workers=0)
        bad = row(results.utterances, utterance="clip1")
        assert bad["status"] == "failed"
        assert bad["reason"].startswith(reason)
        assert bad[FAST].isna().all()
        summary = results.summary.iloc[0]
        assert (summary["n_ok"], summary["n_total"]) == (2, 3)
        assert summary["stoi_mean"] == pytest.approx(1.0)

    def test_counts_though_no_score_would_mean_anything(self, clips):
        (clips / "manifest.csv").write_text("path,domain\nclip0.wav,music\n")
        results = evaluate(
            clips / "manifest.csv", [Broken("raise")], metrics=["stoi"], workers=0
        )
        assert list(results.utterances["status"]) == ["failed"]
        assert list(results.summary["n_ok"]) == [0]

    @pytest.mark.parametrize(
        ("name", "value", "reason"),
        [
            ("codebook_size", 3, "encode: codes from 0 to 3, and codebook_size is 3"),
            ("num_codebooks", 5, "encode: codes of shape (4, 16000), and num_codebo"),
        ],
    )
    def test_of_codes_that_are_not_as_declared(self, clips, name, value, reason):
        system = Rounding()
        setattr(system, name, value)
        if name == "num_codebooks":
            system.encode = lambda wav, rate: Rounding().encode(wav, rate)
        results = evaluate(clips, [system], [1], ["stoi"], workers=0)
        assert results.utterances["reason"].iloc[0].startswith(reason)

    @pytest.mark.parametrize(
        ("form", "shape"),
        [
            (lambda codes: codes[None], "[1, 4, 16000] and type int64"),
            (lambda codes: torch.from_numpy(codes)[None], "[1, 4, 16000] and type"),
            (lambda codes: codes[0], "[16000] and type int64"),
            (lambda codes: codes.astype(float), "[4, 16000] and type float64"),
        ],
    )
    def test_of_codes_that_are_no_matrix_of_integers(self, clips, form, shape):
        """The first codebooks of a batch axis would be all of them."""
        system = Rounding()
        system.encode = lambda wav, rate: form(Rounding().encode(wav, rate))
        table = evaluate(clips, [system], [1, 4], ["stoi"], workers=0).utterances
        assert set(table["status"]) == {"failed"}
        assert table["reason"][0].startswith(f"encode: codes of shape {shape}")

    def test_silent_output_fails_where_it_means_nothing(self, clips):
        table = evaluate(clips, [Broken("silent")], metrics=FAST, workers=0).utterances
        assert table["stoi"].isna().all()
        assert table["si_sdr"].isna().all()
        assert table["mel_dac7"].notna().all()  # a distance to silence exists
        assert "stoi: the output is silent" in table["reason"].iloc[0]

    @pytest.mark.parametrize(
        ("way", "reason"),
        [
            ("exit", "the worker ended with exit code 7 in decode"),
            ("kill", "the worker was ended by SIGKILL in decode"),
            ("hang", "no answer for 10 s in decode"),
        ],
    )
    def test_of_a_worker(self, clips, way, reason):
        results = evaluate(
            clips,
            [Broken(way, only="clip1")],
            metrics=["mel_dac7"],
            timeout=10,
        )
        bad = row(results.utterances, utterance="clip1")
        assert (bad["status"], bad["reason"]) == ("failed", reason)
        assert list(results.utterances["status"]) == ["ok", "failed", "ok"]

    def test_of_recordings(self, clips):
        soundfile.write(clips / "silent.wav", np.zeros(RATE), RATE)
        soundfile.write(clips / "short.wav", np.linspace(0, 0.1, 100), RATE)
        soundfile.write(clips / "nan.wav", np.full(RATE, np.nan), RATE, "FLOAT")
        (clips / "noise.flac").write_bytes(b"not audio at all")
        (clips / "empty.wav").write_bytes(b"")
        soundfile.write(clips / "none.wav", np.zeros(0), RATE)
        results = evaluate(clips, [Rounding()], [2], [*FAST, "pesq_wb"], workers=0)
        table = results.utterances.set_index("utterance")
        assert list(table.index[table["status"] == "ok"]) == ["clip0", "clip1", "clip2"]
        assert "the reference is silent" in table["reason"]["silent"]
        assert "too short" in table["reason"]["short"]
        assert "the recording holds a NaN or infinite sample" in table["reason"]["nan"]
        assert table["reason"]["noise"].startswith("the recording is not audio")
        assert str(clips) not in table["reason"]["noise"]  # the row names it
        assert table["reason"]["empty"].startswith("the recording is an empty file")
        assert table["reason"]["none"].startswith("the recording holds no samples")
        assert table[FAST].loc[["nan", "noise", "empty", "none"]].isna().all(axis=None)
        assert results.failed_share > 0.3

    def test_music_has_no_speech_scores(self, clips):
        (clips / "manifest.csv").write_text(
            "path,domain\nclip0.wav,speech\nclip1.wav,music\nclip2.wav,speech\n"
        )
        results = evaluate(clips, [Rounding()], [4], [*FAST, "pesq_wb"], workers=0)
        music = row(results.utterances, utterance="clip1")
        assert music["status"] == "ok"
        assert music[["stoi", "pesq_wb"]].isna().all()
        assert music[["mel_dac7", "si_sdr"]].notna().all()
        assert "n/a: a measure of speech" in music["reason"]
        assert results.summary.iloc[0]["stoi_n_ok"] == 2


class TestDelay:
    def test_is_taken_out_of_aligned_metrics_only(self, clips):
        results = evaluate(clips, [Broken("late")], metrics=FAST, workers=0)
        table = results.utterances
        assert set(table["delay_samples"]) == {8}
        assert set(table["lag_samples"]) == {8}
        assert (table["si_sdr"] > 99).all()
        assert (table["si_sdr_raw"] < 20).all()

    def test_one_odd_clip_does_not_decide(self, clips):
        table = evaluate(
            clips, [Broken("late", only="clip0")], metrics=FAST, workers=0
        ).utterances
        assert set(table["delay_samples"]) == {0}
        assert list(table["lag_samples"]) == [8, 0, 0]

    @pytest.mark.parametrize("level", [0.0, 0.25])
    def test_silent_recordings_have_no_vote(self, clips, tmp_path, level):
        """Nor have constant ones: a shift does not show in them."""
        for number in range(4):
            soundfile.write(clips / f"still{number}.wav", np.full(RATE, level), RATE)
        results = evaluate(
            clips, [Broken("late")], [1], ["si_sdr"], workers=0, output=tmp_path / "o"
        )
        table = results.utterances.set_index("utterance")
        assert set(table["delay_samples"]) == {8}
        heard = table.index.str.startswith("clip")
        assert (table["lag_samples"][heard] == 8).all()
        assert table["lag_samples"][~heard].isna().all()
        assert (table["si_sdr"][heard] > 99).all()

    def test_silent_outputs_have_no_vote(self, clips):
        """A codec that mutes two of three clips, and is late in the third."""

        class Muting(Broken):
            def decode(self, coded, point, length):
                late = super().decode(coded, point, length)
                return late if coded[1] else np.zeros(length)

        table = evaluate(
            clips, [Muting("late", only="clip0")], metrics=FAST, workers=0
        ).utterances
        assert set(table["delay_samples"]) == {8}
        assert table["lag_samples"].isna().sum() == 2


class TestCache:
    def test_second_run_computes_nothing(self, clips, tmp_path):
        log, out = tmp_path / "log", tmp_path / "out"
        first = evaluate(
            clips, [OneBitLess(str(log))], metrics=FAST, output=out, workers=0
        )
        assert log.read_text().count("encoded") == 3
        second = evaluate(
            clips, [OneBitLess(str(log))], metrics=FAST, output=out, workers=0
        )
        assert log.read_text().count("encoded") == 3
        pd.testing.assert_frame_equal(first.utterances, second.utterances)

    def test_new_metric_and_new_codebooks_only(self, clips, tmp_path, monkeypatch):
        out = tmp_path / "out"
        evaluate(clips, [Rounding()], [1, 2], FAST, output=out, workers=0)
        computed = []
        put = Cache.put
        monkeypatch.setattr(
            Cache,
            "put",
            lambda self, key, value: computed.append(put(self, key, value)),
        )
        evaluate(clips, [Rounding()], [1, 2], [*FAST, "lsd"], output=out, workers=0)
        assert len(computed) == 3 * 2
        computed.clear()
        evaluate(clips, [Rounding()], [1, 2, 3], FAST, output=out, workers=0)
        assert len(computed) == 3 * (len(FAST) + 1)

    def test_changed_recording_is_scored_again(self, clips, tmp_path):
        out = tmp_path / "out"
        before = evaluate(clips, [Rounding()], [2], FAST, output=out, workers=0)
        wav, rate = soundfile.read(clips / "clip0.wav")
        soundfile.write(clips / "clip0.wav", wav[::-1], rate)
        after = evaluate(clips, [Rounding()], [2], FAST, output=out, workers=0)
        same = before.utterances["mel_dac7"] == after.utterances["mel_dac7"]
        assert list(same) == [False, True, True]

    @pytest.mark.parametrize("damage", ["gone", "torn"])
    def test_lost_codes_are_made_again(self, clips, tmp_path, damage):
        out = tmp_path / "out"
        first = evaluate(clips, [Rounding()], [1, 2], FAST, output=out, workers=0)
        assert list(first.codebooks["tokens"]) == [52800] * 4
        kept = sorted((out / "cache" / "codes").rglob("*.npy"))
        kept[0].unlink() if damage == "gone" else kept[0].write_bytes(b"\x93NUM")
        second = evaluate(clips, [Rounding()], [1, 2], FAST, output=out, workers=0)
        pd.testing.assert_frame_equal(first.codebooks, second.codebooks)

    def test_passing_failures_are_tried_again(self, clips, tmp_path, monkeypatch):
        out = tmp_path / "out"
        with monkeypatch.context() as patch:

            def full(self, wav, sample_rate):
                raise OSError(28, "No space left on device")

            patch.setattr(Rounding, "encode", full)
            first = evaluate(clips, [Rounding()], [2], FAST, output=out, workers=0)
        assert set(first.utterances["reason"]) == {
            "encode: OSError: [Errno 28] No space left on device"
        }
        second = evaluate(clips, [Rounding()], [2], FAST, output=out, workers=0)
        assert set(second.utterances["status"]) == {"ok"}

    def test_recording_that_was_away_is_scored_when_it_is_back(
        self, clips, tmp_path, monkeypatch
    ):
        """A disk may be away for a while; that is no fact about the recording."""
        out, away = tmp_path / "out", tmp_path / "clip1.wav"

        def without_one(run, *rest):
            (clips / "clip1.wav").rename(away)
            execute(run, *rest)
            away.rename(clips / "clip1.wav")

        with monkeypatch.context() as patch:
            patch.setattr(suite, "execute", without_one)
            first = evaluate(clips, [Rounding()], [2], FAST, output=out, workers=0)
        assert list(first.utterances["status"]) == ["ok", "failed", "ok"]
        second = evaluate(clips, [Rounding()], [2], FAST, output=out, workers=0)
        assert list(second.utterances["status"]) == ["ok"] * 3

    def test_recordings_of_the_same_bytes_have_files_of_their_own(
        self, clips, tmp_path
    ):
        """A folder's second file is not the first one's, though the references are."""
        decoded = tmp_path / "decoded"
        decoded.mkdir()
        (clips / "clip1.wav").write_bytes((clips / "clip0.wav").read_bytes())
        wav, _ = soundfile.read(clips / "clip0.wav")
        for number, gain in enumerate((0.3, 1.0, 0.3)):
            soundfile.write(decoded / f"clip{number}.wav", gain * wav, RATE)
        tables = [
            evaluate(
                clips,
                [f"folder:{decoded}"],
                metrics=["mel_dac7"],
                output=out,
                workers=0,
            ).utterances
            for out in (tmp_path / "out", tmp_path / "out")
        ]
        assert tables[0]["mel_dac7"][0] > 0.1 > tables[0]["mel_dac7"][1]
        pd.testing.assert_frame_equal(*tables)

    def test_torn_line_is_ignored(self, clips, tmp_path):
        out = tmp_path / "out"
        first = evaluate(clips, [Rounding()], [2], FAST, output=out, workers=0)
        (shard,) = (out / "cache").glob("*.jsonl")
        shard.write_bytes(shard.read_bytes()[:-20])
        second = evaluate(clips, [Rounding()], [2], FAST, output=out, workers=0)
        pd.testing.assert_frame_equal(first.utterances, second.utterances)


def test_same_bytes_for_any_number_of_workers(clips, tmp_path):
    for workers in (1, 3):
        evaluate(
            clips,
            [Rounding()],
            [1, 2],
            FAST,
            baselines=["opus:1.0", "resample"],
            output=tmp_path / str(workers),
            workers=workers,
        )
    for name in ("utterances.csv", "summary.csv", "summary.md"):
        one, three = (tmp_path / n / name for n in ("1", "3"))
        assert one.read_bytes() == three.read_bytes()


class TestClips:
    def test_draw_is_seeded(self, clips):
        drawn = [
            [clip.name for clip in find_clips(clips, max_utterances=2, seed=seed)]
            for seed in (1, 1, 2, 3, 4)
        ]
        assert drawn[0] == drawn[1]
        assert any(names != drawn[0] for names in drawn)

    def test_manifest_alone_says_what_is_taken(self, clips):
        (clips / "some.csv").write_text("path\nclip2.wav\nmissing.wav\n")
        names = [clip.name for clip in find_clips(clips / "some.csv")]
        assert names == ["clip2", "missing"]

    def test_same_stem_twice(self, clips):
        soundfile.write(clips / "clip0.flac", np.zeros(10), RATE)
        names = [clip.name for clip in find_clips(clips)]
        assert names == ["clip0.flac", "clip0", "clip1", "clip2"]

    def test_what_is_left_out_is_said(self, clips, tmp_path, caplog):
        (clips / "notes.txt").touch()
        (clips / ".hidden").touch()
        (clips / "song.xyz").touch()
        evaluate_with_report(
            clips, ["identity"], metrics=["mel_dac7"], workers=0, output=tmp_path / "o"
        )
        said = "left out: 2 (.txt 1, .xyz 1)"
        assert said in caplog.text
        assert said in (tmp_path / "o" / "report.html").read_text(encoding="utf-8")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"audio_dir": "nowhere"}, "neither a folder nor a manifest"),
            ({"domain": "birdsong"}, "choose from speech, music, auto"),
            ({"codebooks": [0]}, "has 4"),
            ({"codebooks": [5]}, "has 4"),
            ({"metrics": []}, "no metric given"),
            ({"max_utterances": 0}, "1 or more"),
            ({"workers": -1}, "0 or more"),
            ({"systems": [Rounding(), Rounding()]}, "two systems are called"),
        ],
    )
    def test_bad_arguments(self, clips, change, message):
        arguments = {
            "audio_dir": clips,
            "systems": [Rounding()],
            "workers": 0,
            **change,
        }
        with pytest.raises(ValueError, match=message):
            evaluate(**arguments)


def test_outcomes_are_addressed_by_cell(clips):
    run = evaluate(clips, [Rounding()], [2], ["mel_dac7"], workers=0).run
    outcome = run.outcomes[Cell("clip0", "rounding", Point(2), "mel_dac7")]
    assert outcome.status == "ok"
    assert outcome.value > 0
