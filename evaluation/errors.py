"""Why an evaluation does not start, or a score does not exist.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

__all__ = ["ArgumentError", "MetricError", "MissingPackage"]


class ArgumentError(ValueError):
    """What was asked for does not exist; nothing has been computed."""


class MetricError(ValueError):
    """A score that does not exist, and why: silence, too short, not finite."""


class MissingPackage(MetricError):
    """A metric whose package is not installed."""
