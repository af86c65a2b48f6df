"""The plan of a store: which items lie together in a shard.

It is made from the manifest alone, and kept with the store. Durations that come from
headers change when a recording is mended; who goes on keeps the shards as they are.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from dac_lobe.data.item import Item
from dac_lobe.disk.atomic import replacing
from dac_lobe.tokens.meta import META_FILE, StoreMeta
from dac_lobe.tokens.shards import ShardSpec, read_failures, read_index

__all__ = [
    "PLAN_FILE",
    "begun_plan",
    "digest_of_plan",
    "plan_shards",
    "save_plan",
]

PLAN_FILE = "plan.json"


def plan_shards(
    items: Sequence[Item], shard_hours: float | None = None
) -> list[ShardSpec]:
    """Distribute items over the shards of a new store.

    Arguments
    ---------
    items : sequence of Item
        The manifest.
    shard_hours : float, optional
        Audio in a shard; by default a 256th of all, but one minute at least and
        one hour at most: small corpora still keep several workers busy, and no
        shard is too much to do again.

    Returns
    -------
    list of ShardSpec
        Shards of neighbouring ids, filled in order.

    Raises
    ------
    ValueError
        If ``shard_hours`` is not positive.

    Example
    -------
    >>> items = [Item(f"{n:03d}", f"{n}.wav", 20.0) for n in range(7)]
    >>> [len(shard.items) for shard in plan_shards(items)]
    [3, 3, 1]
    """
    if shard_hours is None:
        total = sum(item.duration for item in items)
        limit = min(max(total / 256, 60.0), 3600.0)
    elif shard_hours > 0:
        limit = shard_hours * 3600.0
    else:
        raise ValueError(f"shard_hours={shard_hours}; a positive number is needed.")
    groups: list[list[Item]] = []
    filled = limit
    for item in sorted(items, key=lambda item: item.id):
        if filled >= limit:
            groups.append([])
            filled = 0.0
        groups[-1].append(item)
        filled += item.duration
    return [ShardSpec(number, tuple(group)) for number, group in enumerate(groups)]


def digest_of_plan(shards: Sequence[ShardSpec]) -> str:
    """Digest which ids, and which parts of files, are in which shard.

    Paths do not enter: a corpus may move.

    Arguments
    ---------
    shards : sequence of ShardSpec
        The plan.

    Returns
    -------
    str
        sha256 in hexadecimal digits.
    """
    digest = hashlib.sha256()
    for shard in shards:
        digest.update(("\t".join(map(_planned, shard.items)) + "\n").encode())
    return digest.hexdigest()


def _planned(item: Item) -> str:
    """Tell an item from all others; no id holds a line break."""
    return item.id if item.segment is None else f"{item.id}\r{item.segment}"


def save_plan(
    store: str | Path, shards: Sequence[ShardSpec], shard_hours: float | None
) -> None:
    """Write the number of items of each shard, and what was asked for, into a store."""
    sizes = [len(shard.items) for shard in shards]
    with replacing(Path(store) / PLAN_FILE) as file:
        file.write(json.dumps({"shard_hours": shard_hours, "items": sizes}).encode())


def begun_plan(
    store: str | Path, items: Sequence[Item], shard_hours: float | None = None
) -> list[ShardSpec] | None:
    """Distribute items over the shards of a store that is there.

    Arguments
    ---------
    store : str or Path
        Folder of the store.
    items : sequence of Item
        The manifest.
    shard_hours : float, optional
        As in `plan_shards`.

    Returns
    -------
    list of ShardSpec or None
        The plan that the store was begun with; None if there is none, or it is of
        other items or another ``shard_hours``.
    """
    if not (Path(store) / META_FILE).exists():
        return None
    meta = StoreMeta.load(store)
    ordered = sorted(items, key=lambda item: item.id)
    for sizes in _sizes(Path(store), meta.num_shards, shard_hours):
        rest = iter(ordered)
        shards = [
            ShardSpec(number, tuple(islice(rest, size)))
            for number, size in enumerate(sizes)
        ]
        if digest_of_plan(shards) == meta.manifest and sum(sizes) == len(items):
            return shards
    return None


def _sizes(
    store: Path, num_shards: int, shard_hours: float | None
) -> Iterator[list[int]]:
    """Items of each shard: as noted, or, before there were notes, as the shards are."""
    try:
        noted = json.loads((store / PLAN_FILE).read_text())
        hours, sizes = noted["shard_hours"], [int(size) for size in noted["items"]]
    except (OSError, ValueError, TypeError, KeyError):
        hours, sizes = None, []
    if hours != shard_hours:
        return
    yield sizes
    try:
        yield [
            len(read_index(store, number)) + len(read_failures(store, number))
            for number in range(num_shards)
        ]
    except ValueError:
        return
