"""Create a store, or go on with one: what describes it is written, or compared.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from dac_lobe.dac import DAC
from dac_lobe.tokens.codebooks import CODEBOOKS_FILE, load_codebooks, save_codebooks
from dac_lobe.tokens.meta import META_FILE, StoreMeta
from dac_lobe.tokens.plan import PLAN_FILE, save_plan
from dac_lobe.tokens.shards import ShardSpec

__all__ = ["create_store"]

MAX_CODES = 1 << 16

# Facts of a store that follow from its plan.
PLANNED = {"manifest", "num_shards"}


def create_store(
    store: Path,
    meta: StoreMeta,
    codec: DAC,
    shards: list[ShardSpec],
    shard_hours: float | None,
    anew: bool,
) -> None:
    """Write what describes a store, or check that it describes this job.

    Arguments
    ---------
    store : Path
        Folder of the store.
    meta : StoreMeta
        What it is to be.
    codec : DAC
        The codec.
    shards : list of ShardSpec
        Its plan.
    shard_hours : float or None
        What was asked for when it was planned.
    anew : bool
        Whether the plan may replace another one.

    Raises
    ------
    ValueError
        If the folder holds something else, or 16 bits do not hold the codes.
    """
    if (store / META_FILE).exists():
        old, new = asdict(StoreMeta.load(store)), asdict(meta)
        changed = [name for name in new if new[name] != old[name]]
        if anew and set(changed) <= PLANNED:
            save_plan(store, shards, shard_hours)
            meta.save(store)
        elif changed:
            name = changed[0]
            raise ValueError(
                f"{store} holds tokens of another job: {', '.join(changed)} differ "
                f"({name} {str(old[name])[:16]}, now {str(new[name])[:16]}). "
                "Choose another folder, or remove this one."
            )
        if not (store / PLAN_FILE).exists():  # not kept before version 0.3
            save_plan(store, shards, shard_hours)
        try:
            load_codebooks(store)
        except ValueError:
            save_codebooks(codec, store)
        return
    if meta.codebook_size > MAX_CODES:
        raise ValueError(
            f"the codebooks have {meta.codebook_size} codes; a token store keeps codes "
            f"of 16 bits, at most {MAX_CODES}. Take another codec."
        )
    # Another rank may be beginning it too: what it has written is the same.
    if store.exists() and (
        not store.is_dir() or any(map(_is_foreign, store.iterdir()))
    ):
        raise ValueError(
            f"{store} exists and is no token store. Choose a new or empty folder."
        )
    save_codebooks(codec, store)
    save_plan(store, shards, shard_hours)
    meta.save(store)


def _is_foreign(path: Path) -> bool:
    """Tell what is in a folder from the beginnings of a store, and what follows them."""
    begun = path.name.lstrip(".").startswith((CODEBOOKS_FILE, PLAN_FILE, META_FILE))
    return not begun and not (path.parent / META_FILE).exists()
