"""A file that one process writes at a time.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows, which renames no file that somebody has open
    fcntl = None  # type: ignore[assignment]

__all__ = ["open_alone"]


def open_alone(part: Path, path: Path) -> tuple[BinaryIO, BinaryIO | None]:
    """Open a file for reading and writing, as the only one who does.

    The lock is the system's: it ends with the process, whatever ends that.

    Arguments
    ---------
    part : Path
        The file; it is made if it is not there.
    path : Path
        What it becomes, for the message.

    Returns
    -------
    tuple of binary file, binary file or None
        The file, and what holds the lock until it is closed, so that the file may be
        closed before it is renamed. None where the system has no such locks.

    Raises
    ------
    FileExistsError
        If somebody else has it open.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file, lock = open_alone(Path(folder) / "part", Path(folder) / "whole")
    ...     file.close()
    """
    file = open(part, "r+b", opener=_opened_or_made)
    if fcntl is None:
        return file, None
    lock = os.fdopen(os.dup(file.fileno()), "rb")
    if _is_ours(lock, part):
        return file, lock
    file.close()
    lock.close()
    raise FileExistsError(
        f"{path} is being written by another process, as {part.name}. Wait for it, or "
        "choose another output."
    )


def _is_ours(lock: BinaryIO, part: Path) -> bool:
    """Lock a file, and tell whether that was possible and it still has its name."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # a file system without locks
    try:
        return os.path.samestat(os.fstat(lock.fileno()), os.stat(part))
    except FileNotFoundError:  # finished and renamed since it was opened
        return False


def _opened_or_made(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_CREAT, 0o666)
