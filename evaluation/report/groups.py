"""Metrics by what listens, in tables that fit a laptop.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from evaluation.metrics import METRICS, PERCEPTION, Metric

__all__ = ["Group", "group", "is_perception"]

WIDEST = 10  # metrics side by side
KINDS = ("Heard by people", "Signal metrics", "Models of listeners")


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


def is_perception(metric: Metric) -> bool:
    """Whether a metric is a model of listeners.

    Example
    -------
    >>> is_perception(METRICS["distillmos"]), is_perception(METRICS["pesq_wb"])
    (True, False)
    """
    return metric.name in PERCEPTION or not metric.intrusive


def group(
    metrics: Sequence[Any], heard: Callable[[Any], bool] = lambda metric: False
) -> list[Group]:
    """Sort metrics into tables: people's ratings, arithmetic, models of listeners.

    Arguments
    ---------
    metrics : sequence
        Anything with the ``name`` of a metric.
    heard : callable, optional
        Whether one of them comes from a listening test.

    Returns
    -------
    list of Group
        At most ten metrics each.
    """
    kinds: dict[str, list[Any]] = {kind: [] for kind in KINDS}
    people, signal, models = kinds.values()
    for metric in metrics:
        known = METRICS.get(metric.name)
        if heard(metric):
            people.append(metric)
        elif known is not None and is_perception(known):
            models.append(metric)
        else:
            signal.append(metric)
    return [
        Group(kind, found[start : start + WIDEST])
        for kind, found in kinds.items()
        for start in range(0, len(found), WIDEST)
    ]
