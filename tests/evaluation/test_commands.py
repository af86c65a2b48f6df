"""The commands, the self-test, comparisons, and metric stats for recipes."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from toy_recordings import RATE, voice
from toy_systems import Rounding

from evaluation import System, evaluate
from evaluation.cli import main
from evaluation.metric_stats import CodecMetricStats
from evaluation.metrics import METRICS, Metric
from evaluation.results.board import join
from evaluation.results.compare import compare, load
from evaluation.selftest import selftest

FAST = ["stoi", "mel_dac7", "si_sdr"]


def run(clips, output, *more):
    return main(
        [str(clips), "--model", "toy_systems:Rounding", "--codebooks", "1,4"]
        + [
            "--metrics",
            ",".join(FAST),
            "--workers",
            "1",
            "--output",
            str(output),
            *more,
        ]
    )


class TestCommand:
    def test_writes_everything(self, clips, tmp_path, capsys):
        assert run(clips, tmp_path / "out", "--baseline", "opus:1.0/0.95,identity") == 0
        shown = capsys.readouterr().out
        assert "| rounding | 4 | 128.00 |" in shown
        names = {path.name for path in (tmp_path / "out").iterdir()}
        assert names >= {
            "utterances.csv", "summary.csv", "summary.md", "summary.tex", "codebooks.csv",
            "paired.csv", "bd.csv", "worst.csv", "definitions.json", "results.json",
            "report.html", "cache",
        }  # fmt: skip
        assert not [name for name in names if name.endswith(".part")]
        results = json.loads((tmp_path / "out" / "results.json").read_text())
        assert results["definitions"]["metrics"]["si_sdr"]["aligned"] is True
        assert "rounding#" in results["signature"]

    def test_too_many_failures(self, clips, tmp_path, capsys):
        (clips / "broken.wav").write_bytes(b"no audio")
        assert run(clips, tmp_path / "a") == 3
        error = capsys.readouterr().err
        assert "25.0% of the scores failed" in error
        assert "most often: the recording is not audio" in error
        assert (tmp_path / "a" / "report.html").is_file()
        assert run(clips, tmp_path / "a", "--max-failures", "0.5") == 0

    @pytest.mark.parametrize(
        ("arguments", "message", "code"),
        [
            ([], "AUDIO is missing", 2),
            (["nowhere"], "neither a folder nor a manifest", 2),
            (["CLIPS", "--codebooks", "one"], "whole numbers with commas", 2),
            (["CLIPS", "--max-failures", "7"], "a share from 0 to 1", 2),
            (["CLIPS", "--bd-anchor", "opus"], "bd_anchor 'opus': choose from", 2),
            (["CLIPS", "--metrics", "beauty"], "unknown metric 'beauty'", 2),
            (["CLIPS", "--baseline", "opos"], "Did you mean opus?", 2),
            (["CLIPS", "--baseline", "16khz-smal"], "unknown model", 2),
            (["CLIPS", "--sample-rate", "-5"], "1000", 2),
            (["CLIPS", "--sample-rate", "999999"], "1000 to 192000 are needed", 2),
            (["CLIPS", "--timeout", "-1"], "timeout=-1 s; more than 0", 2),
            (["CLIPS", "--timeout", "0"], "timeout=0 s; more than 0", 2),
            (["CLIPS", "--timeout", "nan"], "timeout=nan s; more than 0", 2),
            (["CLIPS", "--timeout", "inf"], "at most 1000000 are needed", 2),
            (
                ["CLIPS", "--baseline", "resample:999999"],
                "1000 to 192000 are needed",
                2,
            ),
            (["CLIPS", "--baseline", "folder:.@0"], "more than 0 kbps", 2),
            (["CLIPS", "--baseline", "16khz-small", "--device", "tape"], "tape", 2),
            (["CLIPS", "--workers", "-1"], "--workers", 2),
            (["CLIPS", "--max-utterances", "0"], "--max-utterances", 2),
            (["CLIPS", "--codebooks", "1,40"], "Choose from 1 to", 2),
            (["CLIPS", "--domain", "speeech"], "speeech", 2),
            (["--bogus"], "bogus", 2),
            (["compare", "nowhere"], "second", 2),
            (["compare", "CLIPS", "CLIPS"], "holds no evaluation", 1),
        ],
    )
    def test_errors_are_one_line(
        self, clips, tmp_path, capsys, arguments, message, code
    ):
        given = [str(clips) if a == "CLIPS" else a for a in arguments]
        if given[:1] == [str(clips)]:
            given += [
                "--model",
                "toy_systems:Rounding",
                "--output",
                str(tmp_path / "o"),
            ]
        assert main(given) == code
        error = capsys.readouterr().err.strip()
        assert message in error
        assert len(error.splitlines()) == 1

    def test_full_disk(self, clips, tmp_path, capsys, monkeypatch):
        def write(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("evaluation.suite.write", write)
        assert run(clips, tmp_path / "a") == 1
        error = capsys.readouterr().err
        assert "No space left on device. Make room; the same command" in error

    def test_help_loads_nothing_heavy(self):
        code = (
            "import sys; from evaluation.cli import main; main(['--help']);"
            "heavy = {'torch', 'pandas', 'scipy', 'matplotlib'} & set(sys.modules);"
            "assert not heavy, heavy"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True)
        assert done.returncode == 0, done.stderr

    def test_unwritable_output(self, clips, tmp_path, capsys):
        (tmp_path / "file").write_text("in the way")
        assert run(clips, tmp_path / "file") == 1
        assert "file" in capsys.readouterr().err


class TestSelftest:
    def test_passes_here(self, capsys):
        checks = list(selftest())
        assert not [check for check in checks if check.passed is False]
        assert sum(check.passed is True for check in checks) > 25

    def test_with_the_reference_pairs(self, shared_audio, capsys):
        assert main(["--selftest", str(shared_audio / "metrics_reference")]) == 0
        assert "0 failed" in capsys.readouterr().out

    def test_notices_a_wrong_number(self, monkeypatch, capsys):
        from evaluation.metrics import waveform

        monkeypatch.setattr(waveform, "waveform_l1", lambda x, y, rate: 0.5)
        assert main(["--selftest"]) == 1
        assert "FAIL  waveform_l1" in capsys.readouterr().out


class TestCompare:
    @pytest.fixture
    def runs(self, clips, tmp_path):
        for name, codebooks in (("a", [1, 2, 4]), ("b", [2, 4])):
            evaluate(
                clips, [Rounding()], codebooks, FAST, output=tmp_path / name, workers=0,
                report=False,
            )  # fmt: skip
        return tmp_path / "a", tmp_path / "b"

    def test_names_that_look_like_no_value(self, clips, tmp_path):
        (clips / "clip0.wav").rename(clips / "null.wav")
        (clips / "manifest.csv").write_text(
            "path,speaker\nnull.wav,NA\nclip1.wav,nan\nclip2.wav,\n"
        )
        evaluate(clips, [Rounding()], [1], ["stoi"], output=tmp_path / "run", workers=0,
                 domain="speech", report=False)  # fmt: skip
        table = load(tmp_path / "run").utterances.set_index("utterance")
        assert dict(table["speaker"]) == {"null": "NA", "clip1": "nan", "clip2": ""}

    def test_same_system_has_no_difference(self, runs, capsys):
        table = compare(*runs)
        assert list(table["num_codebooks"]) == [2, 4] * len(FAST)
        assert (table["difference"] == 0).all()
        assert (table["n_pairs"] == 3).all()
        assert set(table["reason"]) == {"the same system and scores"}
        assert table[["p", "p_holm"]].isna().all(axis=None)
        assert main(["compare", *map(str, runs), "-o", str(runs[0] / "cmp.csv")]) == 0
        printed = capsys.readouterr().out
        assert "K=4" in printed
        assert "no interval of fewer than 5 speakers" in printed
        assert len(pd.read_csv(runs[0] / "cmp.csv")) == len(table)

    def test_unchanged_baselines_weaken_nothing(self, clips, tmp_path):
        """With them or without: the same p-values of what did change."""
        old, new = Rounding(), Rounding()
        old.name = new.name = "mine"
        old.trained = 1  # another fingerprint
        for name, system in (("a", old), ("b", new)):
            for extra, baselines in (("", []), (" more", ["identity", Rounding()])):
                evaluate(clips, [system], [1, 2], FAST, output=tmp_path / f"{name}{extra}",
                         baselines=baselines, workers=0, report=False)  # fmt: skip
        alone = compare(tmp_path / "a", tmp_path / "b")
        more = compare(tmp_path / "a more", tmp_path / "b more")
        assert set(more["first"]) == {"mine", "identity", "rounding"}
        ours = more[more["first"] == "mine"].reset_index(drop=True)
        pd.testing.assert_frame_equal(ours, alone)
        assert ours["p_holm"].notna().all()
        assert more.loc[more["first"] != "mine", "p_holm"].isna().all()

    def test_other_delays_are_said(self, runs, capsys):
        """Aligned in another way: no difference of a system that is the same."""
        path = runs[1] / "results.json"
        content = json.loads(path.read_text())
        content["systems"]["rounding"]["delay_samples"] = 8
        path.write_text(json.dumps(content))
        table = compare(*runs).set_index("metric")
        said = "delays of 0 and 8 samples are taken out"
        definitions = content["definitions"]["metrics"]
        aligned = [name for name in FAST if definitions[name]["aligned"]]
        assert 0 < len(aligned) < len(FAST)
        assert (table.loc[aligned, "reason"] == said).all()
        assert (table["reason"] == said).sum() == 2 * len(aligned)
        assert table.loc[aligned, "p"].isna().all()
        assert main(["compare", *map(str, runs)]) == 0
        assert "delays of 0" in capsys.readouterr().out
        # Another codec may well be later: said, and tested all the same.
        content["systems"]["rounding"]["fingerprint"] = "f" * 16
        path.write_text(json.dumps(content))
        table = compare(*runs).set_index("metric")
        assert (table.loc[aligned, "reason"] == said).all()
        assert table["p"].notna().all()

    def test_speakers_are_those_that_either_knows(self, clips, tmp_path):
        """Either order: the same clusters, the same p-values."""
        old, new = Rounding(), Rounding()
        old.name = new.name = "mine"
        old.trained = 1  # another fingerprint
        runs = [tmp_path / "a", tmp_path / "b"]
        for folder, system, more in zip(
            runs, (old, new), ("clip2.wav,\n", "clip2.wav,anna\n"), strict=True
        ):
            (clips / "manifest.csv").write_text(
                f"path,speaker\nclip0.wav,anna\nclip1.wav,\n{more}"
            )
            evaluate(clips, [system], [1, 2], ["si_sdr_raw"], output=folder, workers=0,
                     domain="speech", report=False)  # fmt: skip
        for pair in (runs, runs[::-1]):
            table = compare(*pair)
            assert list(table["p"]) == [1, 1]
            assert not table["reason"].any()
        path = runs[0] / "utterances.csv"
        path.write_text(path.read_text().replace(",anna,", ",ann,"))
        for pair in (runs, runs[::-1]):
            said = compare(*pair)["reason"]
            assert set(said) == {"1 recordings have two speakers, who count as one"}

    def test_other_transcripts_are_refused(self, clips, tmp_path):
        """Where a metric looks at them; results of before do not say what they had."""
        runs = [tmp_path / "a", tmp_path / "b"]
        for folder, said in zip(runs, ("two", "too"), strict=True):
            text = (clips / "manifest.csv").read_text()
            (clips / "manifest.csv").write_text(text.replace(",two", f",{said}"))
            evaluate(clips, ["identity"], metrics=["wer", "si_sdr_raw"], output=folder,
                     workers=0, report=False)  # fmt: skip
        with pytest.raises(
            ValueError, match="wer: 1 transcripts differ, as that of 'clip1'"
        ):
            compare(*runs)
        path = runs[0] / "results.json"
        content = json.loads(path.read_text())
        del content["transcripts"]
        path.write_text(json.dumps(content))
        assert set(compare(*runs)["metric"]) == {"wer", "si_sdr_raw"}

    def test_another_metric_of_ones_own_is_refused(self, clips, tmp_path):
        """Of one name, definition and version; results of before do not say its code."""
        runs = [tmp_path / name for name in "abc"]
        mine = Metric("mine", "toy_systems:level", "Mine", "d", "me", True)
        other = replace(mine, function="toy_systems:error_by_length")
        for folder, metric in zip(
            runs, (mine, replace(mine, title="My own"), other), strict=True
        ):
            evaluate(clips, ["identity"], metrics=[metric], output=folder, workers=0,
                     report=False)  # fmt: skip
        assert set(compare(*runs[:2])["metric"]) == {"mine"}
        with pytest.raises(ValueError, match="mine: fingerprint is '"):
            compare(*runs[1:])
        board = join(runs)
        assert [one.runs for one in board.metrics] == [list(map(str, runs[:2]))]
        assert board.notes[0].startswith(
            f"mine of {runs[2]} is left out: its fingerprint is '"
        )
        path = runs[2] / "results.json"
        content = json.loads(path.read_text())
        del content["definitions"]["metrics"]["mine"]["fingerprint"]
        path.write_text(json.dumps(content))
        assert set(compare(*runs[1:])["metric"]) == {"mine"}

    def test_brackets_of_a_name_are_printed(self, runs, capsys, monkeypatch):
        runs[1].rename(runs[1].with_name("b[red]"))
        monkeypatch.chdir(runs[0].parent)
        assert main(["compare", "a", "b[red]"]) == 0
        assert "b[red] minus a" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("where", "value", "message"),
        [
            (
                ("definitions", "metrics", "stoi", "version"),
                "pystoi 9",
                "stoi: version",
            ),
            (("definitions", "scoring", "sample_rate"), 8000, "scoring.sample_rate is"),
            (("clips", "clip1"), "0" * 64, "1 recordings differ, as 'clip1'"),
        ],
    )
    def test_refuses(self, runs, capsys, where, value, message):
        path = runs[1] / "results.json"
        content = json.loads(path.read_text())
        inner = content
        for key in where[:-1]:
            inner = inner[key]
        inner[where[-1]] = value
        path.write_text(json.dumps(content))
        assert main(["compare", *map(str, runs)]) == 1
        assert message in capsys.readouterr().err


class TestMetricStats:
    def batch(self):
        wavs = torch.from_numpy(
            np.stack([voice(1.0, seed) for seed in range(3)])
        ).float()
        return wavs, 0.5 * wavs + 0.01 * torch.randn_like(wavs)

    def test_failures_are_counted_not_repeated(self):
        target, predict = self.batch()
        predict[1] = 0
        predict[2, 5] = math.nan
        stats = CodecMetricStats("pesq_wb", sample_rate=RATE)
        stats.append(["a", "b", "c"], predict, target)
        summary = stats.summarize()
        assert (summary["n_ok"], summary["n_total"]) == (1, 3)
        assert summary["average"] == stats.scores[0] == summary["min_score"]
        assert summary["failures"] == {
            "b": "the output is silent",
            "c": "the output holds NaN or infinite samples",
        }
        written = io.StringIO()
        stats.write_stats(written)
        assert "1 of 3" in written.getvalue()
        assert "Failed: b: the output is silent" in written.getvalue()

    def test_processes_agree_with_this_one(self):
        target, predict = self.batch()
        scores = []
        for n_jobs in (1, 2):
            stats = CodecMetricStats("stoi", RATE, n_jobs=n_jobs, timeout=60)
            stats.append(["a", "b"], predict[:2], target[:2])
            stats.append(["c"], predict[2:, None], target[2:, None])
            scores.append(stats.scores)
        assert scores[0] == scores[1]
        assert stats.summarize("max_id") in {"a", "b", "c"}

    def test_lengths_leave_padding_out(self):
        target, predict = self.batch()
        stats = CodecMetricStats("waveform_l1", RATE)
        stats.append(["a", "b", "c"], predict, target, torch.tensor([1.0, 0.5, 0.25]))
        expected = float((predict[2, :4000] - target[2, :4000]).abs().mean())
        assert stats.scores[2] == pytest.approx(expected, rel=1e-5)

    @pytest.mark.parametrize("n_jobs", [1, 2])
    def test_scores_are_those_of_the_suite(self, n_jobs):
        """For a model that is early in most clips, and silent in one."""
        target = np.stack([voice(0.6, seed) for seed in range(5)]).astype(np.float32)
        predict = np.round(np.roll(target, -7, axis=1), 2)
        predict[1] = target[1]
        target[2] = 0

        class Kept(System):
            name = "kept"

            def encode_clip(self, clip, wav, sample_rate):
                return int(clip.name)

            def encode(self, wav, sample_rate):
                raise TypeError("not reached")

            def decode(self, coded, point, length):
                return predict[coded]

        names = [str(number) for number in range(5)]
        clips = {name: (wav, RATE) for name, wav in zip(names, target, strict=True)}
        metrics = ["si_sdr", "si_sdr_raw", "waveform_l1"]
        table = evaluate(
            clips, [Kept()], None, metrics, domain="speech", workers=0
        ).utterances
        assert set(table["delay_samples"]) == {-7}
        for metric in metrics:
            stats = CodecMetricStats(metric, RATE, n_jobs=n_jobs, timeout=60)
            for step in range(5):  # the delay is not known from the first on
                one = slice(step, step + 1)
                stats.append(names[one], predict[one], target[one])
                assert n_jobs > 1 or len(stats.scores) == step + 1
            np.testing.assert_array_equal(stats.scores, table[metric])
            told = CodecMetricStats(metric, RATE, delay_samples=-7)
            told.append(names, predict, target)
            np.testing.assert_array_equal(told.scores, stats.scores)

    @pytest.mark.parametrize("metric", ["wer", "cer", "standard", METRICS["wer"]])
    def test_metrics_that_do_not_fit_are_refused_at_once(self, metric):
        with pytest.raises(
            ValueError, match=r"Choose from .*, si_sdr, .*dwer"
        ) as error:
            CodecMetricStats(metric, RATE)
        assert " wer," not in str(error.value)

    def test_nothing_valid(self):
        stats = CodecMetricStats("stoi", RATE)
        assert math.isnan(stats.summarize("average"))
        stats.append(["a"], torch.zeros(1, RATE), torch.zeros(1, RATE))
        assert stats.summarize("min_id") is None

    def test_from_a_yaml(self):
        from hyperpyyaml import load_hyperpyyaml

        text = (
            "stats: !name:evaluation.metric_stats.CodecMetricStats\n"
            "    metric: si_sdr_raw\n    sample_rate: 16000\n"
        )
        stats = load_hyperpyyaml(text)["stats"]()
        target, predict = self.batch()
        stats.append(ids=["a", "b", "c"], predict=predict, target=target)
        assert stats.summarize("average") > 0

    def test_shapes_are_checked(self):
        stats = CodecMetricStats("stoi", RATE)
        with pytest.raises(ValueError, match=r"\[B, T\] is needed"):
            stats.append(["a"], torch.zeros(10), torch.zeros(10))
        with pytest.raises(ValueError, match="one of each"):
            stats.append(["a"], torch.zeros(2, 10), torch.zeros(2, 10))
