"""Shards by Ray Data, on this machine or a cluster.

    shards --load (CPU tasks)--> waveforms --encode (actors, GPU)--> files

Decoding and encoding scale apart; waveforms wait in Ray's object store, and
Ray stops decoding when it is full. Actors load the codec once. A task whose
actor dies is done again by another: a shard is written by a rename, so doing
it twice leaves the same file.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import importlib.util
import os
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dac_lobe.tokens.shards import ShardSpec
from dac_lobe.tokens.worker import (
    Job,
    LoadedShard,
    ShardResult,
    encode_shard,
    load_codec,
    load_shard,
)

__all__ = ["run"]

OBJECT_STORE_BYTES = 2**30


def run(job: Job, shards: list[ShardSpec], workers: int) -> Iterator[ShardResult]:
    """Make shards with Ray Data.

    Joins the cluster that ``ray.init`` or RAY_ADDRESS names; without one it
    starts Ray on this machine, with a bounded object store.

    Arguments
    ---------
    job : Job
        The job. Its store, model and recordings must be readable on every node.
    shards : list of ShardSpec
        What to make.
    workers : int
        Actors that encode; each takes a CPU, or a GPU if the device is 'cuda'.

    Yields
    ------
    ShardResult
        One per shard, as they are finished.

    Raises
    ------
    ModuleNotFoundError
        If Ray is not installed.
    """
    if importlib.util.find_spec("ray") is None:
        raise ModuleNotFoundError(
            "engine='ray' needs Ray Data: pip install 'dac-lobe[distributed]'. "
            "engine='local' and 'torchrun' need nothing."
        )
    import ray

    if not shards:
        return
    ours = not ray.is_initialized()
    if ours:
        _start(ray, workers)
    try:
        gpus = 1 if job.device.startswith("cuda") else 0
        # Ray Data restarts actors and retries their tasks without end. One that
        # had written its shard before it died writes the same again.
        results = (
            ray.data.from_items(
                [{"shard": pickle.dumps(_located(shard))} for shard in shards],
                override_num_blocks=len(shards),
            )
            .map(
                _load,
                fn_kwargs={"sample_rate": job.meta.sample_rate},
                num_cpus=1,
                # Ray fuses steps that ask for the same; it never fuses one whose
                # arguments it cannot know beforehand.
                ray_remote_args_fn=dict,
            )
            .map_batches(
                _Encoder,
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(size=min(workers, len(shards))),
                fn_constructor_kwargs={"job": _absolute(job)},
                num_gpus=gpus,
                num_cpus=1,
            )
        )
        for row in results.iter_rows():
            yield pickle.loads(row["result"])  # noqa: S301 (our own actors' words)
    finally:
        if ours:
            ray.shutdown()


def _start(ray: Any, workers: int) -> None:
    """Join the cluster of RAY_ADDRESS, or start Ray here."""
    ray.data.DataContext.get_current().enable_progress_bars = False
    if "RAY_ADDRESS" in os.environ:
        ray.init(log_to_driver=False, logging_level="warning")
        return
    ray.init(
        # Not the cluster whose address a Ray that was killed has left on this machine.
        address="local",
        # One more than the actors, or no decoder could ever run beside them.
        num_cpus=max(os.cpu_count() or 1, workers + 1),
        object_store_memory=OBJECT_STORE_BYTES,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="warning",
    )


def _absolute(job: Job) -> Job:
    """Make the job's paths independent of a worker's folder."""
    model = job.model
    if Path(model).exists():
        model = str(Path(model).resolve())
    return replace(job, store=str(Path(job.store).resolve()), model=model)


def _located(shard: ShardSpec) -> ShardSpec:
    """Make the paths of a shard's recordings independent of a worker's folder."""
    items = [replace(item, wav=os.path.abspath(item.wav)) for item in shard.items]
    return replace(shard, items=tuple(items))


def _load(row: dict[str, Any], sample_rate: int) -> dict[str, Any]:
    """Decode a shard into a row: flat samples, and where they are cut."""
    spec = pickle.loads(row["shard"])  # noqa: S301 (made by run, above)
    loaded = load_shard(spec, sample_rate)
    return {
        "about": pickle.dumps((loaded.number, loaded.ids, loaded.failures, loaded.odd)),
        "lengths": np.array([len(wav) for wav in loaded.wavs], dtype=np.int64),
        "samples": np.concatenate([np.empty(0, np.float32), *loaded.wavs]),
    }


class _Encoder:
    """An actor: the codec, loaded once, and a shard a call."""

    def __init__(self, job: Job):
        self.job = job
        self.codec = load_codec(job)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list[bytes]]:
        """Encode the shard of a batch of one row, and write it."""
        number, ids, failures, odd = pickle.loads(batch["about"][0])  # noqa: S301
        ends = np.cumsum(batch["lengths"][0])
        wavs = np.split(batch["samples"][0], ends[:-1]) if len(ends) else []
        loaded = LoadedShard(number, ids, list(wavs), failures, odd)
        return {"result": [pickle.dumps(encode_shard(self.job, loaded, self.codec))]}
