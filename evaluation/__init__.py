"""Evaluation of audio codecs, with numbers that can be trusted.

    recordings --systems--> (reference, output) pairs --metrics--> scores
    scores --statistics--> tables, curves and one report

A metric that fails is a row with a reason, never a score; every mean stands
beside its count of successes and its interval; every number beside its
definition. `evaluate` does it all; the command is ``dac-lobe-evaluate``.

Authors
 * The dac-lobe developers 2026
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluation.errors import MetricError as MetricError
    from evaluation.metrics import Metric as Metric
    from evaluation.results.results import Results as Results
    from evaluation.suite import evaluate as evaluate
    from evaluation.systems import CodebookSystem as CodebookSystem
    from evaluation.systems import Point as Point
    from evaluation.systems import Rate as Rate
    from evaluation.systems import ScaledCodes as ScaledCodes
    from evaluation.systems import System as System
    from evaluation.systems import make_system as make_system

_HOME = {
    "CodebookSystem": "evaluation.systems",
    "Metric": "evaluation.metrics",
    "MetricError": "evaluation.errors",
    "Point": "evaluation.systems",
    "Rate": "evaluation.systems",
    "Results": "evaluation.results.results",
    "ScaledCodes": "evaluation.systems",
    "System": "evaluation.systems",
    "evaluate": "evaluation.suite",
    "make_system": "evaluation.systems",
}

__all__ = sorted(_HOME)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """Load a public name from its home on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'evaluation' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return list(__all__)
