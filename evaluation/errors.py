"""Why a score does not exist.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

__all__ = ["MetricError", "MissingPackage"]


class MetricError(ValueError):
    """A score that does not exist, and why: silence, too short, not finite."""


class MissingPackage(MetricError):
    """A metric whose package is not installed."""
