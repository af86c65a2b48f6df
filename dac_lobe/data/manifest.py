"""Manifests: which recordings there are, in the ways users have them.

* CSV as SpeechBrain reads it: columns ``ID``, ``duration`` (seconds), ``wav``,
  and any others; ``$data_root`` stands for the corpus folder;
* CSV with a column ``path``: ``ID`` and ``duration`` may be there too; otherwise a
  recording is named by its path without the suffix, and its header is read;
* JSON as SpeechBrain reads it: ``{id: {"wav": ..., "duration": ...}}`` with
  ``{data_root}``;
* a folder: every audio file below it, named by its path without the suffix;
* a folder of Kaldi, with ``wav.scp``; cuts of Lhotse, ``.jsonl`` or ``.jsonl.gz``.

A row may mean a part of a file (`dac_lobe.data.parts`); JSON has it as ``{"file",
"start", "stop"}`` too. A relative path is relative to its manifest.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import csv
import io
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

from dac_lobe.audio.media import readable_suffixes
from dac_lobe.data import cuts, kaldi
from dac_lobe.data.headers import read_header
from dac_lobe.data.item import Item, check_channels, check_names
from dac_lobe.data.parts import read_segment
from dac_lobe.data.places import locate
from dac_lobe.data.tables import (
    REQUIRED,
    Row,
    columns_of_csv,
    named_by_path,
    rows_of_csv,
    rows_of_json,
)
from dac_lobe.disk.atomic import replacing
from dac_lobe.disk.suffixes import left_out, visible_files

__all__ = ["read_manifest", "write_manifest"]

logger = logging.getLogger(__name__)


def read_manifest(
    source: str | Path | Sequence[str | Path], data_root: str | Path | None = None
) -> list[Item]:
    """Read a manifest: SpeechBrain's CSV or JSON, Kaldi's, Lhotse's, or a folder.

    Arguments
    ---------
    source : str, Path, or sequence of them
        The file or folder; several are joined. See the module for the forms.
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
        If it is empty, lacks a column, repeats an id, tells channels of a file apart,
        or an entry is not usable.

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
    paths = [source] if isinstance(source, (str, os.PathLike)) else source
    items = [item for path in paths for item in _read(Path(path), data_root)]
    items.sort(key=lambda item: item.id)
    check_names(items)
    check_channels(items)
    for first, second in pairwise(items):
        if first.id == second.id:
            raise ValueError(
                f"the id {first.id!r} is there twice: {first.where or first.wav}, and "
                f"{second.where or second.wav}. Ids name the items of a token store: "
                "make them unique."
            )
    return items


def _read(path: Path, data_root: str | Path | None) -> list[Item]:
    """Read one file or folder."""
    path = path.expanduser()
    if not path.exists():
        raise FileNotFoundError(
            f"no manifest {path}. Give a CSV with the columns {', '.join(REQUIRED)}, "
            "a JSON file, or a folder of audio files."
        )
    folder = path if path.is_dir() else path.parent
    root = str(folder if data_root is None else Path(data_root).expanduser())
    if path.is_dir():
        kaldis = kaldi.is_kaldi(path)
        items = list(kaldi.utterances(path, root)) if kaldis else _from_folder(path)
    elif cuts.is_cuts(path):
        items = list(cuts.cuts(path, root))
    else:
        json = path.suffix.lower() == ".json"
        columns = () if json else columns_of_csv(path)
        if "path" in columns and "wav" not in columns:
            named = named_by_path(rows_of_csv(path, ["path"]))
            with ThreadPoolExecutor() as pool:
                items = list(pool.map(lambda row: _item(row, folder, root), named))
        else:
            rows = rows_of_json(path) if json else rows_of_csv(path)
            items = [_item(row, folder, root) for row in rows]
    if not items:
        kind = "is empty"
        if path.is_dir():
            kind = f"holds no audio file ({', '.join(sorted(readable_suffixes()))})"
        raise ValueError(f"manifest {path} {kind}. Needed is at least one recording.")
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


def _item(row: Row, folder: Path, root: str) -> Item:
    """Make an Item of a row, or say what is wrong with it."""
    where, values = row
    name, wav = values["ID"], values["wav"]
    if not name or not wav.strip():
        column = "path" if "path" in values else "wav"
        raise ValueError(
            f"manifest {where}: ID {name!r}, {column} {wav!r}. Both are needed."
        )
    segment, used = read_segment(where, values)
    located = locate(wav, folder, root)
    stated, cut_off = values.get("duration"), None
    try:
        if stated is None:
            duration, cut_off = read_header(located, segment)
        else:
            duration = float(stated)
    except ValueError:
        duration = -1.0
    if not 0 <= duration < float("inf"):
        raise ValueError(
            f"manifest {where}, {name!r}: duration {stated!r} is not a "
            "number of seconds."
        )
    others = {
        key: value for key, value in values.items() if key not in {*REQUIRED, *used}
    }
    return Item(name, located, duration, others, segment, where, cut_off)


def _from_folder(folder: Path) -> list[Item]:
    """Every audio file below a folder, hidden ones left alone, others counted."""
    known = readable_suffixes()
    visible = list(visible_files(folder))
    files = [file for file in visible if file.suffix.lower() in known]
    if len(files) < len(visible):
        logger.warning("%s: %s", folder, left_out(set(visible) - set(files)))
    with ThreadPoolExecutor() as pool:  # headers on a network disk take their time
        headers = list(pool.map(read_header, files))
    names = [file.relative_to(folder).with_suffix("").as_posix() for file in files]
    return [
        Item(name, str(file), duration, cut_off=cut_off)
        for name, file, (duration, cut_off) in zip(names, files, headers, strict=True)
    ]
