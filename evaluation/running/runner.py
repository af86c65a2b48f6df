"""Plan all cells, compute those that are not cached, and collect them.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from evaluation.metrics import Metric
from evaluation.metrics.waveform import agreed_delay
from evaluation.running.cache import Cache, cache_key
from evaluation.running.codes import identity
from evaluation.running.jobs import FACTS, Job, Outcome, Scored, Started
from evaluation.running.own_metric import own_metric
from evaluation.running.pool import Died, Finished, Pool
from evaluation.running.run import Cell, Run, codes_path, kept_codes
from evaluation.running.scoring import prepare, score
from evaluation.running.stages import Stages
from evaluation.systems import CodebookSystem, Point, System
from evaluation.systems.controls import Reference

__all__ = ["execute"]

logger = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]


def execute(
    run: Run,
    cache: Cache | None,
    workers: int = 2,
    timeout: float = 600.0,
    progress: Progress | None = None,
) -> None:
    """Fill ``run.outcomes``, ``run.delays`` and ``run.lags``.

    Arguments
    ---------
    run : Run
        What to measure.
    cache : Cache, optional
        Outcomes to reuse and to add to.
    workers : int
        Processes; 0 computes in this one, without protection from crashes.
    timeout : float
        Seconds that one step (an encode, a decode, a metric) may take.
    progress : callable, optional
        Called with cells done, cells in all, and what is going on.
    """
    computation = _Computation(run, cache, workers, timeout, progress)
    # First everything at no delay; the lags found there say which systems have
    # one, and only those are decoded again for the metrics that take it out.
    computation.compute(defaultdict(int))
    for system in run.systems:
        run.lags[system.name], run.delays[system.name] = _delay(run, system)
    late = {name: delay for name, delay in run.delays.items() if delay}
    if late:
        computation.compute(late)


def _delay(run: Run, system: System) -> tuple[Counter[int], int]:
    """Count the lags at the highest rate, and find the one that most clips have."""
    point = run.points[system.name][-1]
    found = [
        run.outcomes[Cell(clip.name, system.name, point, FACTS)] for clip in run.clips
    ]
    known = (facts.value["lag"] for facts in found if facts.status == "ok")
    lags = Counter(lag for lag in known if lag is not None)
    return lags, agreed_delay(lags)


class _Computation:
    """One pass over the cells of a run."""

    def __init__(
        self,
        run: Run,
        cache: Cache | None,
        workers: int,
        timeout: float,
        progress: Progress | None,
    ):
        self.run = run
        self.cache = cache
        self.workers = workers
        self.timeout = timeout
        self.progress = progress or (lambda done, total, text: None)
        self.metrics = {metric.name: metric for metric in run.metrics}
        self.versions = {metric.name: metric.version for metric in run.metrics}
        self.own = {metric.name: own_metric(metric) for metric in run.metrics}

    def compute(self, delays: dict[str, int]) -> None:
        """Compute the missing cells of the systems in ``delays`` (all if it defaults)."""
        aligned_only = not isinstance(delays, defaultdict)
        jobs = list(self._plan(delays, aligned_only))
        self.total = sum(len(names) for job in jobs for _, names in job.work)
        self.finished: set[Cell] = set()
        if not jobs:
            return
        self.stages = Stages(jobs, self.workers)
        self.progress(0, self.total, "")
        if self.workers == 0:
            loaded = {system.name: system for system in self.run.systems}
            for job in jobs:
                for message in score(job, loaded):
                    self._take(job, message)
            return
        workers = min(self.workers, len(jobs))
        # Each worker has a dictionary of its own, for as long as it lives.
        function = partial(score, loaded={})
        with Pool(function, workers, self.timeout, prepare) as pool:
            for job in jobs:
                pool.submit(job)
            for job, event in pool.events():
                if isinstance(event, Died):
                    rest = self._blame(job, event)
                    if rest is not None:
                        pool.submit(rest)
                elif not isinstance(event, Finished):
                    self._take(job, event)

    def _plan(self, delays: dict[str, int], aligned_only: bool) -> Iterator[Job]:
        """Take from the cache what is there, and make jobs of the rest."""
        for system in self.run.systems:
            if aligned_only and system.name not in delays:
                continue
            for clip in self.run.clips:
                job = Job(
                    clip,
                    self.run.unloaded[system.name],
                    self.run.sample_rate,
                    work=(),
                    metrics=tuple(self.run.metrics),
                    delay=delays[system.name],
                )
                work: list[tuple[Point, tuple[str, ...]]] = []
                encode = not aligned_only and self._lost_codes(job)
                for point in self.run.points[system.name]:
                    names = tuple(self._missing(job, point, aligned_only))
                    if encode and not work and FACTS not in names:
                        names = (FACTS, *names)
                    if names:
                        work.append((point, names))
                if work:
                    yield replace(job, work=tuple(work), codes_path=self._codes(job))

    def _lost_codes(self, job: Job) -> bool:
        """Whether there are scores but no codes any more, which entropies need."""
        if self.cache is None or not isinstance(job.system, CodebookSystem):
            return False
        first = self.run.points[job.system.name][0]
        facts = self.cache.get(self._key(job, first, FACTS))
        if facts is None or facts.status != "ok":
            return False
        return kept_codes(self.run, self.cache, job.clip, job.system) is None

    def _missing(self, job: Job, point: Point, aligned_only: bool) -> Iterator[str]:
        names = [metric.name for metric in self.run.metrics]
        if aligned_only:
            names = [name for name in names if self.metrics[name].aligned]
        else:
            names.insert(0, FACTS)
        for name in names:
            cell = Cell(job.clip.name, job.system.name, point, name)
            reason = name != FACTS and _meaningless(self.metrics[name], job)
            if reason:
                self.run.outcomes[cell] = Outcome(None, "n/a", reason)
                continue
            known = self.cache.get(self._key(job, point, name)) if self.cache else None
            if known is None:
                yield name
            else:
                self.run.outcomes[cell] = known

    def _key(self, job: Job, point: Point, name: str) -> str:
        metric = self.metrics.get(name)
        heard = [job.clip.transcript] if metric and metric.wants_transcript else []
        own = [self.own[name]] if self.own.get(name) else []
        return cache_key(
            job.clip.sha256 or job.clip.path,
            job.sample_rate,
            identity(job.system, self.run.fingerprints[job.system.name], job.clip),
            str(point),
            name,
            self.versions.get(name, ""),
            job.delay if metric and metric.aligned else 0,
            *heard,
            *own,
        )

    def _codes(self, job: Job) -> Path | None:
        if self.cache is None:
            return None
        return codes_path(self.run, self.cache, job.clip, job.system)

    def _take(self, job: Job, message: Started | Scored) -> None:
        self.stages.hear(job, message)
        if isinstance(message, Started):
            return
        point, name, outcome = message
        cell = Cell(job.clip.name, job.system.name, point, name)
        self.run.outcomes[cell] = outcome
        if self.cache and outcome.lasting and job.clip.sha256:
            self.cache.put(self._key(job, point, name), outcome)
        self.finished.add(cell)
        text = " · ".join(
            filter(None, (str(self.stages), f"{job.system.name} {job.clip.name}"))
        )
        self.progress(len(self.finished), self.total, text)

    def _blame(self, job: Job, death: Died) -> Job | None:
        """Write the failure of the step that killed a worker; return what is left."""
        if isinstance(death.last, Scored):  # between two steps: nothing is to blame
            blamed = None
        else:
            blamed = death.last or Started(None, "start")
            reason = f"{death.reason} in {blamed.step}"
            logger.warning("%s, %s: %s", job.system.name, job.clip.name, reason)
        rest = []
        for point, names in job.work:
            left = []
            for name in names:
                if Cell(job.clip.name, job.system.name, point, name) in self.finished:
                    continue
                if blamed is not None and _is_blamed(blamed, point, name):
                    # The next run may have more memory or patience.
                    outcome = Outcome(None, "failed", reason, lasting=False)
                    self._take(job, Scored(point, name, outcome))
                else:
                    left.append(name)
            if left:
                rest.append((point, tuple(left)))
        return replace(job, work=tuple(rest)) if rest else None


def _meaningless(metric: Metric, job: Job) -> str:
    """Say why a score would mean nothing; an empty text if it would mean something."""
    clip = job.clip
    if metric.intrusive and isinstance(job.system, Reference):
        return "compares with the reference, which this is"
    if metric.domain == "speech" and clip.domain != "speech":
        return f"a measure of speech, and this is {clip.domain}"
    if metric.wants_transcript and not clip.transcript:
        return "the manifest has no transcript of it"
    # 'en', 'eng', 'en-GB' and 'English' are one language.
    known, spoken = metric.language, clip.language.lower()
    if known and spoken and not spoken.startswith(known):
        return f"its model knows {known}, and this is {clip.language}"
    return ""


def _is_blamed(blamed: Started, point: Point, name: str) -> bool:
    """Whether the death of a step is also the end of this cell."""
    if blamed.point is None:
        return True
    return point == blamed.point and blamed.step in ("decode", name)
