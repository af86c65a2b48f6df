"""The Pareto front of a board: what no codec beats on the recordings that both have.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from evaluation.results.conditions import Condition
from evaluation.results.joining import Shown
from evaluation.results.taking import Taken

__all__ = ["mark_front"]


class _Place(NamedTuple):
    """A row, and what its mean and rate are of."""

    row: dict[str, Any]
    taken: Taken
    scores: np.ndarray


def mark_front(
    codecs: list[dict[str, Any]], taken: Mapping[Condition, Taken], metric: Shown
) -> None:
    """Mark what no codec beats: as good at a lower rate, or better at no higher one.

    Two points are compared on the recordings that both have a score of, where each
    counts once; where these are all of both, by their own means. A codec that fails on
    hard recordings gains nothing by it, and costs the others nothing.

    Arguments
    ---------
    codecs : list of dict
        Rows of the metric; 'front' is set in those with a rate.
    taken : mapping
        Scores of each condition.
    metric : Shown
        What they are of.
    """
    sign = 1 if metric.higher_is_better else -1
    for domain in {row["domain"] for row in codecs}:
        places = []
        for row in codecs:
            if row["domain"] == domain and row["kbps"] is not None:
                one = taken[Condition.of(row)]
                places.append(_Place(row, one, one.scores(metric.name, domain)))
        for place in places:
            place.row["front"] = not any(_beats(one, place, sign) for one in places)


def _beats(one: _Place, other: _Place, sign: int) -> bool:
    """Whether the one is at least as good and as cheap, and not the same."""
    known = np.isfinite(one.scores), np.isfinite(other.scores)
    both = known[0] & known[1]
    if not both.any():
        return False
    if (known[0] == known[1]).all():
        means = [place.row["mean"] for place in (one, other)]
        rates = [place.row["kbps"] for place in (one, other)]
    else:
        means = [place.scores[both].mean() for place in (one, other)]
        rates = [place.taken.kbps(both) for place in (one, other)]
    if None in rates:
        return False
    gain, saving = sign * (means[0] - means[1]), rates[1] - rates[0]
    return bool(gain >= 0 and saving >= 0 and (gain > 0 or saving > 0))
