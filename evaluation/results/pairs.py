"""Many paired tests at once: every condition of a table against every other.

The test is that of `evaluation.results.statistics.paired_difference`, where one draw
of signs serves all pairs: a thousand of them cost a few products of matrices.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from evaluation.results.statistics import cluster_numbers, flip_test

__all__ = ["PairTest", "pairwise"]

PAIRS_AT_ONCE = 256


class PairTest(NamedTuple):
    """A difference between two conditions on the clips that both have.

    Attributes
    ----------
    first : int
        Row of the one condition.
    second : int
        Row of the other.
    difference : float
        Mean of first minus second; ``nan`` without a common clip.
    p : float
        Two-sided, before any correction; ``nan`` with fewer than two speakers.
    pairs : int
        Clips.
    """

    first: int
    second: int
    difference: float
    p: float
    pairs: int


def pairwise(
    scores: np.ndarray,
    chosen: Sequence[tuple[int, int]],
    clusters: Sequence[str],
    seed: int = 0,
    label: str = "",
) -> list[PairTest]:
    """Test pairs of conditions on the same clips.

    Arguments
    ---------
    scores : np.ndarray
        Shape [N, C]: N conditions on C clips; NaN where there is no score.
    chosen : sequence of tuple
        Pairs of rows to compare.
    clusters : sequence of str
        Speaker of each clip; empty if unknown.
    seed : int
        Of the draw, together with ``label``.
    label : str
        What is compared.

    Returns
    -------
    list of PairTest
        In the order of ``chosen``.

    Example
    -------
    >>> scores = np.array([[2, 3, 4, 5.5], [1, 2, 3, 4]])
    >>> pairwise(scores, [(0, 1)], ["", "", "", ""])
    [PairTest(first=0, second=1, difference=1.125, p=0.125, pairs=4)]
    """
    numbers = cluster_numbers(clusters)
    found = []
    for start in range(0, len(chosen), PAIRS_AT_ONCE):
        part = np.array(chosen[start : start + PAIRS_AT_ONCE])
        delta = scores[part[:, 0]] - scores[part[:, 1]]
        both = np.isfinite(delta)
        # A clip that one of the two lacks adds nothing, whatever its sign.
        sums = _per_cluster(np.where(both, delta, 0.0), numbers)
        seen = (_per_cluster(both, numbers) > 0).sum(axis=1)
        count = both.sum(axis=1)
        p = flip_test(sums, seed, label)
        for row, (first, second) in enumerate(part):
            pairs = int(count[row])
            mean = float(sums[row].sum() / pairs) if pairs else math.nan
            one = float(p[row]) if seen[row] > 1 else math.nan
            found.append(PairTest(int(first), int(second), mean, one, pairs))
    return found


def _per_cluster(values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Sum values [P, C] over the clips of each cluster, [P, S]."""
    return np.stack([np.bincount(numbers, row) for row in values])
