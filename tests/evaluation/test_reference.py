"""What looks at the output alone rates the recordings too, once, as a row of their own."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from toy_systems import Rounding

from evaluation import Metric, evaluate
from evaluation.recordings.clips import read_clip
from evaluation.recordings.finding import find_clips
from evaluation.results.compare import compare
from evaluation.running.cache import Cache

RATE = 16000
LEVEL = Metric(
    "level", "toy_systems:level", "Level", "Level of the output.", "this test",
    higher_is_better=True, intrusive=False,
)  # fmt: skip
score = partial(evaluate, metrics=["stoi", LEVEL], workers=0, report=False)


def test_the_recordings_are_a_row(clips):
    results = score(clips, [Rounding()], [1, 4])
    rows = results.utterances.query("system == 'reference'").set_index("utterance")
    for clip in find_clips(clips):
        wav = read_clip(clip, RATE)
        power = np.mean(wav.astype(np.float64) ** 2)
        assert rows["level"][clip.name] == pytest.approx(10 * np.log10(power))
    assert rows["stoi"].isna().all()  # a comparison with itself says nothing
    assert set(rows["status"]) == {"ok"}
    assert list(results.summary["system"]) == ["rounding", "rounding", "reference"]
    last = results.summary.iloc[-1]
    assert (last["n_ok"], last["n_total"], last["stoi_n_failed"]) == (3, 3, 0)


def test_differences_are_taken_from_it(clips):
    results = score(clips, [Rounding()], [1, 4])
    paired = results.paired.query("reference == 'reference'")
    assert list(paired["metric"]) == ["level", "level"]
    assert list(paired["num_codebooks"]) == [1, 4]
    table = results.utterances
    for row in paired.itertuples():
        point = table[table["num_codebooks"] == row.num_codebooks]["level"].to_numpy()
        itself = table[table["system"] == "reference"]["level"].to_numpy()
        assert row.difference == pytest.approx((point - itself).mean())
    assert "reference" not in set(results.paired["system"])


def test_what_is_the_same_is_not_tested(clips):
    """Nothing done is the recording; that no difference is found is no finding."""
    results = score(clips, [Rounding()], [4], baselines=["identity"])
    paired = results.paired.set_index(["metric", "system", "reference"])
    same = ("level", "identity", "reference")
    assert paired.loc[same, "difference"] == 0
    assert list(paired.index[paired["p"].isna()]) == [same]
    assert list(paired.index[paired["p_holm"].isna()]) == [same]


def test_it_is_computed_once(clips, tmp_path, monkeypatch):
    out = tmp_path / "out"
    score(clips, [Rounding()], [1], output=out)
    kept = []
    put = Cache.put
    monkeypatch.setattr(Cache, "put", lambda *given: kept.append(put(*given)))
    score(clips, [Rounding()], [1], output=out)
    assert not kept
    score(clips, [Rounding()], [1, 4], output=out)
    assert len(kept) == 3 * 3  # facts and two scores of the new point of three clips


def test_it_is_left_out_where_all_metrics_compare(clips):
    results = score(clips, [Rounding()], [1], metrics=["stoi"])
    assert set(results.utterances["system"]) == {"rounding"}


def test_its_name_is_taken(clips):
    other = Rounding()
    other.name = "reference"
    with pytest.raises(ValueError, match="two systems are called 'reference'"):
        score(clips, [other], [1])
    assert len(score(clips, [other], [1], metrics=["stoi"]).summary) == 1


def test_the_report_draws_it_and_comparisons_leave_it_out(clips, tmp_path):
    for name in ("one", "two"):
        score(clips, [Rounding()], [1, 4], output=tmp_path / name, report=True)
    page = (tmp_path / "one" / "report.html").read_text()
    assert "<td>reference</td>" in page
    table = compare(tmp_path / "one", tmp_path / "two")
    assert set(table["first"]) == {"rounding"}
