"""Any folder of recordings, split for training a codec: no transcripts needed.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from dac_lobe.data.corpus import draw
from dac_lobe.data.headers import read_duration
from dac_lobe.data.item import Item
from dac_lobe.data.manifest import read_manifest, write_manifest
from dac_lobe.data.parts import segment_columns

__all__ = ["find_recordings", "prepare_recordings"]

logger = logging.getLogger(__name__)


def prepare_recordings(
    data_folder: str | Path,
    save_folder: str | Path,
    valid_share: float = 0.04,
    min_valid_seconds: float = 2.0,
    skip_prep: bool = False,
    more_folders: Sequence[str | Path] = (),
) -> dict[str, Path]:
    """Write train.csv and valid.csv of a folder of recordings.

    If the folder has a ``manifest.csv`` (columns ``path``, and as far as known
    ``speaker``, ``duration_s``, and ``start_s`` and ``stop_s`` of a part of the file),
    it says what belongs to the corpus; otherwise every audio file below the folder
    does. Validation takes whole speakers, chosen by a hash of their names; recordings
    without a speaker stay in training.

    Arguments
    ---------
    data_folder : str or Path
        The recordings, ``$data_root`` in the manifests.
    save_folder : str or Path
        Where the manifests go.
    valid_share : float
        Share of the speakers that validation takes, at least one of them.
    min_valid_seconds : float
        Shorter recordings of those speakers are left out of validation.
    skip_prep : bool
        Do nothing.
    more_folders : sequence of str or Path
        Further recordings; the manifests name them by their full paths. Speakers are
        chosen in each folder, and those chosen in one are held out of all.

    Returns
    -------
    dict
        Manifest by name.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If it holds fewer than two speakers or recordings, or two of ``more_folders``
        have one name.
    """
    if skip_prep:
        return {}
    more = [Path(folder) for folder in more_folders]
    if len({folder.name for folder in more}) < len(more):
        raise ValueError(
            f"more_folders: {', '.join(map(str, more))}. Two have one name, and so would "
            "their recordings. Rename one."
        )
    parts = [_read(Path(data_folder), "$data_root", "", valid_share)]
    for folder in more:
        root = str(folder.resolve())
        parts.append(_read(folder, root, f"{folder.name}/", valid_share))
    speakers = {name for part in parts if part.known for name in part.held}
    train: list[Item] = []
    valid: list[Item] = []
    for part in parts:
        held = speakers if part.known else part.held
        pairs = list(zip(part.groups, part.items, strict=True))
        chosen = [item for group, item in pairs if group in held]
        train += [item for group, item in pairs if group not in held]
        valid += [i for i in chosen if i.duration >= min_valid_seconds] or chosen
    logger.info(
        "%d recordings to train on, %d of %d held-out speakers to validate on",
        len(train), len(valid),
        len(speakers) + sum(len(part.held) for part in parts if not part.known),
    )  # fmt: skip
    return {
        "train": write_manifest(Path(save_folder) / "train.csv", _rows(train)),
        "valid": write_manifest(Path(save_folder) / "valid.csv", _rows(valid)),
    }


class _Part(NamedTuple):
    """One folder: its recordings, and what was drawn from it."""

    items: list[Item]  # as the manifests name them
    # The speaker of each; if none is known, its own or its file's name.
    groups: list[str]
    known: bool  # whether speakers are
    held: set[str]  # groups that validation takes


def _read(folder: Path, root: str, prefix: str, valid_share: float) -> _Part:
    """Read one folder, which the manifests call ``root``, and draw its speakers."""
    if not folder.is_dir():
        raise FileNotFoundError(
            f"no folder {folder}. Give --data_folder the recordings, with or "
            "without a manifest.csv."
        )
    found = find_recordings(folder)
    groups = [item.fields["speaker"] for item in found]
    known = any(groups)
    if not known:
        # Parts of one file are not apart.
        groups = [Path(i.wav).name if i.segment else i.id for i in found]
    names = set(groups) - {""}
    if len(names) < 2:
        raise ValueError(
            f"{folder} holds {len(names)} speakers or recordings; validation needs "
            "one that training does not have. Add more."
        )
    items = []
    for item in found:
        wav = Path(item.wav)
        if wav.is_relative_to(folder):
            place = f"{root}/{wav.relative_to(folder).as_posix()}"
        else:  # listed by its full path
            place = str(wav.absolute())
        items.append(replace(item, id=prefix + item.id, wav=place))
    return _Part(items, groups, known, draw(names, valid_share))


def _rows(items: Sequence[Item]) -> list[dict[str, Any]]:
    """Rows of a manifest."""
    columns = segment_columns([item.segment for item in items])
    return [
        {
            "ID": item.id,
            "duration": item.duration,
            "wav": item.wav,
            "spk_id": item.fields["speaker"],
            **ends,
        }
        for item, ends in zip(items, columns, strict=True)
    ]


def find_recordings(folder: str | Path) -> list[Item]:
    r"""List the recordings of a folder: by its manifest.csv, or all below it.

    Arguments
    ---------
    folder : str or Path
        The folder. Its ``manifest.csv`` may have the columns of any CSV that
        `read_manifest` reads, and ``duration_s``, which is taken for that of a whole file.

    Returns
    -------
    list of Item
        Sorted by id; without a manifest, those that are not empty. All have a field
        ``speaker``, empty if unknown.

    Raises
    ------
    ValueError
        If the manifest lacks a column or has no rows, a row is not usable, or no
        audio file is there; the message names file and line.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> text = "path,speaker,duration_s\na.wav,anna,1.5"
    >>> with TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "manifest.csv").write_text(text)
    ...     [(item.id, item.duration) for item in find_recordings(folder)]
    [('a', 1.5)]
    """
    listing = Path(folder) / "manifest.csv"
    if listing.is_file():
        return [_with_speaker(_timed(item)) for item in read_manifest(listing)]
    items = read_manifest(folder)
    empty = [item.wav for item in items if not item.duration]
    if empty:
        logger.warning(
            "%s: %d of %d recordings are empty or cannot be read, and are left out (%s)",
            folder, len(empty), len(items), empty[0],
        )  # fmt: skip
    return [_with_speaker(item) for item in items if item.duration]


def _with_speaker(item: Item) -> Item:
    """Name the speaker as this package does; Kaldi and SpeechBrain say spk_id."""
    name = item.fields.get("speaker") or item.fields.get("spk_id") or ""
    return replace(item, fields={**item.fields, "speaker": name})


def _timed(item: Item) -> Item:
    """Give an item of manifest.csv the duration stated there; a name below any folder."""
    stated = item.fields.get("duration_s") or "0"
    try:
        usable = 0 <= float(stated) < float("inf")
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(
            f"manifest {item.where}: duration_s {stated!r}. Needed is a number of "
            "seconds, or nothing."
        )
    # Of a part, what is stated may be the length of the whole file.
    seconds = 0.0 if item.segment is not None else float(stated)
    seconds = seconds or item.duration or read_duration(item.wav, item.segment)
    name = item.id.replace("../", "").lstrip("/")
    return replace(item, id=name, duration=seconds)
