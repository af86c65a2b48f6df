"""No more threads at work than there are cores, however many callers there are.

Threads that wait for their turn at a core keep each other's data out of its cache. So
whoever computes on ``torch.get_num_threads()`` threads takes as many cores, and waits
until they are free. Meanwhile it holds nothing that others wait for, so that one
caller's reading and writing goes on beside another's arithmetic.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from dac_lobe.network.threads import core_count, thread_count

__all__ = ["Cores", "limited", "taken"]


class Cores:
    """Cores that callers take and give back.

    Arguments
    ---------
    count : int
        How many there are.

    Example
    -------
    >>> shared = Cores(2)
    >>> with shared.taken(1), shared.taken(1):
    ...     print(shared.free)
    0
    """

    def __init__(self, count: int):
        self.count = self.free = count
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, wanted: int) -> Iterator[None]:
        """Hold some cores, at most all there are; wait until they are free."""
        with self._changed:
            wanted = min(wanted, self.count)
            self._changed.wait_for(lambda: self.free >= wanted)
            self.free -= wanted
        try:
            yield
        finally:
            with self._changed:
                self.free += wanted
                self._changed.notify_all()


_cores = Cores(core_count())


def taken() -> AbstractContextManager[None]:
    """Hold as many of this process's cores as torch has threads."""
    return _cores.taken(thread_count())


@contextmanager
def limited(count: int) -> Iterator[None]:
    """Let callers, meanwhile, have so many cores together, at most all there are."""
    global _cores
    before = _cores
    _cores = Cores(min(count, core_count()))
    try:
        yield
    finally:
        _cores = before


def _forget() -> None:
    """Begin anew: a forked child has none of the threads that hold its parent's cores."""
    global _cores
    _cores = Cores(_cores.count)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
