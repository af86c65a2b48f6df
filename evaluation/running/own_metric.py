"""What tells a metric of a user's own from another of the same name.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import inspect
from importlib import import_module
from types import CodeType
from typing import Any

from evaluation.metrics import METRICS, Metric
from evaluation.running.cache import cache_key

__all__ = ["own_metric", "own_metric_fingerprint"]


def own_metric(metric: Metric) -> list[Any]:
    """List what a score depends on beside the metric's name and version.

    Arguments
    ---------
    metric : Metric
        Ours, or a user's.

    Returns
    -------
    list
        Empty if it is ours: the version says it all. Else what the metric says of
        itself, and the source of the file that has its function.

    Example
    -------
    >>> own_metric(METRICS["stoi"])
    []
    """
    ours = METRICS.get(metric.name)
    # What binds a model to one of ours says so in `identity`, which the version has.
    if ours and metric.function == ours.function and metric.aligned == ours.aligned:
        if metric.identity or metric.options == ours.options:
            return []
    return [
        metric.function,
        metric.definition,
        metric.options,
        metric.identity,
        metric.aligned,
        metric.wants_transcript,
        *_sources(metric.function),
    ]


def own_metric_fingerprint(metric: Metric) -> str:
    """Hash what `own_metric` lists; empty if the metric is ours."""
    own = own_metric(metric)
    return cache_key(*own)[:16] if own else ""


def _sources(place: str) -> list[str]:
    """Read the files of ``module:function``; without any, what the function runs."""
    name, _, member = place.partition(":")
    try:
        module = import_module(name)
        function = inspect.unwrap(getattr(module, member))
    except (ImportError, AttributeError):  # its scores will say so
        return []
    found = []
    for one in (module, function):
        try:
            found.append("".join(inspect.findsource(one)[0]))
        except (OSError, TypeError):  # typed in, or compiled
            continue
    code = getattr(function, "__code__", None)
    if code is not None and not found:
        return [_written(code)]
    return list(dict.fromkeys(found))


def _written(code: CodeType) -> str:
    """Write down what a function does, without where it stands."""
    constants: list[Any] = []
    for one in code.co_consts:
        if isinstance(one, frozenset):
            constants.append(sorted(map(repr, one)))  # in an order of its own
        else:
            constants.append(_written(one) if isinstance(one, CodeType) else repr(one))
    return f"{code.co_code.hex()} {code.co_names} {constants}"
