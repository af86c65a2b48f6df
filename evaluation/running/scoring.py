"""One clip through one system: encode once, decode each point, score each metric.

This is what a worker process does. It reports step by step, so that when it
dies the steps before are kept and the step that killed it is known.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from evaluation.metrics import Metric, MetricError, MissingPackage
from evaluation.metrics.waveform import align, estimate_lag
from evaluation.recordings.clips import read_clip
from evaluation.running.codes import encode
from evaluation.running.jobs import FACTS, Facts, Job, Outcome, Scored, Started
from evaluation.systems import Point, System

__all__ = ["FAILURES", "describe", "failure", "measure", "prepare", "score"]

MAX_LENGTH_DIFFERENCE = 0.1  # seconds

# What a codec or a metric may raise and still only lose its own row: all but Ctrl-C
# and exits. So broad because their code is foreign: it has exceptions of its own.
FAILURES = Exception


def prepare() -> None:
    """Import what most jobs need, so that no job is late because of it."""
    for name in ("scipy.fft", "scipy.signal", "dac_lobe.audio", "pesq", "pystoi"):
        if find_spec(name.partition(".")[0]) is not None:
            import_module(name)


def score(job: Job, loaded: dict[str, System]) -> Iterator[Started | Scored]:
    """Do a job, and report every step and every result as soon as it is there.

    Arguments
    ---------
    job : Job
        What to do.
    loaded : dict
        Systems that this process has loaded, by name. A job of another one puts its
        own in their place: the clips that follow are likely to need that, too.

    Yields
    ------
    Started or Scored
        In the order of the work.
    """
    metrics = {metric.name: metric for metric in job.metrics}
    yield Started(None, "read")
    try:
        reference = read_clip(job.clip, job.sample_rate)
    except FAILURES as error:
        yield from _nothing(job, failure(error))
        return
    yield Started(None, "encode")
    try:
        job = replace(job, system=_load(job.system, loaded))
        coded = encode(job.system, job.clip, reference, job.sample_rate, job.codes_path)
    except FAILURES as error:
        yield from _nothing(job, failure(error, "encode: "))
        return
    for point, names in job.work:
        yield Started(point, "decode")
        try:
            output = job.system.reconstruct(
                coded, point, len(reference), job.sample_rate
            )
            facts = _facts(job, coded, point, reference, output)
        except FAILURES as error:
            # Not bad output either: a codec may be mended by the next run.
            outcome = failure(error, "decode: ")._replace(lasting=False)
            yield from (Scored(point, name, outcome) for name in names)
            continue
        length = min(len(reference), len(output))
        for name in names:
            yield Started(point, name)
            if name == FACTS:
                outcome = Outcome(asdict(facts))
            else:
                outcome = measure(
                    metrics[name],
                    reference[:length],
                    output[:length],
                    job.sample_rate,
                    job.delay,
                    job.clip.transcript,
                )
            yield Scored(point, name, outcome)


def _load(system: System, loaded: dict[str, System]) -> System:
    if system.name not in loaded:
        loaded.clear()  # first: two large ones may not fit
        system.load()
        loaded[system.name] = system
    return loaded[system.name]


def _nothing(job: Job, outcome: Outcome) -> Iterator[Scored]:
    """Give all that was to be computed one outcome, which the next run may not have.

    What could not be read may be back then: a disk, a permission, a decoder.
    """
    outcome = outcome._replace(lasting=False)
    yield from (Scored(p, name, outcome) for p, names in job.work for name in names)


def measure(
    metric: Metric,
    reference: np.ndarray,
    output: np.ndarray,
    sample_rate: int,
    delay: int = 0,
    transcript: str = "",
) -> Outcome:
    """Compute one metric, whatever happens.

    Arguments
    ---------
    metric : Metric
        What to compute.
    reference : np.ndarray
        Shape [T].
    output : np.ndarray
        Shape [T].
    sample_rate : int
        In Hz.
    delay : int
        Samples by which the output is late, for metrics that take it out.
    transcript : str
        What is said, for metrics that want to know.

    Returns
    -------
    Outcome
        A score or a reason.

    Example
    -------
    >>> from evaluation.metrics import METRICS
    >>> measure(METRICS["stoi"], np.zeros(16000), np.zeros(16000), 16000).reason
    'the reference is silent'
    """
    try:
        if metric.aligned:
            reference, output = align(reference, output, delay)
        score = metric.weighted(reference, output, sample_rate, transcript)
    except MissingPackage as error:
        return Outcome(None, "skipped", describe(error), lasting=False)
    except FAILURES as error:
        return failure(error)
    return Outcome(score.value, weight=score.weight)


def failure(error: BaseException, step: str = "") -> Outcome:
    """Make an outcome of an error.

    Only what a metric says of a signal is so for good. A codec may be mended by the
    next run, and the disk emptied.
    """
    lasting = isinstance(error, MetricError)
    return Outcome(None, "failed", step + describe(error), lasting=lasting)


def describe(error: BaseException) -> str:
    """Say an error in one line; its kind is left out where the message was ours."""
    text = " ".join(str(error).split())[:300]
    if isinstance(error, (MetricError, ValueError)) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _facts(
    job: Job, coded: Any, point: Point, reference: np.ndarray, output: np.ndarray
) -> Facts:
    """Check that reference and output are a pair, and count."""
    if output.ndim != 1:
        raise MetricError(f"the output has shape {output.shape}; [T] is needed")
    difference = abs(len(reference) - len(output)) / job.sample_rate
    if difference > MAX_LENGTH_DIFFERENCE:
        raise MetricError(
            f"the lengths differ: reference {len(reference)} samples, output "
            f"{len(output)} at {job.sample_rate} Hz. Another recording, or a wrong rate?"
        )
    if not np.isfinite(output).all():
        raise MetricError("the output holds NaN or infinite samples")
    length = min(len(reference), len(output))
    own = job.system.sample_rate or job.sample_rate
    rate = job.system.rate(coded, point, round(len(reference) * own / job.sample_rate))
    return Facts(
        seconds=len(reference) / job.sample_rate,
        len_ref=len(reference),
        len_out=len(output),
        lag=estimate_lag(reference[:length], output[:length]),
        # A number of numpy's is none for JSON.
        emitted_bits=None if rate.emitted is None else float(rate.emitted),
        file_bits=None if rate.file is None else float(rate.file),
    )
