"""Errors of a recogniser, utterance by utterance, in a file that runs are compared by.

A test's file is ``utterances_<test>.csv`` in the folder of a run's results.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from dac_lobe.disk.atomic import replacing

__all__ = ["Utterance", "file_stem", "read_utterances", "write_utterances"]


class Utterance(NamedTuple):
    """What was misheard of an utterance, and of how much."""

    ID: str
    spk_id: str
    word_errors: int
    words: int
    char_errors: int
    chars: int


def file_stem(test: str) -> str:
    """Name a test as its files do.

    Arguments
    ---------
    test : str
        Such as ``"test, 2 codebooks"``.

    Returns
    -------
    str
        Without blanks.

    Example
    -------
    >>> file_stem("test, 2 codebooks")
    'test_2_codebooks'
    """
    return test.replace(", ", "_").replace(" ", "_")


def write_utterances(
    folder: str | Path, test: str, utterances: Iterable[Utterance]
) -> None:
    """Write the errors of each utterance of a test.

    Arguments
    ---------
    folder : str or Path
        Where the run leaves its results.
    test : str
        Name of the test.
    utterances : iterable of Utterance
        In any order.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_utterances(folder, "test", [Utterance("a", "anna", 1, 5, 2, 20)])
    ...     read_utterances(folder, "test")["a"].word_errors
    1
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([Utterance._fields, *utterances])
    with replacing(_path(folder, test)) as file:
        file.write(text.getvalue().encode())


def read_utterances(folder: str | Path, test: str) -> dict[str, Utterance]:
    """Read what `write_utterances` has written.

    Arguments
    ---------
    folder : str or Path
        Where the run has left its results.
    test : str
        Name of the test.

    Returns
    -------
    dict
        Utterance by id; empty if the run has not written any.
    """
    path = _path(folder, test)
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {
            row["ID"]: Utterance(
                row["ID"],
                row["spk_id"],
                *(int(row[column]) for column in Utterance._fields[2:]),
            )
            for row in csv.DictReader(file)
        }


def _path(folder: str | Path, test: str) -> Path:
    return Path(folder) / f"utterances_{file_stem(test)}.csv"
