"""What travels between the runner and its workers: jobs, steps and outcomes.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from evaluation.metrics import Metric
from evaluation.metrics.columns import FACTS
from evaluation.recordings.clips import Clip
from evaluation.systems import Point, System

__all__ = ["FACTS", "Facts", "Job", "Outcome", "Scored", "Started"]


class Outcome(NamedTuple):
    """A score, or why there is none.

    Attributes
    ----------
    value : float, dict or None
        The score; None unless ``status`` is 'ok'.
    status : str
        'ok', 'failed', 'n/a' (means nothing here) or 'skipped' (not installed).
    reason : str
        Why there is no score.
    weight : float
        What the score counts for in a mean.
    lasting : bool
        Whether the same computation would end like this again.
    """

    value: Any = None
    status: str = "ok"
    reason: str = ""
    weight: float = 1.0
    lasting: bool = True


class Started(NamedTuple):
    """A step begins; ``point`` is None while the clip is read and encoded."""

    point: Point | None
    step: str


class Scored(NamedTuple):
    """A cell of the table is done."""

    point: Point
    metric: str
    outcome: Outcome


@dataclass(frozen=True)
class Facts:
    """What is known of an output beside its scores.

    Attributes
    ----------
    seconds : float
        Length of the reference.
    len_ref : int
        The same in samples at the scoring rate.
    len_out : int
        Length of the output in samples.
    lag : int or None
        This output's own lag in samples, positive if late; None if it or the
        recording is silent.
    emitted_bits : float or None
        Bits of tokens or payload.
    file_bits : float or None
        Bits of the compressed file.
    """

    seconds: float
    len_ref: int
    len_out: int
    lag: int | None
    emitted_bits: float | None
    file_bits: float | None


@dataclass(frozen=True)
class Job:
    """All that is to be computed of one clip and one system.

    Attributes
    ----------
    clip : Clip
        The recording.
    system : System
        The codec, not loaded.
    sample_rate : int
        Scoring rate in Hz.
    work : tuple
        Pairs of a point and the names of what to compute there.
    metrics : tuple of Metric
        All that the names may mean.
    delay : int
        The system's delay in samples, taken out for aligned metrics.
    codes_path : Path, optional
        Where codes are kept between runs; by default none are.
    """

    clip: Clip
    system: System
    sample_rate: int
    work: tuple[tuple[Point, tuple[str, ...]], ...]
    metrics: tuple[Metric, ...] = ()
    delay: int = 0
    codes_path: Path | None = None
