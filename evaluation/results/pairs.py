"""Many paired tests at once: every condition of a table against every other.

The test is that of `evaluation.results.statistics.paired_difference`: the signs of
whole speakers' differences are flipped. Here one draw of signs serves all pairs,
so that a thousand pairs cost one product of matrices.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from evaluation.results.statistics import RESAMPLES

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
    names = [name or f"\0{index}" for index, name in enumerate(clusters)]
    _, member = np.unique(np.array(names, dtype=object), return_inverse=True)
    in_cluster = np.zeros((len(names), member.max(initial=-1) + 1))
    in_cluster[np.arange(len(names)), member] = 1
    signs = _signs(in_cluster.shape[1], seed, label)
    found = []
    for start in range(0, len(chosen), PAIRS_AT_ONCE):
        part = np.array(chosen[start : start + PAIRS_AT_ONCE])
        delta = scores[part[:, 0]] - scores[part[:, 1]]
        both = np.isfinite(delta)
        # A clip that one of the two lacks adds nothing, whatever its sign.
        sums = np.where(both, delta, 0.0) @ in_cluster
        seen = (both @ in_cluster > 0).sum(axis=1)
        count = both.sum(axis=1)
        p = _p_values(sums, signs)
        for row, (first, second) in enumerate(part):
            pairs = int(count[row])
            mean = float(sums[row].sum() / pairs) if pairs else math.nan
            one = float(p[row]) if seen[row] > 1 else math.nan
            found.append(PairTest(int(first), int(second), mean, one, pairs))
    return found


def _exact(clusters: int) -> bool:
    return 2**clusters <= RESAMPLES


def _signs(clusters: int, seed: int, label: str) -> np.ndarray:
    """All ways to flip, if they are few; else as many drawn ones as elsewhere."""
    if _exact(clusters):
        return np.array(list(itertools.product((1.0, -1.0), repeat=clusters)))
    digest = hashlib.sha256(f"{seed} p {label}".encode()).digest()
    generator = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    return generator.choice((1.0, -1.0), size=(RESAMPLES, clusters))


def _p_values(sums: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Share of flips whose total is at least as far from 0 as what was seen."""
    totals = np.abs(signs @ sums.T)
    seen = np.abs(sums.sum(axis=1))
    as_far = (totals >= seen * (1 - 1e-9)).sum(axis=0)
    if _exact(sums.shape[1]):
        return as_far / len(signs)
    return (as_far + 1) / (len(signs) + 1)
