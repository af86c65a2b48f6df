"""Workers that do not start: some of them, now and then, or all."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path

import pytest

from evaluation.running.pool import Died, Pool, PoolError


def last(task):
    """A task that costs its worker."""
    yield task
    os._exit(7)


def every_second_time(path):
    """Start only if the start before this one has failed."""
    with open(path, "a") as file:
        file.write("start\n")
    if len(Path(path).read_text().splitlines()) % 2:
        os._exit(3)


def test_starts_that_fail_now_and_then_end_no_run(tmp_path):
    prepare = partial(every_second_time, str(tmp_path / "starts"))
    with Pool(last, 1, 60, prepare) as pool:
        for task in range(pool.START_ATTEMPTS):
            pool.submit(task)
        ended = {
            task: event.reason
            for task, event in pool.events()
            if isinstance(event, Died)
        }
    assert ended == dict.fromkeys(range(3), "the worker ended with exit code 7")


def test_a_start_that_takes_too_long_says_how_long(monkeypatch):
    monkeypatch.setattr(Pool, "START_TIMEOUT", 0.2)
    with Pool(last, 1, 60, partial(time.sleep, 60)) as pool:
        pool.submit(0)
        with pytest.raises(PoolError, match=r"no answer for 0\.2 s"):
            list(pool.events())
