"""Folders of Kaldi: wav.scp, and segments, text and utt2spk where they are.

    wav.scp     recording path
    segments    utterance recording start end     seconds; an end of -1 is the file's

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dac_lobe.data.tables import read_text

__all__ = ["Utterance", "is_kaldi", "utterances"]


class Utterance(NamedTuple):
    """What Kaldi's files say of an utterance.

    Attributes
    ----------
    where : str
        File and line.
    id : str
        Its name.
    wav : str
        Path of the recording.
    start, stop : float or None
        Seconds; None for the recording's own beginning and end.
    fields : dict
        ``wrd`` and ``spk_id``, as far as they are there.
    """

    where: str
    id: str
    wav: str
    start: float | None
    stop: float | None
    fields: dict[str, str]


def is_kaldi(folder: Path) -> bool:
    """Tell whether a folder is Kaldi's."""
    return (folder / "wav.scp").is_file()


def utterances(folder: Path) -> Iterator[Utterance]:
    """Yield the utterances of a folder; whole recordings if there is no ``segments``.

    Raises
    ------
    ValueError
        If a line is not usable, or names a recording that wav.scp has not.
    """
    recordings: dict[str, str] = {}
    places: dict[str, str] = {}
    for where, name, path in _lines(folder / "wav.scp"):
        if path.endswith("|") or path.startswith("|"):
            raise ValueError(
                f"{where}: {name!r} is made by a command, which is not run. Write the "
                "audio into files and name these."
            )
        if name in recordings:
            raise ValueError(f"{where}: the recording {name!r} is there twice.")
        recordings[name], places[name] = path, where
    tables = {
        field: {name: rest for _, name, rest in _lines(folder / file)}
        for file, field in (("text", "wrd"), ("utt2spk", "spk_id"))
        if (folder / file).is_file()
    }

    def fields(name: str) -> dict[str, str]:
        return {key: table[name] for key, table in tables.items() if name in table}

    if not (folder / "segments").is_file():
        for name, path in recordings.items():
            yield Utterance(places[name], name, path, None, None, fields(name))
        return
    for where, name, rest in _lines(folder / "segments"):
        try:
            recording, first, last = rest.split()
            start, stop = float(first), float(last)
        except ValueError as error:
            raise ValueError(
                f"{where}: {rest!r}; 'utterance recording start end' is needed, in "
                "seconds."
            ) from error
        if recording not in recordings:
            raise ValueError(f"{where}: wav.scp has no recording {recording!r}.")
        end = None if stop == -1 else stop
        yield Utterance(where, name, recordings[recording], start, end, fields(name))


def _lines(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield place, name and rest of each line that is not empty."""
    text = read_text(path, "text")
    # Only line feeds end a line: transcripts may hold Unicode's other separators.
    for number, line in enumerate(text.split("\n"), start=1):
        name, _, rest = line.strip().partition(" ")
        if "\t" in name:
            name, _, rest = line.strip().partition("\t")
        if name and not rest.strip() and path.name != "text":
            raise ValueError(f"{path}, line {number}: {line!r} has only a name.")
        if name:
            yield f"{path}, line {number}", name, rest.strip()
