"""Where models of listeners and a signal metric put codecs, and recordings, in another order.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from evaluation.metrics import Metric, kind_of
from evaluation.results.results import Results
from evaluation.results.tables import scores
from evaluation.running.run import Run

__all__ = ["Contrast", "Ranked", "disagreement"]

MOST_CLIPS = 5
FEWEST = 3  # things to rank; two are in one order or the other


class Ranked(NamedTuple):
    """One thing in two orders; rank 1 is best.

    Attributes
    ----------
    name : str
        An operating point or a recording.
    ours : float
        Its rank by the signal metric.
    theirs : float
        Its rank by the model of listeners.
    """

    name: str
    ours: float
    theirs: float

    @property
    def difference(self) -> float:
        """Places that listeners would put it higher."""
        return self.ours - self.theirs


class Contrast(NamedTuple):
    """A signal metric and a model of listeners.

    Attributes
    ----------
    signal : Metric
        The one.
    listener : Metric
        The other.
    correlation : float
        Spearman's, over the operating points; NaN for fewer than three.
    recordings : int
        That the operating points are ranked on: those with both scores at all of them.
    points : list of Ranked
        Operating points of codecs, in the signal metric's order.
    clips : list of Ranked
        Recordings of the first system at its highest rate that move most.
    """

    signal: Metric
    listener: Metric
    correlation: float
    recordings: int
    points: list[Ranked]
    clips: list[Ranked]


def disagreement(results: Results) -> list[Contrast]:
    """Compare the orders of the first signal metric and of each model of listeners.

    Arguments
    ---------
    results : Results
        Of an evaluation.

    Returns
    -------
    list of Contrast
        Empty without models of listeners.
    """
    run = results.run
    listeners = [metric for metric in run.metrics if kind_of(metric) == "perception"]
    signal = next((m for m in run.metrics if kind_of(m) == "signal"), None)
    if signal is None:
        return []
    found = []
    first = run.systems[0]
    top = run.points[first.name][-1]
    names = [clip.name for clip in run.clips]
    for listener in listeners:
        points, recordings = _ranked_points(run, signal, listener)
        clips = _ranked(
            names,
            *(
                _best_high(scores(run, first, top, m).values, m)
                for m in (signal, listener)
            ),
        )
        if len(points) < FEWEST and len(clips) < FEWEST:
            continue
        moved = sorted(clips, key=lambda one: -abs(one.difference))[:MOST_CLIPS]
        found.append(
            Contrast(
                signal,
                listener,
                _spearman(points),
                recordings,
                sorted(points, key=lambda one: one.ours),
                [one for one in moved if one.difference],
            )
        )
    return found


def _ranked_points(
    run: Run, signal: Metric, listener: Metric
) -> tuple[list[Ranked], int]:
    """Rank codecs on the recordings that all have, and count these.

    Points without any recording that has both scores are not ranked.
    """
    found = {}
    for system in run.systems:
        for point in () if system.control else run.points[system.name]:
            ours, theirs = (scores(run, system, point, m) for m in (signal, listener))
            if (ours.known & theirs.known).any():
                found[f"{system.name} {point}".strip()] = ours, theirs
    among = np.ones(len(run.clips), bool)
    for ours, theirs in found.values():
        among &= ours.known & theirs.known
    if not found or not among.any():
        return [], 0
    ours_mean = [ours.mean(among) for ours, _ in found.values()]
    theirs_mean = [theirs.mean(among) for _, theirs in found.values()]
    ranked = _ranked(
        list(found), _best_high(ours_mean, signal), _best_high(theirs_mean, listener)
    )
    return ranked, int(among.sum())


def _best_high(values: object, metric: Metric) -> np.ndarray:
    """Turn scores so that higher is better."""
    return np.asarray(values, float) * (1 if metric.higher_is_better else -1)


def _ranked(names: list[str], ours: np.ndarray, theirs: np.ndarray) -> list[Ranked]:
    """Rank what has both scores; equal scores share a rank."""
    from scipy.stats import rankdata

    both = np.isfinite(ours) & np.isfinite(theirs)
    ranks = [rankdata(-values[both]) for values in (ours, theirs)]
    kept = [name for name, keep in zip(names, both, strict=True) if keep]
    return [Ranked(n, float(a), float(b)) for n, a, b in zip(kept, *ranks, strict=True)]


def _spearman(points: list[Ranked]) -> float:
    ranks = np.array([(one.ours, one.theirs) for one in points]).reshape(-1, 2)
    if len(points) < FEWEST or not ranks.std(axis=0).all():
        return math.nan
    return float(np.corrcoef(ranks.T)[0, 1])
