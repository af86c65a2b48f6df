"""Intervals and paired differences that know that a speaker's clips are alike.

Clips of one speaker are not independent, so whole speakers are drawn; a clip of
unknown speaker is drawn alone. Everything is seeded by what it is about, so the
same table has the same intervals, whatever else is computed.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import itertools
import math
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

__all__ = [
    "LEAST_CLUSTERS",
    "Interval",
    "Paired",
    "cluster_numbers",
    "flip_test",
    "holm",
    "interval",
    "paired_difference",
]

RESAMPLES = 4999
CONFIDENCE = 0.95
# What is drawn from three clusters covers the mean 70 % of the time where it says 95 %.
LEAST_CLUSTERS = 5


class Interval(NamedTuple):
    """A mean and its 95 % interval.

    Attributes
    ----------
    mean : float
        Weighted mean; ``nan`` without values.
    low : float
        Lower end; ``nan`` with fewer than five clusters.
    high : float
        Upper end.
    clusters : int
        Speakers (and clips of unknown speakers) that were drawn from.
    """

    mean: float
    low: float
    high: float
    clusters: int


class Paired(NamedTuple):
    """A difference on the clips that both have.

    Attributes
    ----------
    difference : Interval
        Of first minus second.
    p : float
        Two-sided, from flipping the signs of whole clusters; ``nan`` for one.
    pairs : int
        Clips.
    """

    difference: Interval
    p: float
    pairs: int


def _generator(seed: int, label: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed} {label}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def cluster_numbers(clusters: Sequence[str]) -> np.ndarray:
    """Number clusters in the order of their names; without one, a clip is its own.

    Example
    -------
    >>> cluster_numbers(["ben", "anna", "", "ben", ""]).tolist()
    [3, 2, 0, 3, 1]
    """
    labels = [cluster or f"\0{index}" for index, cluster in enumerate(clusters)]
    _, numbers = np.unique(np.array(labels, dtype=object), return_inverse=True)
    return numbers


def flip_test(sums: np.ndarray, seed: int = 0, label: str = "") -> np.ndarray:
    """Test whether sums differ from 0, by flipping the signs of whole clusters.

    Arguments
    ---------
    sums : np.ndarray
        Sum of the differences in each of S clusters, in P comparisons: shape [P, S].
    seed : int
        Of the draw, together with ``label``.
    label : str
        What is compared.

    Returns
    -------
    np.ndarray
        Shape [P]: share of flips whose total is at least as far from 0. All flips
        if they are few; else as many drawn ones as elsewhere, the same for all
        comparisons, and what was seen counts as one more.

    Example
    -------
    >>> flip_test(np.array([[1.0, 1.0, 1.0, 1.5]]))
    array([0.125])
    """
    clusters = sums.shape[1]
    exact = 2**clusters <= RESAMPLES
    if exact:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=clusters)))
    else:
        generator = _generator(seed, f"p {label}")
        signs = generator.choice((1.0, -1.0), size=(RESAMPLES, clusters))
    seen = np.abs(sums.sum(axis=1))
    as_far: np.ndarray = (np.abs(signs @ sums.T) >= seen * (1 - 1e-9)).sum(axis=0)
    return as_far / len(signs) if exact else (as_far + 1) / (len(signs) + 1)


def interval(
    values: ArrayLike,
    clusters: Sequence[str],
    weights: ArrayLike | None = None,
    seed: int = 0,
    label: str = "",
) -> Interval:
    """Compute a mean with its bootstrap interval (BCa; Efron, 1987).

    Arguments
    ---------
    values : sequence of float
        One per clip.
    clusters : sequence of str
        Speaker of each clip; empty if unknown.
    weights : sequence of float, optional
        Of each clip, as words for a word error rate; equal by default.
    seed : int
        Of the draws, together with ``label``.
    label : str
        What this is the interval of.

    Returns
    -------
    Interval
        Percentiles instead where BCa is not defined.

    Example
    -------
    >>> result = interval(
    ...     [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], ["a", "a", "b", "c", "d", "e"]
    ... )
    >>> result.mean, result.clusters, result.low <= 3.5 <= result.high
    (3.5, 5, True)
    """
    array = np.asarray(values, dtype=float)
    if array.size == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    weight = np.ones_like(array) if weights is None else np.asarray(weights, float)
    numbers = cluster_numbers(clusters)
    sums, counts = np.bincount(numbers, weight * array), np.bincount(numbers, weight)
    mean = float(sums.sum() / counts.sum())
    if len(sums) < LEAST_CLUSTERS:
        return Interval(mean, math.nan, math.nan, len(sums))
    means = sums / counts
    if np.ptp(means) <= 1e-12 * max(1.0, np.abs(means).max()):
        return Interval(mean, mean, mean, len(sums))
    from scipy.stats import bootstrap

    def statistic(index: np.ndarray, axis: int = -1) -> np.ndarray:
        drawn: np.ndarray = sums[index].sum(axis=axis) / counts[index].sum(axis=axis)
        return drawn

    low = high = math.nan
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings():
            # BCa says that it is not defined here, and the next method is tried.
            warnings.filterwarnings("ignore", message=".*BCa confidence interval.*")
            warnings.filterwarnings("ignore", category=RuntimeWarning)
            low, high = bootstrap(
                (np.arange(len(sums)),),
                statistic,
                n_resamples=RESAMPLES,
                vectorized=True,
                confidence_level=CONFIDENCE,
                method=method,
                rng=_generator(seed, label),
            ).confidence_interval
        if np.isfinite(low) and np.isfinite(high):
            break
    return Interval(mean, float(low), float(high), len(sums))


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    clusters: Sequence[str],
    seed: int = 0,
    label: str = "",
) -> Paired:
    """Compare two conditions on the same clips; NaN in either leaves a clip out.

    Arguments
    ---------
    first : sequence of float
        Scores of one condition.
    second : sequence of float
        Scores of the other, same clips in the same order.
    clusters : sequence of str
        Speaker of each clip; empty if unknown.
    seed : int
        Of the draws, together with ``label``.
    label : str
        What is compared.

    Returns
    -------
    Paired
        Difference, p-value before any correction, and count.

    Example
    -------
    >>> result = paired_difference([2, 3, 4, 5.5], [1, 2, 3, 4], ["", "", "", ""])
    >>> result.difference.mean, result.pairs, result.p
    (1.125, 4, 0.125)
    """
    ours, theirs = np.asarray(first, float), np.asarray(second, float)
    both = np.isfinite(ours) & np.isfinite(theirs)
    delta = ours[both] - theirs[both]
    groups = [cluster for cluster, keep in zip(clusters, both, strict=True) if keep]
    result = interval(delta, groups, None, seed, label)
    if result.clusters < 2:
        return Paired(result, math.nan, int(both.sum()))
    sums = np.bincount(cluster_numbers(groups), delta)
    (p,) = flip_test(sums[None], seed, label)
    return Paired(result, float(p), int(both.sum()))


def holm(p_values: ArrayLike) -> list[float]:
    """Correct p-values for their number (Holm, 1979); NaN stays and does not count.

    Example
    -------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, float)
    order = [index for index in np.argsort(values) if np.isfinite(values[index])]
    corrected = np.full(len(values), math.nan)
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(order) - rank) * values[index]))
        corrected[index] = running
    return [float(value) for value in corrected]
