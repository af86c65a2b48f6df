"""How long is left: encoding, decoding and scoring, each by what it has taken so far.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable

from evaluation.running.jobs import FACTS, Job, Scored, Started

__all__ = ["Stages"]

NAMES = ("encode", "decode", "score")


class Stages:
    """Steps done and to do, and what they cost.

    Arguments
    ---------
    jobs : iterable of Job
        What is to be done.
    workers : int
        Processes that share it.
    clock : callable, optional
        Returns seconds.
    """

    def __init__(
        self,
        jobs: Iterable[Job],
        workers: int,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.workers = max(1, workers)
        self.clock = clock
        self._left: Counter[str] = Counter()
        for job in jobs:
            self._left["encode"] += 1
            self._left["decode"] += len(job.work)
            self._left["score"] += sum(
                name != FACTS for _, names in job.work for name in names
            )
        self._done: Counter[str] = Counter()
        self._spent = dict.fromkeys(NAMES, 0.0)
        self._open: dict[tuple[str, str], tuple[str, float]] = {}

    def hear(self, job: Job, message: Started | Scored) -> None:
        """Take note of a message of a worker."""
        key, now = (job.clip.name, job.system.name), self.clock()
        if key in self._open:
            stage, since = self._open.pop(key)
            self._spent[stage] += now - since
        if not isinstance(message, Started):
            return
        step = message.step
        if step != FACTS:
            stage = {"read": "encode"}.get(step, step if step in NAMES else "score")
            self._open[key] = stage, now
            if step != "read":
                self._done[stage] += 1

    def left(self) -> dict[str, float]:
        """Seconds left of each stage, its pace so far assumed; NaN before its first step.

        What is going on counts as done, so that the last step ends at 0.
        """
        found = {}
        for name in NAMES:
            ended = self._done[name] - sum(
                one == name for one, _ in self._open.values()
            )
            rest = max(0, self._left[name] - self._done[name])
            pace = self._spent[name] / ended if ended > 0 else math.nan
            found[name] = rest * pace / self.workers if rest else 0.0
        return found

    def __str__(self) -> str:
        said = [
            f"{name} {int(seconds) // 60}:{int(seconds) % 60:02d}"
            for name, seconds in self.left().items()
            if math.isfinite(seconds) and self._left[name]
        ]
        return f"{', '.join(said)} left" if said else ""
