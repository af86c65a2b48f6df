"""A folder of files that some other codec has decoded already.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePath

import numpy as np

from evaluation.errors import MetricError
from evaluation.recordings.clips import Clip, read_wav, resample
from evaluation.recordings.finding import recordings_in
from evaluation.systems.system import Point, System

__all__ = ["DecodedFolder"]


class DecodedFolder(System):
    """Decoded files, paired with the references by their path below the folder.

    Of a reference that a manifest lists by an absolute path, or gives an ID, it is as
    much of the path as the decoded files have; else the ID. Several files of one name,
    as a.flac and a.wav, are an error. A file may have another rate than its reference,
    if its header says so: it is resampled, and a wrong header shows as a length that
    does not match.

    Arguments
    ---------
    folder : str or Path
        The decoded files; suffixes may differ from the references'.
    name : str, optional
        System name; the folder's by default.
    kbps : float, optional
        The codec's rate, if known.
    """

    def __init__(
        self, folder: str | Path, name: str | None = None, kbps: float | None = None
    ):
        self.folder = str(folder)
        if not Path(folder).is_dir():
            raise ValueError(f"folder:{folder}: there is no such folder.")
        self.name = name or Path(folder).resolve().name
        if kbps is not None and not 0 < kbps < math.inf:
            raise ValueError(
                f"folder:{folder}@{kbps:g}: a rate is more than 0 kbps, or left out."
            )
        self.nominal = kbps

    def fingerprint(self) -> str:
        """Hash names and contents of all files."""
        digest = hashlib.sha256(b"folder 1")
        for name in recordings_in(self.folder):
            digest.update(name.as_posix().encode())
            with (Path(self.folder) / name).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()[:16]

    def encode_clip(self, clip: Clip, wav: np.ndarray, sample_rate: int) -> np.ndarray:
        """Find and read the decoded file of ``clip``."""
        from dac_lobe.audio import readable_suffixes

        ends = readable_suffixes()
        for base in (Path(self.folder) / name for name in _names(clip)):
            # Not with_suffix: a name may hold dots of its own.
            paths = [base] if base.suffix.lower() in ends else []
            paths += [base.with_name(base.name + end) for end in sorted(ends)]
            found = [path for path in paths if path.is_file()]
            if found:
                break
        else:
            raise MetricError(f"no decoded file {clip.name}.* in {self.folder}")
        if len(found) > 1:
            names = ", ".join(str(path.relative_to(self.folder)) for path in found)
            raise MetricError(
                f"several decoded files in {self.folder}: {names}. Keep one of them."
            )
        try:
            decoded, rate = read_wav(Clip(clip.name, str(found[0]), ""))
        except MetricError as error:
            raise MetricError(f"the decoded file {error}") from error
        return resample(decoded, rate, sample_rate)

    def encode(self, wav: np.ndarray, sample_rate: int) -> np.ndarray:
        """Refuse: only `encode_clip` knows which file is meant."""
        raise TypeError("a folder of decoded files needs to know the clip's name.")

    def decode(self, coded: np.ndarray, point: Point, length: int) -> np.ndarray:
        """Return what was read, whatever its length."""
        return coded

    def kbps(self, point: Point, sample_rate: int) -> float | None:
        """Return the rate that was given."""
        return self.nominal


def _names(clip: Clip) -> Iterator[PurePath]:
    """Yield what the decoded file of a clip may be called, the likeliest first.

    All of them lie below the folder: an absolute name, or one that begins with '..',
    would be the reference itself.
    """
    name = PurePath(os.path.normpath(clip.name))
    if name.is_absolute() or name.parts[:1] == ("..",):
        yield from _ends(name, 1)
        return
    whole = PurePath(os.path.normpath(clip.path))
    stem = PurePath(os.path.splitext(whole)[0])
    of_path = any(
        path.parts[-len(name.parts) :] == name.parts for path in (whole, stem)
    )
    ends = [*_ends(stem, 2)] if clip.path and clip.segment is None else []
    if not of_path:
        yield from ends  # a bare name may be that of other recordings too
    yield name
    if of_path:  # longer ones alone: shorter ones may be of other recordings
        yield from (end for end in ends if len(end.parts) > len(name.parts))


def _ends(path: PurePath, fewest: int) -> Iterator[PurePath]:
    """Yield the last parts of a path, from all to the fewest."""
    parts = [part for part in path.parts if part not in (path.anchor, "..")]
    for first in range(len(parts) - fewest + 1):
        yield PurePath(*parts[first:])
