"""Files to read: their names and digests, and what to say when they are not there.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import os
from typing import BinaryIO

__all__ = ["digest_of", "name_of", "open_input"]


def open_input(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file for reading.

    Arguments
    ---------
    path : str or Path
        The file.

    Returns
    -------
    binary file

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    IsADirectoryError
        If it is a folder.

    Example
    -------
    >>> open_input("nowhere.wav")
    Traceback (most recent call last):
    ...
    FileNotFoundError: nowhere.wav does not exist; is the working folder right?
    """
    try:
        return open(path, "rb")
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{os.fspath(path)} does not exist; is the working folder right?"
        ) from error
    except IsADirectoryError as error:
        raise IsADirectoryError(
            f"{os.fspath(path)} is a folder. Name a file in it; `dac-lobe` itself takes "
            "folders."
        ) from error


def name_of(source: object, otherwise: str = "the input") -> str:
    """Name a source in messages: its path, or ``otherwise`` if it is none.

    Example
    -------
    >>> name_of("talk.dlac"), name_of(b"...")
    ('talk.dlac', 'the input')
    """
    return os.fspath(source) if isinstance(source, (str, os.PathLike)) else otherwise


def digest_of(file: BinaryIO) -> str:
    """Hash an open file from its first byte: 32 hex digits of its SHA-256.

    Arguments
    ---------
    file : binary file
        It must be able to seek; its position is kept.

    Returns
    -------
    str
    """
    position = file.tell()
    file.seek(0)
    # Not hashlib.file_digest: what a user calls a file may be able to read, and no more.
    digest = hashlib.sha256()
    while block := file.read(1 << 18):
        digest.update(block)
    file.seek(position)
    return digest.hexdigest()[:32]
