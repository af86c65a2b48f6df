"""Manifests as text: CSV and JSON of SpeechBrain, as editors and spreadsheets leave them.

A byte-order mark, CRLF, quoted commas, and columns separated by semicolons or tabs
are read; every row knows where it stands, for messages.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import csv
import io
import json
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from dac_lobe.data.parts import read_segment

__all__ = [
    "REQUIRED",
    "Row",
    "columns_of_csv",
    "named_by_path",
    "read_text",
    "rows_of_csv",
    "rows_of_json",
]

logger = logging.getLogger(__name__)

REQUIRED = ("ID", "duration", "wav")


class Row(NamedTuple):
    """An entry of a manifest.

    Attributes
    ----------
    where : str
        File and line, or file and id, for messages.
    values : dict
        Text by column.
    """

    where: str
    values: dict[str, str]


def columns_of_csv(path: Path) -> list[str]:
    """Name the columns of a CSV file.

    Arguments
    ---------
    path : Path
        The file.

    Returns
    -------
    list of str
        As in its first line; none if that is no text in UTF-8.
    """
    with path.open("rb") as file:
        try:
            header = file.readline(1 << 16).decode("utf-8-sig")
        except UnicodeDecodeError:
            return []
    lines = io.StringIO(header, newline="")  # a lone CR ends a line, too
    mark = _separator(lines)
    return next(csv.reader(lines, delimiter=mark, skipinitialspace=True), [])


def rows_of_csv(path: Path, required: Sequence[str] = REQUIRED) -> Iterator[Row]:
    """Yield the rows of a CSV file, its header checked.

    Arguments
    ---------
    path : Path
        The file.
    required : sequence of str
        Columns that it must have.

    Yields
    ------
    Row
        In the order of the file.

    Raises
    ------
    ValueError
        If it is not CSV in UTF-8, lacks a column, or a row has not its columns; the
        message names the line.
    """
    lines = io.StringIO(read_text(path, "CSV"), newline="")
    mark = _separator(lines)
    if mark != ",":
        name = {"\t": "tabs", ";": "semicolons"}[mark]
        logger.warning("%s has no commas in its header: read by %s", path, name)
    reader = csv.DictReader(lines, delimiter=mark, skipinitialspace=True)
    try:
        found = list(reader.fieldnames or [])
        missing = [name for name in required if name not in found]
        if missing:
            raise ValueError(
                f"manifest {path}, line 1, lacks {', '.join(missing)}: it has the "
                f"columns {', '.join(found) or 'none'}; needed are "
                f"{', '.join(required)}, or path alone."
            )
        for row in reader:
            if None in row or None in row.values():
                absent = sum(row[name] is None for name in found)
                count = len(found) - absent + len(row.get(None, []))
                raise ValueError(
                    f"manifest {path}, line {reader.line_num}: {count} values, and "
                    f"there are {len(found)} columns: {', '.join(found)}. Quote what "
                    "has commas."
                )
            yield Row(f"{path}, line {reader.line_num}", row)
    except csv.Error as error:
        raise ValueError(
            f"manifest {path}, line {reader.reader.line_num} is not CSV: {error}. Quote what "
            "has commas, quotes or line breaks."
        ) from error


def read_text(path: Path, kind: str) -> str:
    """Read a file whole, as UTF-8 with or without a byte-order mark.

    Arguments
    ---------
    path : Path
        The file.
    kind : str
        What it should hold, for the message.

    Returns
    -------
    str
        Its text; line ends as they are.

    Raises
    ------
    ValueError
        If it is no text in UTF-8; the message names the line.
    """
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"manifest {path} is not {kind} in UTF-8: line {line} holds the byte "
            f"0x{error.object[error.start]:02x}. Save it as UTF-8, or give a folder of "
            "audio files."
        ) from error


def named_by_path(rows: Iterable[Row]) -> list[Row]:
    """Give rows that have a path the columns of SpeechBrain.

    Arguments
    ---------
    rows : iterable of Row
        With the column ``path``.

    Returns
    -------
    list of Row
        With ``wav``, and ``ID``: what it was, in whatever case, or the path without
        its suffix, and start and stop of a segment. Without ``duration`` if it was
        empty.

    Example
    -------
    >>> rows = [Row("", {"path": "a.wav"}), Row("", {"path": "b.wav", "start": "9"})]
    >>> [row.values["ID"] for row in named_by_path(rows)]
    ['a', 'b-9-end']
    """
    rows = list(rows)
    paths = dict.fromkeys(row.values["path"] for row in rows)
    stems = Counter(_stem(path) for path in paths)
    found = []
    for where, values in rows:
        path = values["path"]
        stem = _stem(path)
        name = stem if stems[stem] == 1 else path
        segment, _ = read_segment(where, values)
        if segment is not None:
            stop = "end" if segment.stop is None else segment.stop
            name = f"{name}-{segment.start}-{stop}"
        own = next((values[key] for key in ("ID", "id", "Id") if key in values), "")
        filled = {**values, "ID": own or (path and name), "wav": path}
        if not filled.get("duration"):
            filled.pop("duration", None)
        found.append(Row(where, filled))
    return found


def _stem(path: str) -> str:
    return PurePath(os.path.splitext(path)[0]).as_posix()


def _separator(lines: io.StringIO) -> str:
    """Tell what separates the columns: commas, unless only another gives any."""
    header = lines.readline()
    lines.seek(0)
    if "," in header:
        return ","
    return next((mark for mark in "\t;" if mark in header), ",")


def rows_of_json(path: Path) -> Iterator[Row]:
    """Yield the entries of a JSON file, in the columns of a CSV.

    Raises
    ------
    ValueError
        If it is not JSON of SpeechBrain's form, or repeats an id.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        for name, entry in pairs:
            if name in entries:
                raise ValueError(f"manifest {path} has {name!r} twice. Remove one.")
            entries[name] = entry
        return entries

    try:
        entries = json.loads(read_text(path, "JSON"), object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise ValueError(f"manifest {path} is not JSON: {error}") from error
    if not isinstance(entries, dict) or not all(
        isinstance(entry, dict) for entry in entries.values()
    ):
        raise ValueError(
            f"manifest {path} is not an object of objects; needed is "
            '{"id": {"wav": ..., "duration": ...}, ...}.'
        )
    for name, entry in entries.items():
        where = f"{path}, entry {name!r}"
        wav = entry.get("wav")
        if isinstance(wav, dict):  # SpeechBrain's segments
            if not isinstance(wav.get("file"), str):
                raise ValueError(
                    f"manifest {where}: wav is {wav}; needed is one "
                    '{"file": ..., "start": ..., "stop": ...}, or a path.'
                )
            parts = {key: wav[key] for key in ("start", "stop") if key in wav}
            entry = {**entry, **parts, "wav": wav["file"]}
        row = {key: str(value) for key, value in entry.items() if value is not None}
        # SpeechBrain's own preparers say "length" in JSON and "duration" in CSV.
        row.setdefault("duration", row.get("length", ""))
        if "wav" not in row or not row["duration"]:
            raise ValueError(
                f"manifest {where} has {sorted(entry)}; "
                "'wav' and 'duration' are needed."
            )
        yield Row(where, {**row, "ID": name})
