"""The metrics, each under a pinned name with its definition.

Another definition of the same idea gets another name: two tables whose columns
are called the same hold the same thing.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from evaluation.errors import MetricError, MissingPackage
from evaluation.metrics.catalogue import DEFINED, STANDARD
from evaluation.metrics.columns import RESERVED
from evaluation.metrics.folders import bind
from evaluation.metrics.learned import LAYOUTS, PERCEPTION
from evaluation.metrics.metric import Metric, Weighted

__all__ = [
    "METRICS",
    "PERCEPTION",
    "SETS",
    "STANDARD",
    "Metric",
    "MetricError",
    "MissingPackage",
    "Weighted",
    "choose",
    "kind_of",
]

METRICS: dict[str, Metric] = {metric.name: metric for metric in DEFINED}
SETS = {"standard": STANDARD, "perception": PERCEPTION}


def choose(wanted: Iterable[str | Metric] | None = None) -> list[Metric]:
    """Look metrics up by name.

    Arguments
    ---------
    wanted : iterable of str or Metric, optional
        Names, 'standard' and 'perception' for sets of them, ``name:FOLDER`` for
        those that take a model, or metrics of your own; the standard ten if None.

    Returns
    -------
    list of Metric
        In the order given.

    Raises
    ------
    ValueError
        If a name is unknown, comes twice, is that of a column of the tables, or needs
        a model that is not given.

    Example
    -------
    >>> [metric.name for metric in choose(["stoi", "mel_dac7"])]
    ['stoi', 'mel_dac7']
    """
    named: list[str | Metric] = []
    for item in ("standard",) if wanted is None else wanted:
        named += SETS.get(item, (item,)) if isinstance(item, str) else [item]
    chosen = [item if isinstance(item, Metric) else _find(item) for item in named]
    names = [metric.name for metric in chosen]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"metric {name!r} is given twice. Give it once.")
        if name in RESERVED:
            raise ValueError(
                f"metric {name!r} would stand in the tables' own column. Rename it; "
                f"taken are {', '.join(RESERVED)}."
            )
    if not chosen:
        raise ValueError(f"no metric given. Choose from {', '.join(METRICS)}.")
    return chosen


def kind_of(metric: Metric) -> str:
    """Say whether a metric is a model of listeners ('perception') or not ('signal').

    Example
    -------
    >>> kind_of(METRICS["distillmos"]), kind_of(METRICS["pesq_wb"])
    ('perception', 'signal')
    """
    heard = metric.name in PERCEPTION or not metric.intrusive
    return "perception" if heard else "signal"


def _find(text: str) -> Metric:
    name, _, folder = text.partition(":")
    if name not in METRICS:
        raise ValueError(f"unknown metric {name!r}. Choose from {', '.join(METRICS)}.")
    layout = LAYOUTS.get(name)
    if layout is None and folder:
        raise ValueError(f"metric {text!r}: write {name}.")
    if layout is not None and layout.required and not folder:
        raise ValueError(
            f"metric {text!r}: write {name}:FOLDER, the folder of {layout.kind}."
        )
    metric = METRICS[name]
    return bind(metric, Path(folder), layout) if layout and folder else metric
