"""Rows of a board: a system at an operating point, and which of them are no codecs.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Condition", "is_control"]

CONTROLS = ("anchor", "identity", "reference", "resample")


class Condition(NamedTuple):
    """A system at an operating point: a row of the board.

    Attributes
    ----------
    system : str
        Its name; with its run's where two runs call different systems the same.
    num_codebooks : int or None
        Codebooks decoded.
    setting : str
        What else chooses the rate.
    """

    system: str
    num_codebooks: int | None
    setting: str

    def __str__(self) -> str:
        codebooks = "" if self.num_codebooks is None else f"K={self.num_codebooks}"
        return " ".join(part for part in (self.system, codebooks, self.setting) if part)


def is_control(system: str) -> bool:
    """Whether a system is a limit to look at, and no codec.

    Example
    -------
    >>> is_control("resample-12000"), is_control("opus")
    (True, False)
    """
    return system.partition("-")[0] in CONTROLS
