"""Locks that a forked child finds open.

A fork copies the thread that forks and no other. What another thread had locked would
stay so in the child for good.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import os
import threading
from weakref import WeakSet

__all__ = ["fork_lock"]

_locks: WeakSet[threading.Lock] = WeakSet()


def fork_lock() -> threading.Lock:
    """Make a lock; in a forked child nobody holds it.

    What it guards must be whole at any time: a dictionary that is added to, say.

    Returns
    -------
    threading.Lock

    Example
    -------
    >>> with fork_lock() as held:
    ...     held
    True
    """
    lock = threading.Lock()
    _locks.add(lock)
    return lock


def _open_all() -> None:
    """Open what threads of the parent have locked."""
    for lock in _locks:
        if lock.locked():
            lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open_all)
