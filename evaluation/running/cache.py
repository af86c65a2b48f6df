"""Scores that are there already, by content: a run never repeats itself.

A key is the hash of everything that a score depends on: the recording's bytes,
the system's fingerprint, the operating point, the metric with its version and
the scoring rate. Scores are lines of JSON, appended to a shard that belongs to
one run alone and flushed line by line: however a run ends, what it had computed
is there for the next, and a torn last line is ignored.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from pathlib import Path
from typing import Any, TextIO

from evaluation.running.jobs import Outcome

__all__ = ["Cache", "cache_key"]

logger = logging.getLogger(__name__)

# Raise when an unversioned part of the pipeline changes a number.
PIPELINE = "3"


def cache_key(*parts: Any) -> str:
    """Hash what a result depends on.

    Example
    -------
    >>> cache_key("audio", "codec", 4) == cache_key("audio", "codec", 5)
    False
    """
    text = json.dumps([PIPELINE, *parts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


class Cache:
    """Scores on disk, read whole when opened.

    Arguments
    ---------
    folder : str or Path
        Made if it is not there. Several runs may use it at once.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with Cache(folder) as cache:
    ...         cache.put("key", Outcome(1.5))
    ...     Cache(folder).get("key")
    Outcome(value=1.5, status='ok', reason='', weight=1.0, lasting=True)
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._outcomes: dict[str, Outcome] = {}
        self._shard: TextIO | None = None
        for shard in sorted(self.folder.glob("scores-*.jsonl")):
            self._read(shard)

    def _read(self, shard: Path) -> None:
        torn = 0
        with shard.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    record = json.loads(line)
                    outcome = Outcome(
                        record["v"], record["s"], record["r"], record.get("w", 1.0)
                    )
                    self._outcomes[record["k"]] = outcome
                except (ValueError, KeyError, TypeError):
                    torn += 1
        if torn:
            logger.info("%s: %d torn lines ignored", shard.name, torn)

    def get(self, key: str) -> Outcome | None:
        """Return what is known under ``key``."""
        return self._outcomes.get(key)

    def put(self, key: str, outcome: Outcome) -> None:
        """Keep an outcome, on disk before this returns.

        Raises
        ------
        OSError
            If it cannot be written, as on a full disk; what was there stays.
        """
        if self._shard is None:
            name = f"scores-{time.time_ns()}-{os.getpid()}.jsonl"
            self._shard = (self.folder / name).open("x", encoding="utf-8")
        record = {
            "k": key,
            "v": outcome.value,
            "s": outcome.status,
            "r": outcome.reason,
        }
        if outcome.weight != 1.0:
            record["w"] = outcome.weight
        self._shard.write(json.dumps(record) + "\n")
        self._shard.flush()
        self._outcomes[key] = outcome

    def close(self) -> None:
        """Close this run's shard."""
        if self._shard is not None:
            self._shard.close()
            self._shard = None

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()
