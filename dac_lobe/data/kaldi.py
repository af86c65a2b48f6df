"""Folders of Kaldi: wav.scp, and segments, text and utt2spk where they are.

    wav.scp     recording path
    segments    utterance recording start end     seconds; an end of -1 is the file's

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dac_lobe.audio import Segment
from dac_lobe.data.headers import read_header
from dac_lobe.data.item import Item
from dac_lobe.data.parts import check_segment
from dac_lobe.data.places import locate
from dac_lobe.data.tables import read_text

__all__ = ["is_kaldi", "utterances"]


def is_kaldi(folder: Path) -> bool:
    """Tell whether a folder is Kaldi's."""
    return (folder / "wav.scp").is_file()


def utterances(folder: Path, root: str) -> Iterator[Item]:
    """Yield the utterances of a folder; whole recordings if there is no ``segments``.

    Arguments
    ---------
    folder : Path
        Kaldi's.
    root : str
        What ``$data_root`` in a path stands for.

    Yields
    ------
    Item
        With ``wrd`` and ``spk_id``, as far as they are there.

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

    def item(where: str, name: str, path: str, segment: Segment | None) -> Item:
        wav, cut_off = locate(path, folder, root), None
        if segment is not None and segment.stop is not None:
            duration = segment.stop - segment.start
        else:
            seconds, cut_off = read_header(wav)
            duration = max(0.0, seconds - (segment.start if segment else 0.0))
        said = {key: table[name] for key, table in tables.items() if name in table}
        return Item(name, wav, duration, said, segment, where, cut_off)

    if not (folder / "segments").is_file():
        for name, path in recordings.items():
            yield item(places[name], name, path, None)
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
        segment = Segment(start, None if stop == -1 else stop, seconds=True)
        check_segment(segment, where)
        yield item(where, name, recordings[recording], segment)


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
