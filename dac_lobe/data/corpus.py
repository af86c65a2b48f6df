"""What preparers share: durations, stable splits, and knowing what is done.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from dac_lobe.audio import AudioError, AudioReader, Segment
from dac_lobe.data.manifest import write_manifest
from dac_lobe.disk.atomic import replacing
from dac_lobe.disk.suffixes import visible_files

logger = logging.getLogger(__name__)

__all__ = ["Split", "Utterance", "audio_files", "draw", "prepare", "split_by"]

RECORD = "prepared.json"


class Utterance(NamedTuple):
    """A recording of a corpus with what is said in it.

    Attributes
    ----------
    id : str
        Its name.
    wav : str
        Path of the recording, relative to the corpus folder.
    speaker : str
        Who speaks; empty if unknown.
    text : str
        What is said, normalised.
    segment : Segment, optional
        The part of the recording; all by default.
    """

    id: str
    wav: str
    speaker: str
    text: str
    segment: Segment | None = None


class Split(NamedTuple):
    """Three parts of a corpus.

    Attributes
    ----------
    train, valid, test : list
        The parts.
    """

    train: list[Any]
    valid: list[Any]
    test: list[Any]


def draw(names: Iterable[str], share: float) -> set[str]:
    """Draw a share of names, at least one, the same ones on every machine.

    Arguments
    ---------
    names : iterable of str
        To draw from. The draw depends on the names, not on their order.
    share : float
        Between 0 and 1.

    Returns
    -------
    set of str
        The names drawn.

    Example
    -------
    >>> sorted(draw(["ann", "bob", "eve", "joe"], 0.5)) == sorted(
    ...     draw(["joe", "eve", "bob", "ann"], 0.5)
    ... )
    True
    """
    ranked = sorted(set(names), key=lambda name: hashlib.sha256(name.encode()).digest())
    return set(ranked[: max(1, round(share * len(ranked)))])


def split_by(
    rows: Sequence[Any],
    key: Callable[[Any], str],
    valid_share: float,
    test_share: float,
) -> Split:
    """Split rows so that no key is in two parts.

    Arguments
    ---------
    rows : sequence
        What to split.
    key : callable
        What must not be shared, such as the speaker.
    valid_share, test_share : float
        Shares of the keys.

    Returns
    -------
    Split
        The parts.

    Raises
    ------
    ValueError
        If there are fewer than three keys.

    Example
    -------
    >>> split_by(["a1", "a2", "b1", "c1"], lambda row: row[0], 0.1, 0.1).train
    ['a1', 'a2']
    """
    keys = {key(row) for row in rows}
    if len(keys) < 3:
        raise ValueError(
            f"{len(keys)} speakers or items ({', '.join(sorted(keys))}) cannot be "
            "split into train, valid and test; 3 are needed. Give the splits yourself."
        )
    test = draw(keys, test_share)
    valid = draw(keys - test, valid_share)
    return Split(
        [row for row in rows if key(row) not in test | valid],
        [row for row in rows if key(row) in valid],
        [row for row in rows if key(row) in test],
    )


def audio_files(folder: Path, suffixes: Sequence[str], layout: str) -> dict[str, Path]:
    """Find a corpus' recordings.

    Arguments
    ---------
    folder : Path
        Where to look, at any depth.
    suffixes : sequence of str
        Their suffixes.
    layout : str
        What the corpus should look like, for the error.

    Returns
    -------
    dict
        Path by name without suffix.

    Raises
    ------
    ValueError
        If there are none, or no such folder.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder. Expected is {layout}.")
    found = {
        path.stem: path
        for path in visible_files(folder)
        if path.suffix.lower() in suffixes
    }
    if not found:
        here = sorted(path.name for path in folder.iterdir())[:5]
        raise ValueError(
            f"{folder} holds no {' or '.join(suffixes)} files"
            + (f" (but {', '.join(here)})" if here else "")
            + f". Expected is {layout}."
        )
    return found


def prepare(
    data_folder: str | Path,
    save_folder: str | Path,
    splits: Mapping[str, Sequence[Utterance]],
) -> dict[str, Path]:
    """Write a manifest for each split, unless the same ones are there.

    They are the same if the utterances are, and no recording has another size, another
    time of its last change, or another folder.

    Arguments
    ---------
    data_folder : str or Path
        The corpus, ``$data_root`` in the manifests.
    save_folder : str or Path
        Where the manifests go.
    splits : dict
        Utterances by the name of their split.

    Returns
    -------
    dict
        Manifest by the name of its split.

    Raises
    ------
    ValueError
        If a split is empty, or a recording cannot be read.
    """
    data_folder, save_folder = Path(data_folder), Path(save_folder)
    files = {name: save_folder / f"{name}.csv" for name in splits}
    for name, utterances in splits.items():
        if not utterances:
            raise ValueError(f"{data_folder}: the split {name!r} has no utterances.")
    digest = _digest(data_folder, splits)
    record = save_folder / RECORD
    if all(file.is_file() for file in files.values()) and _recorded(record) == digest:
        logger.info("the manifests in %s are up to date", save_folder)
        return files
    for name, utterances in splits.items():
        write_manifest(files[name], _rows(data_folder, utterances))
        logger.info("%s: %d utterances", files[name], len(utterances))
    with replacing(record) as file:
        file.write(json.dumps({"splits": digest}).encode())
    return files


def _digest(folder: Path, splits: Mapping[str, Sequence[Utterance]]) -> str:
    """Digest of all that manifests are made of: names, texts, and the files as they are."""
    paths = sorted({part.wav for utterances in splits.values() for part in utterances})

    def state(path: str) -> list[int]:
        try:
            found = (folder / path).stat()
        except OSError:  # said where it is read
            return []
        return [found.st_size, found.st_mtime_ns]

    with ThreadPoolExecutor() as pool:  # a network disk takes its time
        states = list(pool.map(state, paths))
    content = [splits, str(folder.resolve()), paths, states]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _recorded(record: Path) -> str | None:
    """Digest of the splits that were written last, if that is known."""
    try:
        return json.loads(record.read_text()).get("splits")
    except (OSError, ValueError):
        return None


def _rows(folder: Path, utterances: Sequence[Utterance]) -> list[dict[str, Any]]:
    """Rows of a manifest; durations are read from the files' headers."""

    def measure(utterance: Utterance) -> dict[str, Any]:
        try:
            with AudioReader(folder / utterance.wav, utterance.segment) as reader:
                rate, length = reader.sample_rate, reader.num_samples
        except (OSError, AudioError) as error:
            raise ValueError(
                f"{utterance.id}: {folder / utterance.wav} cannot be read ({error}). "
                "Fetch the corpus again, or remove the utterance from its lists."
            ) from error
        first = 0
        if utterance.segment is not None:
            start = utterance.segment.start
            first = round(start * rate) if utterance.segment.seconds else round(start)
        cut = {"start": first, "stop": first + length} if segments else {}
        return {"duration": round(length / rate, 4), **cut}

    segments = any(utterance.segment is not None for utterance in utterances)
    with ThreadPoolExecutor() as pool:
        measured = list(pool.map(measure, utterances))
    return [
        {
            "ID": utterance.id,
            "wav": f"$data_root/{utterance.wav}",
            "spk_id": utterance.speaker,
            "wrd": utterance.text,
            **found,
        }
        for utterance, found in zip(utterances, measured, strict=True)
    ]
