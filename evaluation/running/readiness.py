"""Systems made ready for a run, or refused in a sentence before anything is computed.

Their classes may be foreign code, which forgets and raises what it likes.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Sequence

from evaluation.errors import LoadError
from evaluation.running.scoring import describe
from evaluation.systems import Point, System

__all__ = ["check_travel", "load", "points"]

_SAID = (ValueError, OSError, ImportError)  # what our systems raise says it all


def load(system: System) -> None:
    """Load a system that has a name.

    Arguments
    ---------
    system : System
        Ours, or a user's.

    Raises
    ------
    ValueError
        If it has no name, or, as a `LoadError`, if it cannot be loaded.
    """
    kind = type(system)
    if not isinstance(system.name, str) or not system.name:
        raise ValueError(
            f"the system {kind.__module__}:{kind.__qualname__} has no name. Give its "
            "class one, as name = 'mine'."
        )
    try:
        system.load()
    except Exception as error:
        if isinstance(error, _SAID) and kind.__module__.startswith("evaluation."):
            raise
        raise LoadError(f"{system.name} cannot be loaded: {describe(error)}") from error


def points(system: System, codebooks: Sequence[int] | None) -> list[Point]:
    """Ask a system for its operating points.

    Arguments
    ---------
    system : System
        Loaded.
    codebooks : sequence of int, optional
        What is asked for.

    Returns
    -------
    list of Point
        One or more.

    Raises
    ------
    ValueError
        If there are none, or other things.
    """
    try:
        found = list(system.points(codebooks))
    except ValueError:  # what was asked for
        raise
    except Exception as error:
        raise LoadError(f"{system.name} has no points: {describe(error)}") from error
    if not found or not all(isinstance(one, Point) for one in found):
        raise ValueError(
            f"points() of {system.name} gives {found}; one or more Point are needed, as "
            "[Point(setting='6 bits')]."
        )
    return found


def check_travel(systems: Iterable[System]) -> None:
    """See that systems can be sent to worker processes.

    Arguments
    ---------
    systems : iterable of System
        Not loaded, as workers get them.

    Raises
    ------
    ValueError
        If one cannot be pickled.
    """
    for system in systems:
        try:
            pickle.dumps(system)
        except Exception as error:
            raise ValueError(
                f"{system.name} cannot be sent to worker processes: {describe(error)}. "
                "Make in load() what cannot be pickled, or compute in this process "
                "(workers=0)."
            ) from error
