"""Shards by the processes of this machine.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import (
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
)
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Any

import torch

from dac_lobe.tokens.shards import ShardSpec
from dac_lobe.tokens.worker import (
    Job,
    LoadedShard,
    ShardResult,
    encode_shard,
    extract_shard,
    load_codec,
    load_shard,
)

logger = logging.getLogger(__name__)

__all__ = ["run"]

MAX_DEATHS = 3

_worker: dict[str, Any] = {}


def run(job: Job, shards: list[ShardSpec], workers: int) -> Iterator[ShardResult]:
    """Make shards in this process, or in a pool of them.

    In this process two shards' recordings are in memory: one is read while the other
    is encoded.

    Arguments
    ---------
    job : Job
        The job.
    shards : list of ShardSpec
        What to make.
    workers : int
        Processes; 1 works in this one.

    Yields
    ------
    ShardResult
        One per shard, as they are finished.

    Raises
    ------
    RuntimeError
        If workers keep dying without finishing a shard.
    """
    if not shards:
        return
    if workers == 1:
        codec = load_codec(job)
        for loaded in _loaded_ahead(shards, job.meta.sample_rate):
            yield encode_shard(job, loaded, codec)
        return
    todo = {shard.number: shard for shard in shards}
    deaths = 0
    while todo:
        before = len(todo)
        try:
            for result in _pool(job, list(todo.values()), workers):
                del todo[result.number]
                yield result
        except BrokenProcessPool as error:
            deaths = 1 if len(todo) < before else deaths + 1
            if deaths >= MAX_DEATHS:
                raise RuntimeError(
                    f"workers died {deaths} times without finishing a shard; "
                    f"{len(todo)} are left. Out of memory? Use fewer workers; what is "
                    "finished is kept."
                ) from error
            logger.warning("a worker died; %d shards are left", len(todo))


def _loaded_ahead(shards: list[ShardSpec], sample_rate: int) -> Iterator[LoadedShard]:
    """Read each shard's recordings while the one before it is encoded."""
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(load_shard, shards[0], sample_rate)
        for shard in shards[1:]:
            loaded = following.result()
            following = reader.submit(load_shard, shard, sample_rate)
            yield loaded
        yield following.result()


def _pool(job: Job, shards: list[ShardSpec], workers: int) -> Iterator[ShardResult]:
    """Make shards in a fresh pool of processes."""
    # Spawned, not forked: a fork would inherit torch's threads in any state.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        min(workers, len(shards)), context, _start, (job, context.Value("i", 0))
    ) as pool:
        futures = [pool.submit(_make, shard) for shard in shards]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _start(job: Job, started: Any) -> None:
    """Load the codec once a process; processes take turns at the GPUs."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    with started.get_lock():
        turn = started.value
        started.value += 1
    if job.device == "cuda":
        job = replace(job, device=f"cuda:{turn % torch.cuda.device_count()}")
    _worker.update(job=job, codec=load_codec(job))


def _end_with_parent() -> None:
    """End this process after its parent: a killed one does not tell its pool to end."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)


def _make(shard: ShardSpec) -> ShardResult:
    """Make a shard in a pool's process."""
    return extract_shard(_worker["job"], shard, _worker["codec"])
