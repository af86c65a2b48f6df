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
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["REQUIRED", "Row", "rows_of_csv", "rows_of_json"]

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


def rows_of_csv(path: Path) -> Iterator[Row]:
    """Yield the rows of a CSV file, its header checked.

    Raises
    ------
    ValueError
        If it is not CSV in UTF-8, lacks a column, or a row has not its columns.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        header = text.partition("\n")[0]
        mark = _separator(header)
        if mark != ",":
            name = {"\t": "tabs", ";": "semicolons"}[mark]
            logger.warning("%s has no commas in its header: read by %s", path, name)
        reader = csv.DictReader(
            io.StringIO(text, newline=""), delimiter=mark, skipinitialspace=True
        )
        found = reader.fieldnames or []
        missing = [name for name in REQUIRED if name not in found]
        if missing:
            raise ValueError(
                f"manifest {path} lacks {', '.join(missing)}: it has the columns "
                f"{', '.join(found) or 'none'}; needed are {', '.join(REQUIRED)}."
            )
        for row in reader:
            if None in row or None in row.values():
                raise ValueError(
                    f"manifest {path}, line {reader.line_num}: the number of values "
                    f"is not that of the {len(found)} columns. Quote what has commas."
                )
            yield Row(f"{path}, line {reader.line_num}", row)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(
            f"manifest {path} is not CSV in UTF-8: {error}. Give a SpeechBrain CSV or "
            "JSON, or a folder of audio files."
        ) from error


def _separator(header: str) -> str:
    """Tell what separates the columns: commas, unless only another gives any."""
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
        names = [name for name, _ in pairs]
        twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        if len(set(names)) < len(names):
            raise ValueError(f"manifest {path} has {twice[0]!r} twice. Remove one.")
        return dict(pairs)

    try:
        text = path.read_bytes().decode("utf-8-sig")
        entries = json.loads(text, object_pairs_hook=unique)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
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
        yield Row(where, {"ID": name, **row})
