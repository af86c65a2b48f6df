"""Why an evaluation does not start, or a score does not exist.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = [
    "ArgumentError",
    "LoadError",
    "MetricError",
    "MissingPackage",
    "SilenceError",
    "package_needed",
]


class ArgumentError(ValueError):
    """What was asked for does not exist; nothing has been computed."""


class LoadError(ValueError):
    """A system that cannot be made ready; the error that it raised is the cause."""


class MetricError(ValueError):
    """A score that does not exist, and why: silence, too short, not finite."""


class SilenceError(MetricError):
    """A clip that is silent, where speech is needed."""


class MissingPackage(MetricError):
    """A metric whose package is not installed."""


@contextmanager
def package_needed(system: str, advice: str) -> Iterator[None]:
    """Say what to do where an import fails that a system needs.

    Arguments
    ---------
    system : str
        As it was described.
    advice : str
        What to do, in a sentence or two.

    Raises
    ------
    ValueError
        If a package is not installed.

    Example
    -------
    >>> with package_needed("snac:FOLDER", "Install dac-lobe[codecs]."):
    ...     import no_such_package
    Traceback (most recent call last):
    ValueError: snac:FOLDER needs the package no_such_package. Install dac-lobe[codecs].
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{system} needs the package {error.name}. {advice}"
        ) from error
