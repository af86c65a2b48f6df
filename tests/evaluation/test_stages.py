"""Time left: exact where every step takes as long as the last."""

from __future__ import annotations

import math

import pytest
from toy_systems import Rounding

from evaluation import Point, evaluate
from evaluation.recordings.clips import Clip
from evaluation.running.jobs import FACTS, Job, Outcome, Scored, Started
from evaluation.running.stages import Stages

SECONDS = {"read": 0.5, "encode": 2.0, "decode": 3.0, "score": 5.0}
METRICS = ("stoi", "si_sdr")
POINTS = (Point(1), Point(2))


def jobs(count):
    work = tuple((point, (FACTS, *METRICS)) for point in POINTS)
    return [
        Job(Clip(f"clip{n}", "", ""), Rounding(), 16000, work) for n in range(count)
    ]


def messages(job):
    """What a worker sends, and how long after the message before."""
    yield Started(None, "read"), 0.0
    yield Started(None, "encode"), SECONDS["read"]
    wait = SECONDS["encode"]
    for point, names in job.work:
        yield Started(point, "decode"), wait
        wait = SECONDS["decode"]
        for name in names:
            yield Started(point, name), wait
            wait = 0.0 if name == FACTS else SECONDS["score"]
            yield Scored(point, name, Outcome(1.0)), wait
            wait = 0.0


@pytest.mark.parametrize("workers", [1, 2])
def test_steady_work_is_foretold_exactly(workers):
    now = 0.0
    work = jobs(4)
    stages = Stages(work, workers, lambda: now)
    assert str(stages) == ""
    assert all(math.isnan(left) for left in stages.left().values())
    for done, job in enumerate(work, start=1):
        for message, wait in messages(job):
            now += wait
            stages.hear(job, message)
        rest = 4 - done
        assert stages.left() == pytest.approx(
            {
                "encode": rest * (SECONDS["read"] + SECONDS["encode"]) / workers,
                "decode": rest * 2 * SECONDS["decode"] / workers,
                "score": rest * 4 * SECONDS["score"] / workers,
            }
        )
    assert str(stages) == "encode 0:00, decode 0:00, score 0:00 left"


def test_a_run_says_it(clips):
    said = []
    evaluate(
        clips, [Rounding()], [1, 2], ["si_sdr_raw", "waveform_l1"], workers=0,
        progress=lambda done, total, text: said.append((done, total, text)),
    )  # fmt: skip
    assert said[0] == (0, 3 * 2 * 3, "")
    assert [done for done, _, _ in said] == list(range(3 * 2 * 3 + 1))
    assert said[-1][2] == "encode 0:00, decode 0:00, score 0:00 left · rounding clip2"
