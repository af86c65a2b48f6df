"""What headers of recordings say, against manifests and against the files themselves.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dac_lobe.audio import AudioError, AudioReader, Segment

__all__ = [
    "OddDuration",
    "far_off",
    "read_duration",
    "read_header",
    "warn_of_durations",
]

logger = logging.getLogger(__name__)


class OddDuration(NamedTuple):
    """An item whose manifest is far off.

    Attributes
    ----------
    id : str
        Its name.
    stated, found : float
        Seconds.
    """

    id: str
    stated: float
    found: float


def far_off(stated: float, found: float) -> bool:
    """Tell whether a stated duration is off by more than 2 % and 50 ms.

    Example
    -------
    >>> far_off(10.0, 10.15), far_off(0.1, 0.14), far_off(10.0, 10.5)
    (False, False, True)
    """
    return abs(stated - found) > max(0.02 * found, 0.05)


def warn_of_durations(odd: Sequence[OddDuration], items: int) -> None:
    """Say once how many of the durations are far off, and one of them.

    Arguments
    ---------
    odd : sequence of OddDuration
        Those; nothing is said if there are none.
    items : int
        Of how many.
    """
    if odd:
        logger.warning(
            "the manifest's duration is far off in %d of %d items (%s: %.2f s stated, "
            "%.2f s found); what was found is used", len(odd), items, *odd[0]
        )  # fmt: skip


def read_duration(path: str | Path, segment: Segment | None = None) -> float:
    """Read a file's duration, or that of a part, from its header.

    Arguments
    ---------
    path : str or Path
        An audio file.
    segment : Segment, optional
        The part; all by default.

    Returns
    -------
    float
        Seconds, rounded to a tenth of a millisecond.
    """
    with AudioReader(path, segment, strict=None) as reader:
        return round(reader.num_samples / reader.sample_rate, 4)


def read_header(path: str | Path, segment: Segment | None = None) -> tuple[float, str]:
    """Read a file's duration, or that of a part, and what is missing of it.

    A file that cannot be read is left to whoever reads its samples.

    Arguments
    ---------
    path : str or Path
        An audio file.
    segment : Segment, optional
        The part; all by default.

    Returns
    -------
    duration : float
        Seconds, rounded to a tenth of a millisecond; 0.0 if unreadable.
    cut_off : str
        What is missing of the file; empty if it is whole.

    Example
    -------
    >>> read_header("nowhere.wav")
    (0.0, '')
    """
    try:
        with AudioReader(path, segment, strict=None) as reader:
            return round(reader.num_samples / reader.sample_rate, 4), reader.cut_off
    except (OSError, AudioError):
        return 0.0, ""
