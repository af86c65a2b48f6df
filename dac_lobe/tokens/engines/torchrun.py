"""Shards by ranks, started by torchrun or as tasks of SLURM.

Rank r of w makes the shards r, r + w, r + 2 w, ... and talks to nobody, so a
slow or a dead rank holds nobody up; starting the same line again makes the rest.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import torch

from dac_lobe.tokens.shards import ShardSpec
from dac_lobe.tokens.worker import Job, ShardResult, extract_shard, load_codec

__all__ = ["Place", "place", "run"]

VARIABLES = (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS"))


class Place(NamedTuple):
    """Which of how many ranks this process is.

    Attributes
    ----------
    rank : int
        From 0.
    world : int
        Number of ranks.
    """

    rank: int
    world: int


def place() -> Place:
    """Find out which rank this process is.

    Returns
    -------
    Place
        From torchrun's variables, or SLURM's.

    Raises
    ------
    ValueError
        If neither has set them.
    """
    for rank, world in VARIABLES:
        if rank in os.environ and world in os.environ:
            return Place(int(os.environ[rank]), int(os.environ[world]))
    raise ValueError(
        "engine='torchrun' needs RANK and WORLD_SIZE (or SLURM's). Start it with "
        "`torchrun --nproc_per_node N --no-python dac-lobe extract ...`."
    )


def run(job: Job, shards: list[ShardSpec], workers: int = 1) -> Iterator[ShardResult]:
    """Make this rank's shards, one after the other.

    Arguments
    ---------
    job : Job
        The job.
    shards : list of ShardSpec
        This rank's share.
    workers : int
        Not used: the launcher decides.

    Yields
    ------
    ShardResult
        One per shard.
    """
    if not shards:
        return
    if job.device == "cuda":
        local = int(os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", 0)))
        job = replace(job, device=f"cuda:{local % torch.cuda.device_count()}")
    codec = load_codec(job)
    for shard in shards:
        yield extract_shard(job, shard, codec)
