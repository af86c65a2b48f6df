"""Manifests against the files that they name: durations, and headers that promise more.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from dac_lobe.audio import AudioError
from dac_lobe.data.headers import (
    OddDuration,
    far_off,
    read_header,
    warn_of_durations,
)
from dac_lobe.data.item import Item

__all__ = ["compare_headers"]

logger = logging.getLogger(__name__)


def compare_headers(
    items: Sequence[Item], *, durations: bool = True, strict: bool = False
) -> None:
    """Say once which recordings are not as long as they are said to be.

    Files whose headers promise more than they hold are cut off. What cannot be read
    is left to those who read it.

    Arguments
    ---------
    items : sequence of Item
        The recordings.
    durations : bool
        Whether to look at the manifest's durations, too.
    strict : bool
        Whether to refuse files that are cut off, which are otherwise a warning.

    Raises
    ------
    AudioError
        If there are some, and ``strict`` is set.

    Example
    -------
    >>> compare_headers([Item("a", "nowhere.wav", 1.0)])
    """
    with ThreadPoolExecutor() as pool:  # headers on a network disk take their time
        found = list(pool.map(_header, items))
    cut = [said for _, said in found if said]
    if cut:
        message = f"{len(cut)} of {len(items)} recordings are cut off: {cut[0]}"
        if strict:
            raise AudioError(f"{message}. Fetch them again, or leave strict out.")
        logger.warning("%s", message)
    if durations:
        odd = [
            OddDuration(item.id, item.duration, seconds)
            for item, (seconds, _) in zip(items, found, strict=True)
            if item.duration and seconds and far_off(item.duration, seconds)
        ]
        warn_of_durations(odd, len(items))


def _header(item: Item) -> tuple[float, str]:
    """Read an item's header, unless the manifest's reader has."""
    if item.cut_off is not None:
        return item.duration, item.cut_off
    return read_header(item.wav, item.segment)
