"""The board: what is joined, what is refused, and the page in a real browser."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from toy_recordings import RATE, make_clips, voice
from toy_systems import OneBitLess, Rounded, Rounding

from evaluation import evaluate
from evaluation.cli import main
from evaluation.metrics import Metric
from evaluation.results.board import join
from evaluation.results.pairs import pairwise
from evaluation.results.statistics import paired_difference

METRICS = ["stoi", "si_sdr_raw", "waveform_l1"]


class TestPairs:
    @pytest.mark.parametrize("clusters", [5, 9, 13])
    def test_agrees_with_the_single_test(self, clusters):
        """Missing scores leave their pair out and no other; equal tests, equal p-values."""
        rng = np.random.default_rng(0)
        scores = rng.normal(size=(3, 30)) + np.array([[0], [0.4], [1.5]])
        scores[0, 3] = scores[2, 7] = np.nan
        speakers = [f"s{i % clusters}" for i in range(30)]
        for one in pairwise(scores, [(0, 1), (0, 2), (1, 2)], speakers):
            single = paired_difference(scores[one.first], scores[one.second], speakers)
            assert one.p == pytest.approx(single.p, abs=1e-12)
            assert one.difference == pytest.approx(single.difference.mean)
            assert one.pairs == single.pairs

    def test_no_evidence(self):
        scores = np.array([[1.0, 2.0], [1.0, 2.0], [np.nan, np.nan]])
        same, lost = pairwise(scores, [(0, 1), (0, 2)], ["", ""])
        assert same.p == 1
        assert np.isnan(lost.p)
        assert lost.pairs == 0
        (one,) = pairwise(scores, [(0, 1)], ["anna", "anna"])
        assert np.isnan(one.p)

    def test_false_alarms_are_as_rare_as_promised(self):
        """No difference: p below 0.1 in a tenth of the cases, or a little less."""
        rng = np.random.default_rng(2)
        pairs = [(i, i + 1) for i in range(0, 600, 2)]
        found = pairwise(rng.normal(size=(600, 15)), pairs, [""] * 15)
        assert 0.04 < np.mean([one.p < 0.1 for one in found]) < 0.16


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs: systems, metrics and recordings overlap in part."""
    folder = tmp_path_factory.mktemp("runs")
    clips = make_clips(folder / "clips")
    import soundfile

    soundfile.write(clips / "clip3.wav", voice(1.2, 3), RATE)
    common = {"workers": 0, "report": False, "domain": "speech"}
    evaluate(clips, [Rounding()], [1, 2, 4], METRICS, output=folder / "a",
             baselines=["identity"], command="evaluate <b>a</b>", **common)  # fmt: skip
    (clips / "clip3.wav").unlink()
    evaluate(clips, [Rounding(), OneBitLess()], [2, 3], [*METRICS[:2], "mel_dac7"],
             output=folder / "b", **common)  # fmt: skip
    return folder / "a", folder / "b"


def changed(run, target, change):
    """Copy a run and change its results."""
    shutil.copytree(run, target)
    path = target / "results.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return target


def edited(run, target, where, value):
    """Copy a run and change one entry of its results."""

    def change(inner):
        for key in where[:-1]:
            inner = inner[key]
        inner[where[-1]] = value

    return changed(run, target, change)


def as_before(content):
    """Take out of results what version 0.2 did not write."""
    for about in content["systems"].values():
        del about["control"]
    for about in content["definitions"]["metrics"].values():
        del about["weighted"]


class TestJoin:
    def test_metrics_are_shown_on_what_their_runs_share(self, runs):
        board = join(runs)
        assert {m.name: len(m.clips) for m in board.metrics} == {
            "stoi": 3, "si_sdr_raw": 3, "waveform_l1": 4, "mel_dac7": 3,
        }  # fmt: skip
        assert any("stoi: 3 of up to 4 recordings" in note for note in board.notes)
        names = [str(condition) for condition in board.conditions]
        assert names == [
            "rounding K=1", "rounding K=2", "rounding K=4", "identity",
            "rounding K=3", "twelve-bits 12 bits",
        ]  # fmt: skip

    def test_numbers_are_those_of_the_runs(self, runs, tmp_path):
        """Where a run is whole, its own means and intervals; else those of a part."""
        ends = {"waveform_l1_low": 0.25, "waveform_l1_high": 0.75}
        own = changed(runs[0], tmp_path / "a", lambda content: [
            row.update(ends) for row in content["summary"]
        ])  # fmt: skip
        board = join([own, runs[1]])
        table = board.numbers.set_index(["metric", "system", "num_codebooks"])
        summary = pd.read_csv(runs[0] / "summary.csv")
        of_k4 = summary[summary["num_codebooks"] == 4].iloc[0]
        whole = table.loc[("waveform_l1", "rounding", 4)]
        assert whole["mean"] == pytest.approx(of_k4["waveform_l1_mean"])
        assert (whole["low"], whole["high"]) == (0.25, 0.75)
        scores = pd.read_csv(runs[0] / "utterances.csv")
        chosen = (scores["num_codebooks"] == 4) & (scores["utterance"] != "clip3")
        part = table.loc[("stoi", "rounding", 4)]
        assert part["mean"] == pytest.approx(scores.loc[chosen, "stoi"].mean())
        assert (part["n_ok"], part["run"]) == (3, str(own))
        assert np.isnan(part["low"])  # of two speakers

    def test_one_run_alone_is_its_own_board(self, runs):
        board = join(runs[:1])
        assert not board.notes
        summary = pd.read_csv(runs[0] / "summary.csv")
        means = board.numbers[board.numbers["metric"] == "stoi"]["mean"]
        assert list(means) == pytest.approx(list(summary["stoi_mean"]))

    def test_front(self, runs):
        """Better and cheaper than all that is on it: nothing. Controls: never."""
        numbers = join(runs).numbers
        for (metric,), rows in numbers.groupby(["metric"]):
            sign = 1 if metric in ("stoi", "si_sdr_raw") else -1
            codecs = rows[(rows["system"] != "identity") & rows["kbps"].notna()]
            for _, row in codecs.iterrows():
                beaten = (codecs["kbps"] <= row["kbps"]) & (
                    sign * codecs["mean"] > sign * row["mean"]
                )
                # A tie at a lower rate beats too.
                beaten |= (codecs["kbps"] < row["kbps"]) & (
                    codecs["mean"] == row["mean"]
                )
                assert row["front"] == (not beaten.any())
            assert not rows.loc[rows["system"] == "identity", "front"].any()

    def test_front_is_of_recordings_that_both_have(self, tmp_path):
        """A copy that fails where it is hard is on it where the codec is, and no more."""
        clips = make_clips(tmp_path / "clips")
        # In its own mean it is better than the codec at any rate.
        for lost, shown in ((("clip2",), 2), (("clip0", "clip1", "clip2"), 0)):
            evaluate(clips, [Rounded("copy", lost=lost), Rounded("codec")], None,
                     ["si_sdr_raw"], output=tmp_path / "run", workers=0,
                     domain="speech", report=False)  # fmt: skip
            table = join([tmp_path / "run"]).numbers
            counts = table.groupby("system")["n_ok"].agg(set).to_dict()
            assert counts == {"codec": {3}, **({"copy": {shown}} if shown else {})}
            assert table["front"].all()

    def test_rates_are_of_recordings_with_a_score(self, tmp_path):
        clips = make_clips(tmp_path / "clips")
        (clips / "manifest.csv").write_text(
            "path,domain\nclip0.wav,speech\nclip1.wav,music\nclip2.wav,speech\n"
        )
        evaluate(clips, [Rounded("codec", dear="clip1")], None, METRICS[:2],
                 output=tmp_path / "run", workers=0, report=False)  # fmt: skip
        table = join([tmp_path / "run"]).numbers.set_index(
            ["metric", "domain", "setting"]
        )
        rates = table["kbps"].to_dict()
        assert rates["stoi", "all", "3 bits"] == 48
        assert rates["si_sdr_raw", "all", "3 bits"] == pytest.approx(64)
        assert rates["si_sdr_raw", "music", "3 bits"] == 96

    @pytest.mark.parametrize("old", [False, True])
    def test_weighted_means_are_shown_of_whole_runs_only(self, tmp_path, old):
        """All of a metric or nothing: one system's mean may look as if all weighed 1."""
        metric = Metric("by_length", "toy_systems:error_by_length", "Error", "Mean.",
                        "ours", higher_is_better=False)  # fmt: skip
        clips, runs = make_clips(tmp_path / "clips"), []
        (clips / "manifest.csv").unlink()
        for name in ("a", "b"):
            evaluate(clips, ["identity", Rounding()], [1, 2], [metric],
                     output=tmp_path / name, workers=0, report=False)  # fmt: skip
            runs.append(tmp_path / name)
            if old:
                runs[-1] = changed(runs[-1], tmp_path / f"{name} old", as_before)
            (clips / "clip0.wav").unlink(missing_ok=True)
        alone = join(runs[:1])
        assert not alone.notes
        assert len(alone.numbers) == 3
        both = join(runs)
        assert set(both.numbers["run"]) == {str(runs[1])}
        assert any("its means are weighted" in note for note in both.notes)

    @pytest.mark.parametrize("old", [False, True])
    def test_controls_are_what_their_class_says(self, tmp_path, old):
        """Of results that do not say it the names tell, right or wrong."""
        anchor, limit = Rounding(), OneBitLess()
        anchor.name, limit.control = "anchor-codec", True
        evaluate(make_clips(tmp_path / "clips"), [anchor], [1], ["si_sdr_raw"],
                 output=tmp_path / "run", baselines=[limit, "resample:4000"],
                 workers=0, report=False)  # fmt: skip
        run = tmp_path / "run"
        board = join([changed(run, tmp_path / "old", as_before) if old else run])
        taken_for_control = "anchor-codec" if old else "twelve-bits"
        assert board.controls == {taken_for_control, "resample-4000"}
        numbers = board.numbers.set_index("system")
        assert not numbers.loc[list(board.controls), "front"].any()

    def test_pairs_are_of_different_codecs(self, runs):
        pairs = join(runs).pairs
        assert (pairs["system"] != pairs["system_2"]).all()
        assert "identity" not in {*pairs["system"], *pairs["system_2"]}
        assert (pairs["p_holm"].dropna() >= pairs["p"].dropna()).all()

    def test_clear_differences_are_found(self, tmp_path):
        import soundfile

        clips = tmp_path / "clips"
        clips.mkdir()
        for seed in range(9):
            soundfile.write(clips / f"{seed}.wav", voice(0.6, seed), RATE)
        for name, system in (("a", Rounding()), ("b", OneBitLess())):
            evaluate(clips, [system], [1], ["si_sdr_raw"], output=tmp_path / name,
                     workers=0, report=False, domain="speech")  # fmt: skip
        (row,) = join([tmp_path / "a", tmp_path / "b"]).pairs.to_dict("records")
        assert row["p_holm"] == 2 / 2**9
        assert row["better"] == "twelve-bits 12 bits"

    @pytest.fixture
    def told(self, tmp_path):
        """Two codecs on nine recordings; what each run is told of them is written."""
        import soundfile

        clips = tmp_path / "clips"
        clips.mkdir()
        for seed in range(9):
            soundfile.write(clips / f"{seed}.wav", voice(0.6, seed), RATE)

        def run(name, system, columns, rows):
            lines = [f"{seed}.wav,{rows(seed)}\n" for seed in range(9)]
            text = f"path,{columns}\n{''.join(lines)}"
            (clips / "manifest.csv").write_text(text)
            evaluate(clips, [system], [1], ["si_sdr_raw"], output=tmp_path / name,
                     workers=0, domain="speech", report=False)  # fmt: skip
            return tmp_path / name

        return run

    def test_speakers_are_those_that_any_run_knows(self, told):
        """In any order of the runs: three speakers, and so 2 of 8 flips at least."""
        ours = told("a", Rounding(), "speaker", lambda seed: "")
        theirs = told("b", OneBitLess(), "speaker", lambda seed: f"s{seed % 3}")
        for runs in ([ours, theirs], [theirs, ours]):
            board = join(runs)
            (row,) = board.pairs.to_dict("records")
            assert row["p"] == 2 / 2**3
            assert board.notes == [
                f"other runs know more speakers of {ours} than it does: differences "
                "count with these, its own intervals without"
            ]

    def test_speakers_of_two_names_are_one_and_said(self, told):
        ours = told("a", Rounding(), "speaker", lambda seed: f"s{seed}")
        theirs = told("b", OneBitLess(), "speaker", lambda seed: f"t{seed // 3}")
        for runs in ([ours, theirs], [theirs, ours]):
            board = join(runs)
            (row,) = board.pairs.to_dict("records")
            assert row["p"] == 2 / 2**3
            assert board.notes[0].startswith(
                "9 recordings have several speakers, as '0'"
            )

    def test_domains_that_runs_do_not_agree_on_are_none(self, told):
        kinds = ["speech", "music"]
        ours = told("a", Rounding(), "domain", lambda seed: kinds[seed % 2])
        theirs = told(
            "b", OneBitLess(), "domain", lambda seed: kinds[seed % 2 or seed == 4]
        )
        for runs in ([ours, theirs], [theirs, ours]):
            board = join(runs)
            counts = board.numbers.groupby("domain")["n_ok"].agg(set)
            assert counts.to_dict() == {"all": {9}, "music": {4}, "speech": {4}}
            pairs = board.pairs.set_index("domain")["n_pairs"]
            assert pairs.to_dict() == {"all": 9, "music": 4, "speech": 4}
            assert board.notes == [
                "1 recordings are in no domain, as '4': the runs do not agree on it"
            ]

    def test_other_transcripts_are_left_out(self, told):
        """Only where a metric looks at them, and both runs say what they had."""
        ours = told("a", Rounding(), "transcript", lambda seed: "one")
        theirs = told(
            "b", OneBitLess(), "transcript", lambda seed: "one" * (1 + seed // 8)
        )
        assert not join([ours, theirs]).notes

        def wanting(run, known=True):
            def change(content):
                content["definitions"]["metrics"]["si_sdr_raw"]["wants_transcript"] = (
                    True
                )
                if not known:
                    del content["transcripts"]

            return changed(run, run.with_name(f"{run.name} {known}"), change)

        new = wanting(theirs)
        board = join([wanting(ours), new])
        assert set(board.numbers["n_ok"]) == {8}
        assert board.notes[0] == (
            "si_sdr_raw: 1 recordings are left out, as '8': the runs have different "
            "transcripts of them"
        )
        assert not join([wanting(ours, known=False), new]).notes

    def test_another_definition_is_left_out_and_named(self, runs, tmp_path):
        where = ("definitions", "metrics", "stoi", "version")
        other = edited(runs[1], tmp_path / "other", where, "pystoi 9")
        board = join([runs[0], other])
        assert any(
            "stoi of" in n and "its version is 'pystoi 9'" in n for n in board.notes
        )
        (stoi,) = [metric for metric in board.metrics if metric.name == "stoi"]
        assert stoi.runs == [str(runs[0])]
        assert len(stoi.clips) == 4

    def test_another_delay_is_left_out_and_named(self, tmp_path):
        """One codec, aligned in two ways: no curve of both."""
        clips = make_clips(tmp_path / "clips")
        for name, points in (("a", [1, 2]), ("b", [2, 3])):
            evaluate(clips, [Rounding()], points, ["stoi", "si_sdr"], workers=0,
                     output=tmp_path / name, report=False, domain="speech")  # fmt: skip
        where = ("systems", "rounding", "delay_samples")
        late = edited(tmp_path / "b", tmp_path / "late", where, 8)
        for other, points in ((tmp_path / "b", {1, 2, 3}), (late, {1, 2})):
            board = join([tmp_path / "a", other])
            table = board.numbers.groupby("metric")["num_codebooks"].agg(set)
            assert table["stoi"] == {1, 2, 3}
            assert table["si_sdr"] == points
            assert board.notes == [
                f"si_sdr of rounding in {other} is left out: a delay of 8 samples is "
                f"taken out, in {tmp_path / 'a'} 0"
            ] * (other == late)

    def test_rates_are_of_the_recordings_shown(self, tmp_path):
        """Opus spends what a recording needs; the scores shown cost their own bits."""
        clips = make_clips(tmp_path / "clips")
        common = {"workers": 0, "report": False, "domain": "speech"}
        evaluate(
            clips, ["opus:1.0/0.95"], None, METRICS, output=tmp_path / "a", **common
        )
        (clips / "manifest.csv").unlink()
        (clips / "clip2.wav").unlink()
        evaluate(
            clips, ["opus:1.0"], None, METRICS[:1], output=tmp_path / "b", **common
        )
        board = join([tmp_path / "a", tmp_path / "b"])
        rates = board.numbers.set_index(["metric", "setting"])["kbps"]
        table = pd.read_csv(tmp_path / "a/utterances.csv")
        for setting, part in table.groupby("setting"):
            bits = part["kbps"] * part["seconds"]
            two = part["utterance"] != "clip2"
            shared = bits[two].sum() / part.loc[two, "seconds"].sum()
            every = bits.sum() / part["seconds"].sum()
            assert shared != pytest.approx(every, rel=1e-3)
            assert rates["stoi", setting] == pytest.approx(shared, rel=1e-5)
            assert rates["waveform_l1", setting] == pytest.approx(every, rel=1e-5)

    def test_another_file_under_one_name_is_left_out(self, runs, tmp_path):
        other = edited(runs[1], tmp_path / "other", ("clips", "clip1"), "0" * 64)
        board = join([runs[0], other])
        assert any("different files under one name" in note for note in board.notes)
        assert all("clip1" not in metric.clips for metric in board.metrics)

    def test_another_codec_under_one_name_gets_its_own(self, runs, tmp_path):
        where = ("systems", "rounding", "fingerprint")
        other = edited(runs[1], tmp_path / "newer", where, "f" * 16)
        systems = {condition.system for condition in join([runs[0], other]).conditions}
        assert {"rounding", "rounding (newer)"} < systems

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (
                (("definitions", "scoring", "sample_rate"), 8000),
                "scoring.sample_rate is",
            ),
            ((("clips",), {"other": "0" * 64}), "share no recording"),
        ],
    )
    def test_refusals_are_one_line(self, runs, tmp_path, capsys, change, message):
        other = edited(runs[0], tmp_path / "other", *change)
        given = [str(runs[0]), str(other), "--output", str(tmp_path / "board")]
        assert main(["board", *given]) == 1
        error = capsys.readouterr().err.strip()
        assert message in error
        assert len(error.splitlines()) == 1
        assert not (tmp_path / "board").exists()

    def test_twice_the_same_run(self, runs, capsys):
        assert main(["board", str(runs[0]), str(runs[0])]) == 2
        assert "given twice" in capsys.readouterr().err


@pytest.fixture(scope="module")
def page(runs, tmp_path_factory):
    """The board of both runs, made by the command."""
    folder = tmp_path_factory.mktemp("board")
    assert main(["board", *map(str, runs), "--output", str(folder)]) == 0
    return folder / "board.html"


class TestPage:
    def test_is_a_standard_page(self, page):
        assert page.read_text().startswith("<!doctype html>\n<html lang=")

    def test_is_one_file(self, page):
        text = page.read_text()
        assert "<b>a</b>" not in text  # a command is text, not markup
        assert "src=" not in text
        assert 'href="http' not in text
        assert {p.name for p in page.parent.glob("*.csv")} == {"board.csv", "pairs.csv"}

    def test_your_own_metric_says_itself_what_it_is(self, tmp_path):
        """A model of listeners that only its user knows, with its own decimals."""
        from evaluation import Metric
        from evaluation.report.board import write_board

        own = Metric(
            "own", "evaluation.metrics.waveform:si_sdr", "Own", "A test.", "this test",
            higher_is_better=True, intrusive=False, decimals=5,
        )  # fmt: skip
        evaluate(
            make_clips(tmp_path / "clips"), [Rounding()], [1], ["si_sdr_raw", own],
            output=tmp_path / "run", workers=0, domain="speech",
        )  # fmt: skip
        write_board(join([tmp_path / "run"]), tmp_path / "board")
        for file in ("board/board.html", "run/report.html"):
            text = (tmp_path / file).read_text().partition('<section id="table">')[2]
            assert text.index("<h3>Models of listeners</h3>") < text.index(">Own ")
        data = json.loads(
            (tmp_path / "board/board.html")
            .read_text()
            .partition('id="data">')[2]
            .partition("</script>")[0]
        )
        assert [one["decimals"] for one in data["metrics"]] == [2, 5]

    def test_filters_and_provenance(self, page, browser, runs):
        browser.set_window_size(1440, 900)
        browser.get(page.as_uri())

        def find(css):
            return browser.find_elements("css selector", css)

        rows = [row for row in find("tr[data-point]") if row.is_displayed()]
        # Four metrics in one table; every point has one of them.
        assert len(rows) == 6
        plots = find("#plots svg")
        assert len(plots) == 4
        # Without a rate it is a level.
        stoi = next(p for p in plots if "STOI" in p.get_attribute("aria-label"))
        assert "twelve-bits 12 bits" in stoi.get_attribute("aria-label")
        levels = stoi.find_elements("css selector", "line[stroke-dasharray] title")
        assert ["twelve-bits 12 bits" in one.get_attribute("textContent")
                for one in levels] == [True]  # fmt: skip
        (lacking,) = [row for row in find("tr[data-point]") if "12 bits" in row.text]
        assert "n =" not in lacking.text
        dots = len(find("#plots circle"))
        find("input[name=from]")[0].send_keys("50")
        shown = [row.text for row in find("tr[data-point]") if row.is_displayed()]
        assert 0 < len(shown) < 6
        assert not any("K=1" in row for row in shown)
        assert len(find("#plots circle")) < dots
        find("button[type=reset]")[0].click()
        find("details.from summary")[0].click()
        sheet = find("details.from[open] .sheet")[0]
        assert sheet.is_displayed()
        assert str(runs[0]) in sheet.text
        assert "sr:16000|" in sheet.text
        assert "evaluate <b>a</b>" in sheet.text
        assert "No significant difference" in find("#verdict")[0].text
        assert not [e for e in browser.get_log("browser") if e["level"] == "SEVERE"]

    def test_scores_that_lack_are_counted(self, tmp_path, browser):
        """In the table, beside means of fewer recordings than others have."""
        from evaluation.report.board import write_board

        systems = [Rounded("copy", lost=("clip2",)), Rounded("codec")]
        evaluate(make_clips(tmp_path / "clips"), systems, None, ["si_sdr_raw"],
                 output=tmp_path / "run", workers=0, domain="speech",
                 report=False)  # fmt: skip
        write_board(join([tmp_path / "run"]), tmp_path / "board")
        browser.get((tmp_path / "board/board.html").as_uri())
        rows = browser.find_elements("css selector", "tr[data-point]")
        assert len(rows) == 8
        assert all(("n = 2" in row.text) == ("copy" in row.text) for row in rows)

    @pytest.mark.parametrize("width", [1440, 500])
    def test_nothing_sticks_out(self, page, browser, width):
        browser.set_window_size(width, 900)
        browser.get(page.as_uri())
        seen, window = browser.execute_script(
            "return [document.documentElement.scrollWidth, innerWidth]"
        )
        assert seen <= window
