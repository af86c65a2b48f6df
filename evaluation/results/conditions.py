"""Rows of a board: a system at an operating point, and which of them are no codecs.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Condition", "is_control"]

# Controls by the first word of their name, as results of version 0.2 and before have it.
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

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Condition:
        """Read it off a row of a table, or of anything else that names its three parts.

        Example
        -------
        >>> Condition.of({"system": "a", "num_codebooks": None, "setting": "c=1"})
        Condition(system='a', num_codebooks=None, setting='c=1')
        """
        import pandas as pd

        number = row["num_codebooks"]
        return cls(row["system"], None if pd.isna(number) else int(number), row["setting"])

    def __str__(self) -> str:
        codebooks = "" if self.num_codebooks is None else f"K={self.num_codebooks}"
        return " ".join(part for part in (self.system, codebooks, self.setting) if part)


def is_control(system: str, about: Mapping[str, Any]) -> bool:
    """Whether a system is a limit to look at, and no codec.

    Arguments
    ---------
    system : str
        Its name.
    about : mapping
        What results.json says of it; where that is nothing, the name tells.

    Returns
    -------
    bool

    Example
    -------
    >>> is_control("resample-12000", {}), is_control("anchor", {"control": False})
    (True, False)
    """
    return bool(about.get("control", system.partition("-")[0] in CONTROLS))
