"""Shards: the files that hold codes.

Which item goes where follows from the plan alone, so any engine with any
number of workers writes the same files, and a file that is there is finished:

    shards/00012.safetensors   codes   uint16 [sum of F, K]
                               offsets int64  [items + 1]
    index/00012.tsv            ID, frames, samples; one line an item, in order
    failures/00012.tsv         ID, reason; only where items could not be read

The shard is written last, by a rename: it is the mark that all three are done.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from dac_lobe.data.item import Item
from dac_lobe.disk.atomic import replacing

__all__ = [
    "EncodedItem",
    "Failure",
    "IndexRow",
    "ShardSpec",
    "read_failures",
    "read_index",
    "shard_is_done",
    "shard_path",
    "write_shard",
]

INDEX_HEADER = "ID\tframes\tsamples"
FAILURES_HEADER = "ID\treason"


@dataclass(frozen=True)
class ShardSpec:
    """The items of one shard.

    Attributes
    ----------
    number : int
        Its place in the store.
    items : tuple of Item
        What it holds, sorted by id.
    """

    number: int
    items: tuple[Item, ...]


class EncodedItem(NamedTuple):
    """An item with its codes.

    Attributes
    ----------
    id : str
        Its name.
    codes : np.ndarray
        Codes, shape [F, K].
    samples : int
        Samples that were encoded, at the codec's rate.
    """

    id: str
    codes: np.ndarray
    samples: int


class Failure(NamedTuple):
    """An item that could not be read.

    Attributes
    ----------
    id : str
        Its name.
    reason : str
        Why, in words that are the same on every machine.
    """

    id: str
    reason: str


class IndexRow(NamedTuple):
    """Where an item lies.

    Attributes
    ----------
    id : str
        Its name.
    frames : int
        Its frames F.
    samples : int
        Samples that were encoded.
    """

    id: str
    frames: int
    samples: int


def shard_path(store: str | Path, number: int) -> Path:
    """Path of a shard's codes."""
    return Path(store) / "shards" / f"{number:05d}.safetensors"


def write_shard(
    store: str | Path,
    number: int,
    encoded: Sequence[EncodedItem],
    failures: Sequence[Failure],
    num_codebooks: int,
) -> None:
    """Write a shard, its index and its failures.

    Arguments
    ---------
    store : str or Path
        Folder of the store.
    number : int
        Number of the shard.
    encoded : sequence of EncodedItem
        Its items.
    failures : sequence of Failure
        Items that could not be read.
    num_codebooks : int
        K, for a shard in which every item failed.
    """
    rows = [f"{item.id}\t{len(item.codes)}\t{item.samples}" for item in encoded]
    _write(_index_path(store, number), _table(INDEX_HEADER, rows))
    failures_path = _failures_path(store, number)
    if failures:
        rows = [f"{failure.id}\t{failure.reason}" for failure in failures]
        _write(failures_path, _table(FAILURES_HEADER, rows))
    else:
        failures_path.unlink(missing_ok=True)
    codes = np.concatenate(
        [np.empty((0, num_codebooks), np.uint16), *(item.codes for item in encoded)]
    ).astype(np.uint16)
    offsets = np.cumsum([0, *(len(item.codes) for item in encoded)], dtype=np.int64)
    # One entry only: safetensors writes several in an order that changes from
    # process to process.
    metadata = {
        "dac_lobe": json.dumps({"codes": hashlib.sha256(codes.tobytes()).hexdigest()})
    }
    content = save({"codes": codes, "offsets": offsets}, metadata)
    _write(shard_path(store, number), content)


def shard_is_done(store: str | Path, shard: ShardSpec) -> bool:
    """Tell whether a shard is there, whole, and of the planned items.

    Arguments
    ---------
    store : str or Path
        Folder of the store.
    shard : ShardSpec
        The plan.

    Returns
    -------
    bool
        False if anything is missing or damaged: it is then made again.
    """
    try:
        with safe_open(shard_path(store, shard.number), framework="numpy") as file:
            codes, offsets = file.get_tensor("codes"), file.get_tensor("offsets")
            metadata = json.loads((file.metadata() or {}).get("dac_lobe", "{}"))
        index = read_index(store, shard.number)
        failures = read_failures(store, shard.number)
    except (OSError, SafetensorError, ValueError):
        return False
    ids = sorted([*(row.id for row in index), *(failure.id for failure in failures)])
    return (
        ids == [item.id for item in shard.items]
        and np.diff(offsets).tolist() == [row.frames for row in index]
        and len(codes) == offsets[-1]
        and metadata.get("codes") == hashlib.sha256(codes.tobytes()).hexdigest()
    )


def read_index(store: str | Path, number: int) -> list[IndexRow]:
    """Read a shard's index.

    Arguments
    ---------
    store : str or Path
        Folder of the store.
    number : int
        Number of the shard.

    Returns
    -------
    list of IndexRow
        One per item, in the order of the codes.
    """
    rows = _read_table(_index_path(store, number), INDEX_HEADER)
    try:
        return [
            IndexRow(name, int(count), int(samples)) for name, count, samples in rows
        ]
    except ValueError as error:
        raise _damaged(_index_path(store, number), INDEX_HEADER) from error


def read_failures(store: str | Path, number: int) -> list[Failure]:
    """Read which items of a shard could not be encoded, and why.

    Arguments
    ---------
    store : str or Path
        Folder of the store.
    number : int
        Number of the shard.

    Returns
    -------
    list of Failure
        Empty where there are none.
    """
    path = _failures_path(store, number)
    if not path.exists():
        return []
    return [Failure(*row) for row in _read_table(path, FAILURES_HEADER)]


def _index_path(store: str | Path, number: int) -> Path:
    return Path(store) / "index" / f"{number:05d}.tsv"


def _failures_path(store: str | Path, number: int) -> Path:
    return Path(store) / "failures" / f"{number:05d}.tsv"


def _table(header: str, rows: Sequence[str]) -> bytes:
    return "\n".join([header, *rows, ""]).encode("utf-8")


def _write(path: Path, content: bytes) -> None:
    """Write a file of a shard, and remove what a killed writer of it left behind."""
    try:
        with replacing(path) as file:
            file.write(content)
    except FileNotFoundError:
        # Another process makes this shard too: it was first, and took ours for left.
        if not path.exists():
            raise
    for leftover in path.parent.glob(f".{path.name}.*.part"):
        leftover.unlink(missing_ok=True)


def _read_table(path: Path, header: str) -> list[list[str]]:
    """Rows of a tab-separated file, its header and width checked."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise _damaged(path, header) from error
    rows = [line.split("\t") for line in lines[1:-1]]
    width = header.count("\t") + 1
    if lines[0] != header or lines[-1] or any(len(row) != width for row in rows):
        raise _damaged(path, header)
    return rows


def _damaged(path: Path, header: str) -> ValueError:
    """Say that a table is not whole."""
    return ValueError(
        f"{path} is missing or damaged: a table with the columns {header.split()} is needed. "
        "Run the extraction again; it repairs what is not whole."
    )
