"""No more threads at work than there are cores, however many callers there are.

Threads that wait for their turn at a core keep each other's data out of its cache. So
whoever computes on ``torch.get_num_threads()`` threads takes as many cores, and waits
until they are free. Meanwhile it holds nothing that others wait for, so that one
caller's reading and writing goes on beside another's arithmetic.

Ctrl-C may come at any line, the one that gives cores back too. So there is no lock to
be left locked and no count to be left wrong: a list says who wants cores, first come,
first served, and who is no longer there is struck off it by those who wait.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from types import FrameType

from dac_lobe.network.threads import core_count, thread_count

__all__ = ["Cores", "limited", "taken"]

# Seconds after which who waits looks whether those before it are still there.
PATIENCE = 0.1


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
        self.count = count
        # In order of arrival. Each use of it is one operation of a dictionary.
        self._claims: dict[_Claim, None] = {}

    @property
    def free(self) -> int:
        """Cores that nobody holds or waits for."""
        return max(0, self.count - sum(claim.wanted for claim in list(self._claims)))

    def taken(self, wanted: int) -> AbstractContextManager[None]:
        """Hold some cores, at most all there are; wait until they are free.

        For a plain ``with``: they are held as long as the function around it runs.
        """
        return _Claim(self, min(wanted, self.count))

    def _come(self, claim: _Claim) -> None:
        """Wait for a claim's turn."""
        self._claims[claim] = None
        while not self._has_turn(claim):
            if not claim.turn.acquire(timeout=PATIENCE):
                self._strike_off()

    def _go(self, claim: _Claim) -> None:
        """Give cores back, and wake who waits."""
        self._claims.pop(claim, None)
        for other in list(self._claims):
            with suppress(RuntimeError):  # woken already
                other.turn.release()

    def _has_turn(self, claim: _Claim) -> bool:
        """Tell whether a claim and all before it fit."""
        total = 0
        for other in list(self._claims):
            total += other.wanted
            if other is claim:
                break
        return total <= self.count

    def _strike_off(self) -> None:
        """Forget claims that an interruption has kept from being given back."""
        for claim in list(self._claims):
            if not claim.there():
                self._go(claim)


class _Claim(AbstractContextManager[None]):
    """Some cores that one ``with`` wants, or holds."""

    def __init__(self, cores: Cores, wanted: int):
        self.wanted = wanted
        self.turn = threading.Lock()
        self.turn.acquire()
        self._cores = cores
        self._thread = threading.get_ident()
        self._frame: FrameType | None = None

    def __enter__(self) -> None:
        """Wait until the cores are free."""
        self._frame = sys._getframe(1)
        with ExitStack() as leaving:  # the queue, if Ctrl-C ends the wait
            leaving.callback(self._cores._go, self)
            self._cores._come(self)
            leaving.pop_all()

    def __exit__(self, *error: object) -> None:
        """Give the cores back."""
        self._cores._go(self)
        self._frame = None

    def there(self) -> bool:
        """Tell whether the function that has the ``with`` still runs."""
        frame = sys._current_frames().get(self._thread)
        while frame is not None and frame is not self._frame:
            frame = frame.f_back
        return frame is not None


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
