"""Answers to listening tests, and the numbers that they become."""

from __future__ import annotations

import json

import pytest

from evaluation.cli import main
from evaluation.listening.answers import read_answers, read_key
from evaluation.listening.findings import find
from evaluation.listening.page import make_page
from evaluation.results.board import join


def answers(key, assessor, rate):
    """What an assessor's page saves; ``rate(condition, clip)`` is the rating."""
    rows = [
        {
            "trial": trial["trial"],
            "stimulus": name,
            "value": rate(key["conditions"][place]["system"], trial["clip"]),
        }
        for trial in key["trials"]
        for name, place in trial["stimuli"].items()
    ]
    return {
        "format": "dac-lobe listening answers 1", "page": key["page"], "test": "mushra",
        "assessor": assessor, "ratings": rows,
    }  # fmt: skip


def save(folder, *contents):
    folder.mkdir(exist_ok=True)
    paths = []
    for number, content in enumerate(contents):
        paths.append(folder / f"{number}.json")
        paths[-1].write_text(json.dumps(content))
    return paths


class TestAnswers:
    @pytest.fixture
    def key(self, mushra):
        return read_key(mushra.with_name("key.json"))

    def people(self, key):
        """Five who hear what is there, and one who rates the reference 80."""
        fair = {
            "reference": 100,
            "opus": 60,
            "rounding": 50,
            "anchor-3500": 20,
            "anchor-7000": 90,
        }
        clips = sorted(key["clips"])

        def rater(shift):
            return lambda system, clip: min(
                100, fair[system] + shift + 2 * clips.index(clip)
            )

        deaf = lambda system, clip: 80  # noqa: E731
        return [
            *(answers(key, f"p{n}", rater(n)) for n in range(5)),
            answers(key, "deaf", deaf),
        ]

    def test_screening_means_and_intervals(self, key, tmp_path):
        findings = find(key, read_answers(save(tmp_path, *self.people(key)), key))
        assert findings.excluded == {
            "deaf": "the hidden reference is below 90 in 2 of 2 recordings"
        }
        table = findings.summary.set_index("system")
        # 60 + shifts 0 to 4 + clips 0, 2
        assert table.loc["opus", "mushra_mean"] == pytest.approx(63)
        assert table.loc["opus", "mushra_low"] < 63 < table.loc["opus", "mushra_high"]
        assert table.loc["opus", "answers"] == 10
        clip = findings.utterances.set_index(["system", "utterance"])["mushra"]
        assert clip[("opus", sorted(key["clips"])[1])] == pytest.approx(64)

    def test_few_assessors_have_no_interval(self, key, tmp_path):
        from evaluation.listening.writing import write_findings

        few = save(tmp_path / "in", *self.people(key)[:4])
        write_findings(find(key, read_answers(few, key)), tmp_path / "out")
        text = (tmp_path / "out/summary.md").read_text()
        assert "| 62.5 | n/a: fewer than 5 assessors | 8 |" in text

    @pytest.mark.parametrize(("low", "excluded"), [(1, False), (2, True)])
    def test_the_rule_is_more_than_15_percent(self, low, excluded):
        """One of ten is allowed, two are not."""
        from evaluation.listening.findings import screen

        conditions = [{"system": "reference", "num_codebooks": None, "setting": ""}]
        trials = [
            {"trial": f"t{n}", "clip": f"c{n}", "stimuli": {f"s{n}": 0}}
            for n in range(10)
        ]
        key = {
            "test": "mushra",
            "conditions": conditions,
            "trials": trials,
            "page": "x",
        }
        given = answers(
            key, "p", lambda system, clip: 89 if int(clip[1:]) < low else 90
        )
        from evaluation.listening.answers import Answers, _ratings

        assert bool(screen([Answers("p", _ratings(given, key))], key)) is excluded

    def test_results_join_a_board(self, key, run, tmp_path, capsys):
        paths = save(tmp_path / "in", *self.people(key))
        given = [*map(str, paths), "--key", str(tmp_path / "key.json")]
        (tmp_path / "key.json").write_text(json.dumps(key))
        out = tmp_path / "heard"
        assert main(["listen", "--collect", *given, "--output", str(out)]) == 0
        assert "deaf is left out" in capsys.readouterr().out
        board = join([run, out])
        heard = board.numbers[board.numbers["metric"] == "mushra"]
        opus = heard[heard["system"] == "opus"].iloc[0]
        assert opus["mean"] == pytest.approx(63)
        # The same row of the board as the metrics of that operating point.
        assert opus["kbps"] > 0
        names = [str(one) for one in board.conditions]
        assert len(names) == len(set(names))
        assert sum(name.startswith("opus") for name in names) == 2
        assert not heard.loc[heard["system"].str.startswith("anchor"), "front"].any()

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (
                {"page": "0123456789abcdef"},
                "answers page 0123456789abcdef, and the key",
            ),
            ({"format": "notes"}, "is 'notes', not"),
            ({"ratings": []}, "is damaged"),
            ({"assessor": "p1"}, "has answered already"),
        ],
    )
    def test_refusals_are_one_line(self, key, tmp_path, capsys, change, message):
        good, bad = self.people(key)[1:3]
        paths = save(tmp_path / "in", good, bad | change)
        (tmp_path / "key.json").write_text(json.dumps(key))
        given = [*map(str, paths), "--key", str(tmp_path / "key.json")]
        assert main(["listen", "--collect", *given, "-o", str(tmp_path / "out")]) == 2
        error = capsys.readouterr().err.strip()
        assert message in error
        assert len(error.splitlines()) == 1
        assert not (tmp_path / "out").exists()

    def test_a_rating_out_of_range(self, key, tmp_path):
        bad = answers(key, "p", lambda system, clip: 101)
        with pytest.raises(ValueError, match="a rating of 101"):
            read_answers(save(tmp_path, bad), key)

    def test_nobody_is_left(self, key, tmp_path):
        deaf = self.people(key)[-1]
        with pytest.raises(ValueError, match="no assessor passes"):
            find(key, read_answers(save(tmp_path, deaf), key))

    def test_comparisons(self, run, tmp_path):
        """ABX answers that are all right are no guess; preferences add up."""
        for test in ("ab", "abx"):
            page = make_page(run, tmp_path / test, test, 3, ["rounding@1", "reference"])
            key = read_key(page.with_name("key.json"))
            people = []
            for person in range(2):
                rows = []
                for trial in key["trials"]:
                    by_place = {place: name for name, place in trial["stimuli"].items()}
                    right = by_place[trial["x"]] if test == "abx" else by_place[1]
                    rows.append(
                        {"trial": trial["trial"], "stimulus": right, "value": 1}
                    )
                people.append({
                    "format": "dac-lobe listening answers 1", "page": key["page"],
                    "assessor": f"p{person}", "ratings": rows,
                })  # fmt: skip
            if test == "ab":
                people[0]["ratings"][0]["stimulus"] = None  # no preference
            found = find(key, read_answers(save(tmp_path / f"{test}-in", *people), key))
            (pair,) = found.pairs.to_dict("records")
            table = found.summary.set_index("system")
            if test == "abx":
                assert list(table.index) == ["rounding"]
                assert table.loc["rounding", "abx_correct_mean"] == 100
                assert (pair["n"], pair["p"]) == (6, 0.5**6)
            else:
                assert table["ab_preference_mean"].sum() == pytest.approx(100)
                assert table.loc["reference", "ab_preference_mean"] == pytest.approx(
                    550 / 6
                )
                assert (pair["n"], pair["p"]) == (5, 2 * 0.5**5)
