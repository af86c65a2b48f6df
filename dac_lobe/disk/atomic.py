"""Files that appear whole or not at all.

Everything that dac-lobe writes goes to a hidden neighbour first and is renamed
when it is complete, so that a killed run, a full disk or an error never leaves
half a file under the name that was asked for.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

__all__ = ["check_place", "part_of", "publish", "replacing"]

LONGEST_NAME = 255  # bytes, of the common file systems


def check_place(path: Path) -> None:
    """Raise if a file may not take a path: a folder, a pipe or a device is there.

    Renaming a file to ``/dev/null`` would put an end to the device.

    Arguments
    ---------
    path : Path
        Where to write.

    Raises
    ------
    FileExistsError
        If something else than a file is there.

    Example
    -------
    >>> check_place(Path("/dev/null"))
    Traceback (most recent call last):
    ...
    FileExistsError: /dev/null is a pipe or device, not to be replaced. Name a file.
    """
    if path.exists() and not path.is_file():
        kind = "folder" if path.is_dir() else "pipe or device"
        raise FileExistsError(f"{path} is a {kind}, not to be replaced. Name a file.")


def part_of(path: Path, *marks: str) -> Path:
    """Name of the hidden neighbour that becomes a file.

    Arguments
    ---------
    path : Path
        The file's final name.
    marks : str
        What tells several of them apart.

    Returns
    -------
    Path
        In the same folder. If the name would be too long with what is added, a digest
        stands for it.

    Example
    -------
    >>> part_of(Path("talk.dac")).name
    '.talk.dac.part'
    >>> len(part_of(Path("x" * 255), "4f2a").name)
    43
    """
    part = ".".join(["", path.name, *marks, "part"])
    if len(os.fsencode(part)) > LONGEST_NAME:
        name = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:32]
        part = ".".join(["", name, *marks, "part"])
    return path.with_name(part)


def publish(file: BinaryIO, part: Path, path: Path) -> None:
    """Put a complete file under its final name, safely against power failure.

    Arguments
    ---------
    file : binary file
        The open file that lies at ``part``; it is flushed to the disk and closed.
    part : Path
        Its present name, in the same folder as ``path``.
    path : Path
        The name to give it; what lay there before is replaced.
    """
    file.flush()
    os.fsync(file.fileno())
    file.close()
    os.replace(part, path)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing that takes the place of ``path`` when all went well.

    Arguments
    ---------
    path : str or Path
        Final name. Missing folders above it are made.

    Yields
    ------
    binary file
        Seekable. It is removed if the block raises.

    Raises
    ------
    FileExistsError
        If something else than a file is there.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with replacing(Path(folder) / "greeting") as file:
    ...         _ = file.write(b"hello")
    ...     [path.name for path in Path(folder).iterdir()]
    ['greeting']
    """
    path = Path(path)
    check_place(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(path, uuid4().hex[:8])
    file = open(part, "x+b")
    try:
        yield file
        publish(file, part, path)
    finally:
        # After publishing both are done and do nothing. Else, close quietly: on a
        # full disk the flush inside close() fails again, and would hide the error.
        with suppress(OSError):
            file.close()
        part.unlink(missing_ok=True)
