"""Metrics by what listens, in tables that fit a laptop.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

__all__ = ["Group", "group"]

WIDEST = 10  # metrics side by side
KINDS = {
    "listening": "Heard by people",
    "signal": "Signal metrics",
    "perception": "Models of listeners",
}


class Group(NamedTuple):
    """Metrics of a kind, side by side in one table.

    Attributes
    ----------
    title : str
        Which kind.
    metrics : list
        Its metrics.
    """

    title: str
    metrics: list[Any]


def group(metrics: Sequence[Any], kind: Callable[[Any], str]) -> list[Group]:
    """Sort metrics into tables: people's ratings, arithmetic, models of listeners.

    Arguments
    ---------
    metrics : sequence
        Of a run, or of a board.
    kind : callable
        Says of one of them 'listening', 'signal' or 'perception'.

    Returns
    -------
    list of Group
        At most ten metrics each.
    """
    kinds: dict[str, list[Any]] = {name: [] for name in KINDS}
    for metric in metrics:
        kinds[kind(metric)].append(metric)
    return [
        Group(KINDS[name], found[start : start + WIDEST])
        for name, found in kinds.items()
        for start in range(0, len(found), WIDEST)
    ]
