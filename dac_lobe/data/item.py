"""A recording of a manifest, and what its name and path may not hold.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dac_lobe.audio import Segment

__all__ = ["Item", "check_channels", "check_names"]

# Ids are words of tables in UTF-8; names of files may be any bytes, here surrogates.
_UNFIT = re.compile("[\t\r\n\ud800-\udfff]")


@dataclass(frozen=True)
class Item:
    """One recording of a manifest.

    Attributes
    ----------
    id : str
        Its name, unique in the manifest.
    wav : str
        Path of the audio file.
    duration : float
        Seconds; 0.0 where a folder's file could not be read.
    fields : dict
        The other columns, as text.
    segment : Segment, optional
        The part of the file that it is; all of it by default.
    where : str
        File and line of the manifest, for messages.
    cut_off : str, optional
        What is missing of the file; empty if it is whole, None if its header has not
        been read.
    """

    id: str
    wav: str
    duration: float
    fields: Mapping[str, str] = field(default_factory=dict)
    segment: Segment | None = None
    where: str = ""
    cut_off: str | None = None


def check_names(items: Iterable[Item]) -> None:
    """Refuse ids that cannot be written down, and paths that cannot be opened.

    Arguments
    ---------
    items : iterable of Item
        The recordings.

    Raises
    ------
    ValueError
        If an id holds tabs, line breaks or what is not UTF-8, or a path a zero byte.

    Example
    -------
    >>> check_names([Item("a" + chr(9), "a.wav", 1.0)])
    Traceback (most recent call last):
    ValueError: 'a.wav': the ID ... may hold neither tabs nor line breaks, and must ...
    """
    for item in items:
        if _UNFIT.search(item.id):
            raise ValueError(
                f"{item.where or ascii(item.wav)}: the ID {item.id!r} may hold neither "
                "tabs nor line breaks, and must be text in UTF-8. Rename it."
            )
        if "\0" in item.wav:
            raise ValueError(
                f"manifest {item.where}, {item.id!r}: the path {item.wav!r} holds a zero "
                "byte, which no file's name has. Correct it."
            )


def check_channels(items: Iterable[Item]) -> None:
    """Refuse files of which several channels are asked for: all are read as one.

    Arguments
    ---------
    items : iterable of Item
        The recordings.

    Raises
    ------
    ValueError
        If a file is there with different texts in the column ``channel``.

    Example
    -------
    >>> check_channels([Item(c, "call.wav", 1.0, {"channel": c}) for c in "01"])
    Traceback (most recent call last):
    ValueError: manifest : 'call.wav' is there with the channels '0' and '1', and a ...
    """
    seen: dict[str, str] = {}
    for item in items:
        channel = item.fields.get("channel", "").strip()
        if channel and seen.setdefault(item.wav, channel) != channel:
            raise ValueError(
                f"manifest {item.where}: {item.wav!r} is there with the channels "
                f"{seen[item.wav]!r} and {channel!r}, and a file is read as the mean of "
                "its channels. Write each channel into a file of its own."
            )
