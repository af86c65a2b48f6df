"""Standard input and output as files: '-' on the command line.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import BinaryIO, TextIO

__all__ = ["PIPE", "binary_output", "output_file", "source_of"]

PIPE = Path("-")


@contextmanager
def source_of(path: Path) -> Iterator[Path | BinaryIO]:
    """Yield what to read from: a path, or all of standard input in a temporary file.

    Audio headers point back and forth, so a pipe cannot be read as it comes.
    """
    if path != PIPE:
        yield path
        return
    with TemporaryFile() as file:
        shutil.copyfileobj(_opened(sys.stdin, "input").buffer, file)
        file.flush()
        yield file


def binary_output(path: Path) -> Path | BinaryIO:
    """Return what to write bytes to that are final once written."""
    return _opened(sys.stdout, "output").buffer if path == PIPE else path


@contextmanager
def output_file(path: Path, suffix: str) -> Iterator[Path]:
    """Yield a path to write to, which goes to standard output when complete."""
    if path != PIPE:
        yield path
        return
    output = _opened(sys.stdout, "output").buffer
    with TemporaryDirectory(prefix="dac-lobe-") as folder:
        whole = Path(folder) / f"output{suffix}"
        yield whole
        with open(whole, "rb") as file:
            shutil.copyfileobj(file, output)
        output.flush()


def _opened(stream: TextIO | None, name: str) -> TextIO:
    """Refuse a standard stream that a daemon or a shell's `<&-` has closed."""
    if stream is None:
        raise OSError(f"standard {name} is closed. Name a file in place of '-'.")
    return stream
