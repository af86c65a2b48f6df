"""Any folder of recordings, split for training a codec: no transcripts needed.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dac_lobe.data.headers import read_duration
from dac_lobe.data.manifest import read_manifest, write_manifest
from dac_lobe.data.tables import rows_of_csv

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
    ``speaker`` and ``duration_s``), it says what belongs to the corpus;
    otherwise every audio file below the folder does. Validation takes whole
    speakers, chosen by a hash of their names; recordings without a speaker
    stay in training.

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
        Further recordings, split in the same way; the manifests name them by their
        full paths.

    Returns
    -------
    dict
        Manifest by name.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If it holds fewer than two speakers or recordings.
    """
    if skip_prep:
        return {}
    train, valid, held = _split(Path(data_folder), valid_share, min_valid_seconds)
    for folder in map(Path, more_folders):
        more = _split(folder, valid_share, min_valid_seconds)
        for row in [*more.train, *more.valid]:
            row["wav"] = str(row["wav"]).replace("$data_root", str(folder.resolve()))
            row["ID"] = f"{folder.name}/{row['ID']}"
        train, valid = train + more.train, valid + more.valid
        held += more.held
    logger.info(
        "%d recordings to train on, %d of %d held-out speakers to validate on",
        len(train), len(valid), held,
    )  # fmt: skip
    return {
        "train": write_manifest(Path(save_folder) / "train.csv", train),
        "valid": write_manifest(Path(save_folder) / "valid.csv", valid),
    }


class _Split(NamedTuple):
    """Rows of one folder, and how many speakers were held out."""

    train: list[dict[str, Any]]
    valid: list[dict[str, Any]]
    held: int


def _split(folder: Path, valid_share: float, min_valid_seconds: float) -> _Split:
    """Split the recordings of one folder by speaker."""
    if not folder.is_dir():
        raise FileNotFoundError(
            f"no folder {folder}. Give --data_folder the recordings, with or "
            "without a manifest.csv."
        )
    rows = [_row(folder, found) for found in find_recordings(folder)]
    # Without speakers, each recording counts as one of its own.
    known = any(row["spk_id"] for row in rows)
    groups = sorted({row["spk_id"] if known else row["ID"] for row in rows} - {""})
    if len(groups) < 2:
        raise ValueError(
            f"{folder} holds {len(groups)} speakers or recordings; validation needs "
            "one that training does not have. Add more."
        )
    groups.sort(key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    held = set(groups[: max(1, round(valid_share * len(groups)))])
    valid = [row for row in rows if row["spk_id" if known else "ID"] in held]
    long = [row for row in valid if row["duration"] >= min_valid_seconds] or valid
    chosen = {id(row) for row in valid}
    train = [row for row in rows if id(row) not in chosen]
    return _Split(train, long, len(held))


def find_recordings(folder: str | Path) -> list[dict[str, str]]:
    r"""List the recordings of a folder: by its manifest.csv, or all below it.

    Arguments
    ---------
    folder : str or Path
        The folder.

    Returns
    -------
    list of dict
        The rows of ``manifest.csv`` as they are; without one, the ``path`` below the
        folder and the ``duration_s`` of each audio file that is not empty.

    Raises
    ------
    ValueError
        If the manifest has no column ``path`` or no rows, a row is not usable, or no
        audio file is there; the message names file and line.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "manifest.csv").write_text("path,speaker\na.wav,anna")
    ...     find_recordings(folder)
    [{'path': 'a.wav', 'speaker': 'anna'}]
    """
    listing = Path(folder) / "manifest.csv"
    if not listing.is_file():
        return [
            {
                "path": Path(item.wav).relative_to(folder).as_posix(),
                "duration_s": str(item.duration),
            }
            for item in read_manifest(folder)
            if item.duration > 0
        ]
    rows = [_checked(*row) for row in rows_of_csv(listing, ["path"])]
    if not rows:
        raise ValueError(f"manifest {listing} is empty. List at least one recording.")
    return rows


def _checked(where: str, values: dict[str, str]) -> dict[str, str]:
    """Return a row of manifest.csv, or say what is wrong with it."""
    seconds = values.get("duration_s") or "0"
    try:
        usable = 0 <= float(seconds) < float("inf")
    except ValueError:
        usable = False
    if not usable or not values["path"].strip():
        raise ValueError(
            f"manifest {where}: path {values['path']!r}, duration_s {seconds!r}. Needed "
            "are a path, and a number of seconds or nothing."
        )
    return values


def _row(folder: Path, found: dict[str, str]) -> dict[str, Any]:
    """Make a manifest's row of what was found in a folder."""
    path = found["path"]
    return {
        "ID": Path(path).with_suffix("").as_posix().replace("../", ""),
        "duration": float(found.get("duration_s") or 0) or read_duration(folder / path),
        "wav": f"$data_root/{path}",
        "spk_id": found.get("speaker") or "",
    }
