"""What is measured, the address of each number, and where the codes are.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from evaluation.metrics import Metric
from evaluation.recordings.clips import Clip
from evaluation.running.cache import Cache
from evaluation.running.codes import codes_file, load_codes
from evaluation.running.jobs import Outcome
from evaluation.systems import Point, ScaledCodes, System

__all__ = ["Cell", "Run", "codes_path", "kept_codes"]


class Cell(NamedTuple):
    """The address of one number."""

    clip: str
    system: str
    point: Point
    metric: str


@dataclass
class Run:
    """What is measured, and the outcomes.

    Attributes
    ----------
    clips : list of Clip
        The recordings.
    systems : list of System
        Loaded.
    unloaded : dict
        Copies of the systems, by name, that workers load for themselves.
    points : dict
        Operating points of each system, by its name.
    metrics : list of Metric
        The metrics.
    sample_rate : int
        Scoring rate in Hz.
    fingerprints : dict
        Of the systems, by name.
    delays : dict
        Samples taken out for aligned metrics, by system name.
    lags : dict
        How often each lag was found at the highest rate, by system name; silent
        clips have none.
    outcomes : dict
        By `Cell`.
    source : str
        Folder or manifest of the recordings, absolute.
    data_root : str
        What ``$data_root`` stands for in a manifest; empty for its own folder.
    cache : str
        Folder of scores and codes; absolute, or below the output folder.
    descriptions : dict
        What each system was made from, by its name; empty for your own objects.
    left_out : str
        Count of the files in the folder that are no recordings.
    """

    clips: list[Clip]
    systems: list[System]
    unloaded: dict[str, System]
    points: dict[str, list[Point]]
    metrics: list[Metric]
    sample_rate: int
    fingerprints: dict[str, str]
    delays: dict[str, int] = field(default_factory=dict)
    lags: dict[str, Counter[int]] = field(default_factory=dict)
    outcomes: dict[Cell, Outcome] = field(default_factory=dict)
    source: str = "recordings given in Python"
    data_root: str = ""
    cache: str = "cache"
    descriptions: dict[str, str] = field(default_factory=dict)
    left_out: str = ""

    def rows(self) -> Iterator[tuple[Clip, System, Point]]:
        """Yield what makes a row of the table, in its order."""
        for system in self.systems:
            for point in self.points[system.name]:
                for clip in self.clips:
                    yield clip, system, point


def codes_path(run: Run, cache: Cache, clip: Clip, system: System) -> Path:
    """Say where the codes of a clip are, or will be."""
    fingerprint = run.fingerprints[system.name]
    return codes_file(cache.folder, system, fingerprint, clip, run.sample_rate)


def kept_codes(
    run: Run, cache: Cache, clip: Clip, system: System
) -> np.ndarray | ScaledCodes | None:
    """Return the codes of a clip that was encoded; None if there are none."""
    return load_codes(codes_path(run, cache, clip, system))
