"""Torch's own small operations on one thread, beside networks that take all of them.

An operation of torch on more than some 30,000 values wakes the threads of OpenMP, which
look for more work at full load for milliseconds after it. Checks, padding and means take
microseconds without them. Where another process has a share of the cores, each such
operation waits for a thread that cannot run: for the length of a time slice, several
times as long as a small network takes.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

__all__ = ["core_count", "one_thread", "thread_count"]

_caller = threading.local()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch's operations run on the calling thread alone; a decorator too.

    Other threads are not touched, which `torch.set_num_threads` would do: a thread that
    used torch for the first time meanwhile would keep to one for good. What
    `torch.compile` compiles is left alone.

    Example
    -------
    >>> with one_thread():
    ...     peak = torch.randn(100_000).abs().amax()
    """
    if torch.compiler.is_compiling():
        yield
        return
    count, set_count = torch.get_num_threads(), _setter()
    if count == 1 or set_count is None:
        yield
        return
    _caller.count = count
    set_count(1)
    try:
        yield
    finally:
        set_count(count)
        _caller.count = None


def thread_count() -> int:
    """Return how many threads a network may use, within `one_thread` too.

    Returns
    -------
    int
        ``torch.get_num_threads()`` outside of it, but no more than there are cores:
        threads that share one keep each other's data out of its cache.

    Example
    -------
    >>> with one_thread():
    ...     1 <= thread_count() <= core_count()
    True
    """
    wanted = getattr(_caller, "count", None) or torch.get_num_threads()
    return min(wanted, core_count())


def core_count() -> int:
    """Return how many cores this process may use.

    Returns
    -------
    int
        At least 1.

    Example
    -------
    >>> core_count() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def _setter() -> Callable[[int], object] | None:
    """Find the OpenMP runtime's function; it sets the calling thread's number alone."""
    try:
        return ctypes.CDLL(None).omp_set_num_threads
    except (AttributeError, OSError, TypeError):  # Windows, or a torch without OpenMP
        return None
