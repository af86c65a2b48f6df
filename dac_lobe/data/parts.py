"""Which part of a recording a row of a table means.

Columns ``start`` and ``stop`` are samples at the file's own rate; with ``_s``, ``_sec``
or ``_seconds`` after them they are seconds. Empty ones mean the beginning and the end.
Columns that others call so are refused, instead of reading the whole file.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dac_lobe.audio import Segment

__all__ = ["SEGMENT_COLUMNS", "check_segment", "read_segment", "segment_columns"]

SECONDS = ("_s", "_sec", "_seconds")
SEGMENT_COLUMNS = frozenset(
    f"{end}{unit}" for end in ("start", "stop") for unit in ("", *SECONDS)
)
# Columns of each end: ours, and what other tools call it.
ENDS = {
    end: {f"{name}{unit}" for name in names for unit in ("", *SECONDS)}
    for end, names in {
        "start": ("start", "start_time", "begin", "offset"),
        "stop": ("stop", "end", "end_time", "num_frames"),
    }.items()
}


def read_segment(
    where: str, values: Mapping[str, str]
) -> tuple[Segment | None, list[str]]:
    """Read the segment of a row, None for the whole file; name the columns it is in.

    Arguments
    ---------
    where : str
        File and line, for messages.
    values : mapping
        The row: column to text.

    Returns
    -------
    tuple of Segment or None, list of str
        The segment, and its two columns.

    Raises
    ------
    ValueError
        If it is no segment of any recording.

    Example
    -------
    >>> read_segment("train.csv, line 2", {"start_s": "0.5", "stop_s": ""})
    (Segment(start=0.5, stop=None, seconds=True), ['start_s', 'stop_s'])
    """
    for unit in ("", *SECONDS):
        names = [f"start{unit}", f"stop{unit}"]
        start, stop = (values.get(name, "").strip() for name in names)
        if not start and not stop:
            continue
        _check_ends(where, values, start, stop)
        number = float if unit else int
        try:
            segment = Segment(
                number(start or 0), number(stop) if stop else None, bool(unit)
            )
        except ValueError as error:
            raise ValueError(
                f"manifest {where}: start {start!r}, stop {stop!r}; needed are "
                + ("seconds." if unit else "samples, whole numbers. Seconds go into")
                + ("" if unit else " columns start_s and stop_s.")
            ) from error
        check_segment(segment, where)
        return segment, names
    _check_ends(where, values, "", "")
    return None, []


def segment_columns(segments: Sequence[Segment | None]) -> list[dict[str, object]]:
    """Write segments into the columns of a table, as `read_segment` reads them.

    Arguments
    ---------
    segments : sequence of Segment or None
        Of each row; None for the whole file.

    Returns
    -------
    list of dict
        Value by column, the same columns for each; none if all rows are whole files.

    Example
    -------
    >>> segment_columns([Segment(0.5, None, seconds=True), None])
    [{'start_s': 0.5, 'stop_s': ''}, {'start_s': '', 'stop_s': ''}]
    """
    units = sorted({segment.seconds for segment in segments if segment is not None})
    rows: list[dict[str, object]] = []
    for segment in segments:
        row: dict[str, object] = {}
        for seconds in units:
            own = segment is not None and segment.seconds == seconds
            ends = segment[:2] if segment is not None and own else (None, None)
            for kind, end in zip(("start", "stop"), ends, strict=True):
                row[f"{kind}_s" if seconds else kind] = "" if end is None else end
        rows.append(row)
    return rows


def check_segment(segment: Segment, where: str) -> None:
    """Raise a ValueError if a segment is none in any recording."""
    start, stop, _ = segment
    end = float("inf") if stop is None else stop
    if not 0 <= start < end or stop == float("inf"):
        raise ValueError(
            f"manifest {where}: the segment starts at {start:g} and stops at {stop:g}; "
            "needed is 0 <= start < stop."
        )


def _check_ends(where: str, values: Mapping[str, str], start: str, stop: str) -> None:
    """Refuse an end of a segment that only a column of another name tells."""
    missing = [end for end, text in (("start", start), ("stop", stop)) if not text]
    for name, text in values.items():
        if any(name in ENDS[end] for end in missing) and text.strip():
            raise ValueError(
                f"manifest {where}: {name} is {text!r}, without a start and a stop of "
                "one unit. Name the columns start and stop, or start_s and stop_s; or "
                f"leave {name} out, if it says nothing of a part."
            )
