"""Files to read, and what to say when they are not there.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import os
from typing import BinaryIO

__all__ = ["open_input"]


def open_input(path: str | os.PathLike) -> BinaryIO:
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
