"""Manifests: which recordings there are, in the three ways users have them.

* CSV as SpeechBrain reads it: columns ``ID``, ``duration`` (seconds), ``wav``,
  and any others; ``$data_root`` stands for the corpus folder;
* JSON as SpeechBrain reads it: ``{id: {"wav": ..., "duration": ...}}`` with
  ``{data_root}``;
* a folder: every audio file below it, named by its path without the suffix.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import soundfile

from dac_lobe.disk.atomic import replacing
from dac_lobe.disk.suffixes import AUDIO_SUFFIXES, is_hidden

__all__ = ["Item", "read_duration", "read_manifest", "write_manifest"]

REQUIRED = ("ID", "duration", "wav")


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
    """

    id: str
    wav: str
    duration: float
    fields: Mapping[str, str] = field(default_factory=dict)


def read_manifest(
    source: str | Path | Sequence[str | Path], data_root: str | Path | None = None
) -> list[Item]:
    """Read a manifest: a SpeechBrain CSV or JSON file, or a folder of audio.

    Arguments
    ---------
    source : str, Path, or sequence of them
        The file or folder; several are joined.
    data_root : str or Path, optional
        What ``$data_root`` (CSV) or ``{data_root}`` (JSON) stands for; the
        manifest's own folder by default.

    Returns
    -------
    list of Item
        The recordings, sorted by id.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder.
    ValueError
        If it is empty, lacks a column, repeats an id, or an entry is not usable.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> row = {"ID": "b", "duration": 1.5, "wav": "$data_root/b.wav", "wrd": "HELLO"}
    >>> with TemporaryDirectory() as folder:
    ...     path = write_manifest(Path(folder) / "train.csv", [row])
    ...     item = read_manifest(path, data_root="corpus")[0]
    >>> item.id, item.wav, item.fields["wrd"]
    ('b', 'corpus/b.wav', 'HELLO')
    """
    paths = [source] if isinstance(source, (str, Path)) else source
    items = [item for path in paths for item in _read(Path(path), data_root)]
    items.sort(key=lambda item: item.id)
    for first, second in pairwise(items):
        if first.id == second.id:
            raise ValueError(
                f"manifest {source} has the id {first.id!r} twice ({first.wav} and "
                f"{second.wav}). Ids name the items of a token store: make them unique."
            )
    return items


def _read(path: Path, data_root: str | Path | None) -> list[Item]:
    """Read one file or folder."""
    if not path.exists():
        raise FileNotFoundError(
            f"no manifest {path}. Give a CSV with the columns {', '.join(REQUIRED)}, "
            "a JSON file, or a folder of audio files."
        )
    if path.is_dir():
        items = _from_folder(path)
    else:
        root = str(path.parent if data_root is None else data_root)
        if path.suffix.lower() == ".json":
            rows = _rows_of_json(path, root)
        else:
            rows = _rows_of_csv(path, root)
        items = [_item(path, number, row) for number, row in enumerate(rows, start=1)]
    if not items:
        kind = "holds no audio file" if path.is_dir() else "is empty"
        raise ValueError(
            f"manifest {path} {kind}. Needed is at least one recording"
            + (f" ({', '.join(sorted(AUDIO_SUFFIXES))})." if path.is_dir() else ".")
        )
    return items


def write_manifest(path: str | Path, rows: Iterable[Mapping[str, object]]) -> Path:
    """Write a SpeechBrain CSV atomically, its rows sorted by id.

    Arguments
    ---------
    path : str or Path
        The file to write.
    rows : iterable of dict
        Each with ``ID``, ``duration`` in seconds, ``wav``, and the same others.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        If there are no rows, or they lack a column.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> rows = [{"ID": "a", "duration": 0.5, "wav": "$data_root/a.wav"}]
    >>> with TemporaryDirectory() as folder:
    ...     write_manifest(Path(folder) / "x.csv", rows).read_text().splitlines()
    ['ID,duration,wav', 'a,0.5,$data_root/a.wav']
    """
    path = Path(path)
    rows = sorted(rows, key=lambda row: str(row.get("ID")))
    if not rows:
        raise ValueError(f"no recordings to write to {path}.")
    columns = [*REQUIRED, *(name for name in rows[0] if name not in REQUIRED)]
    for row in rows:
        if set(row) != set(columns):
            raise ValueError(
                f"a row for {path} has the columns {sorted(row)}; "
                f"{columns} are needed in every row."
            )
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with replacing(path) as file:
        file.write(text.getvalue().encode("utf-8"))
    return path


def read_duration(path: str | Path) -> float:
    """Read a file's duration from its header.

    Arguments
    ---------
    path : str or Path
        An audio file that libsndfile reads.

    Returns
    -------
    float
        Seconds, rounded to a tenth of a millisecond.
    """
    info = soundfile.info(str(path))
    return round(info.frames / info.samplerate, 4)


def _rows_of_csv(path: Path, root: str) -> list[dict[str, str]]:
    """Rows of a CSV file, its header checked."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            found = reader.fieldnames or []
            missing = [name for name in REQUIRED if name not in found]
            if missing:
                raise ValueError(
                    f"manifest {path} lacks {', '.join(missing)}: it has the columns "
                    f"{', '.join(found) or 'none'}; needed are {', '.join(REQUIRED)}."
                )
            rows = []
            for row in reader:
                if None in row or None in row.values():
                    raise ValueError(
                        f"manifest {path}, line {reader.line_num}: the number of values "
                        f"is not that of the {len(found)} columns. Quote what has commas."
                    )
                row["wav"] = row["wav"].replace("$data_root", root)
                rows.append(row)
        return rows
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(
            f"manifest {path} is not CSV in UTF-8: {error}. Give a SpeechBrain CSV or "
            "JSON, or a folder of audio files."
        ) from error


def _rows_of_json(path: Path, root: str) -> list[dict[str, str]]:
    """Rows of a JSON file, in the columns of a CSV."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"manifest {path} is not JSON: {error}") from error
    if not isinstance(entries, dict) or not all(
        isinstance(entry, dict) for entry in entries.values()
    ):
        raise ValueError(
            f"manifest {path} is not an object of objects; needed is "
            '{"id": {"wav": ..., "duration": ...}, ...}.'
        )
    rows = []
    for name, entry in entries.items():
        row = {key: str(value) for key, value in entry.items()}
        # SpeechBrain's own preparers say "length" in JSON and "duration" in CSV.
        row.setdefault("duration", row.get("length", ""))
        if "wav" not in row or not row["duration"]:
            raise ValueError(
                f"manifest {path}, entry {name!r} has {sorted(entry)}; "
                "'wav' and 'duration' are needed."
            )
        row["wav"] = row["wav"].replace("{data_root}", root)
        rows.append({"ID": name, **row})
    return rows


def _item(path: Path, number: int, row: dict[str, str]) -> Item:
    """Make an Item of a row, or say what is wrong with it."""
    name, wav = row["ID"], row["wav"]
    if not name or not wav or any(mark in name for mark in "\t\r\n"):
        raise ValueError(
            f"manifest {path}, entry {number}: ID {name!r}, wav {wav!r}. Both are "
            "needed, and an ID may hold neither tabs nor line breaks."
        )
    try:
        duration = float(row["duration"])
    except ValueError:
        duration = -1.0
    if not 0 <= duration < float("inf"):
        raise ValueError(
            f"manifest {path}, entry {name!r}: duration {row['duration']!r} is not a "
            "number of seconds."
        )
    others = {key: value for key, value in row.items() if key not in REQUIRED}
    return Item(name, wav, duration, others)


def _from_folder(folder: Path) -> list[Item]:
    """Every audio file below a folder, hidden ones left alone."""
    files = sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in AUDIO_SUFFIXES
        and not is_hidden(file.relative_to(folder))
        and file.is_file()
    )
    with ThreadPoolExecutor() as pool:  # headers on a network disk take their time
        durations = list(pool.map(_duration_or_zero, files))
    return [
        Item(file.relative_to(folder).with_suffix("").as_posix(), str(file), duration)
        for file, duration in zip(files, durations, strict=True)
    ]


def _duration_or_zero(path: Path) -> float:
    """Duration in seconds, 0.0 for a file that extraction will list as unreadable."""
    try:
        return read_duration(path)
    except (OSError, soundfile.SoundFileError):
        return 0.0
