"""What made a decoded file, written into the file itself.

A decoded file says in its comment which packed file, model and options made it, and a
seal covers all its bytes. So a second run knows whether it would give the same, other
options replace what is ours, and what somebody has changed since is left alone. The
comment travels with the file, and there is nothing to clean up.

    dac-lobe decode <SHA-256 of the file, with zeros in this place> {"source": ...}

Formats whose pages carry checksums (Ogg) cannot be sealed after the fact: their record
is compared, and they are replaced only when that is asked for.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import io
import json
import os
import re
from dataclasses import asdict, dataclass
from numbers import Integral
from pathlib import Path
from typing import BinaryIO

import soundfile

from dac_lobe.audio.resampling import chosen_rate
from dac_lobe.audio.writer import UNSEALED, sealed_digest
from dac_lobe.container import Header, Packed, PackedReader, PackedWriter
from dac_lobe.container.official import OfficialFile, is_official
from dac_lobe.disk.inputs import digest_of
from dac_lobe.network.autoencoder import Autoencoder
from dac_lobe.weights.fingerprint import fingerprint

__all__ = [
    "Found",
    "Record",
    "chosen_codebooks",
    "codebooks_in",
    "find_record",
    "record_of",
]

_COMMENT = re.compile(r"dac-lobe decode ([0-9a-f]{64}) (\{.*\})")


@dataclass(frozen=True)
class Record:
    """What a decoded file is made of.

    Attributes
    ----------
    source : str
        First 32 hex digits of the SHA-256 of the packed file.
    model : str
        Fingerprint of the model that decoded it.
    num_codebooks : int
        Codebooks that were decoded.
    start : float
        Second at which it begins.
    duration : float or None
        Seconds that were asked for; None to the end.
    sample_rate : int
        In Hz.
    subtype : str or None
        Sample format that was asked for; None is the format's default.
    """

    source: str
    model: str
    num_codebooks: int
    start: float
    duration: float | None
    sample_rate: int
    subtype: str | None

    def comment(self) -> str:
        """Say so in one line, with a place for the seal."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return f"dac-lobe decode {UNSEALED} {text}"


@dataclass(frozen=True)
class Found:
    """A record that a file holds, and whether the file is as it was written."""

    record: Record
    intact: bool


def record_of(
    source: Packed | str | os.PathLike[str] | BinaryIO,
    codec: Autoencoder | None = None,
    *,
    num_codebooks: int | None = None,
    start: float = 0.0,
    duration: float | None = None,
    sample_rate: int | None = None,
    subtype: str | None = None,
    partial: bool = False,
) -> Record:
    """Say what decoding with these options would be made of; arguments as `decode_file`.

    Without a codec it is the one that the packed file names; files of the official
    package name none.

    Raises
    ------
    ContainerError
        If the packed file is damaged or unfinished.
    ValueError
        If there are fewer codebooks, or ``sample_rate`` is out of range.
    """
    if not isinstance(source, Packed) and is_official(source):
        file = OfficialFile.load(source)
        model, there, rate = "", int(file.codes.shape[1]), file.sample_rate
    else:
        header = _header(source, partial)
        model, there, rate = (
            header.fingerprint,
            header.num_codebooks,
            header.source_rate,
        )
    return Record(
        source=_digest(source),
        model=model if codec is None else fingerprint(codec, like=model),
        num_codebooks=chosen_codebooks(num_codebooks, there),
        start=float(start),
        duration=None if duration is None else float(duration),
        sample_rate=chosen_rate(sample_rate, rate),
        subtype=subtype,
    )


def chosen_codebooks(asked: int | None, there: int, name: str = "the file") -> int:
    """Return how many codebooks to decode, of those that a file has.

    Arguments
    ---------
    asked : int or None
        How many were asked for; None means all.
    there : int
        How many the file has.
    name : str
        What messages call the file.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If ``asked`` is no whole number from 1 to ``there``.

    Example
    -------
    >>> chosen_codebooks(None, 12)
    12
    >>> chosen_codebooks(13, 12)
    Traceback (most recent call last):
    ...
    ValueError: num_codebooks=13, but the file has 12. Choose 1 to 12.
    """
    used = there if asked is None else asked
    if (
        isinstance(used, bool)
        or not isinstance(used, Integral)
        or not 1 <= used <= there
    ):
        raise ValueError(
            f"num_codebooks={asked}, but {name} has {there}. Choose 1 to {there}."
        )
    return int(used)


def codebooks_in(path: Path) -> int:
    """Count the codebooks of a packed file, whole or not, of either format.

    Arguments
    ---------
    path : Path
        The file.

    Returns
    -------
    int

    Raises
    ------
    ContainerError
        If it is no packed file.
    """
    if is_official(path):
        return int(OfficialFile.load(path).codes.shape[1])
    return _header(path, partial=True).num_codebooks


def find_record(path: Path) -> Found | None:
    """Read the record of a decoded file; None if it has none.

    Arguments
    ---------
    path : Path
        The file, which need not exist.

    Returns
    -------
    Found or None
    """
    try:
        with soundfile.SoundFile(path) as sound:
            match = _COMMENT.search(sound.comment)
        if match is None:
            return None
        record = Record(**json.loads(match.group(2)))
        with open(path, "rb") as file:
            return Found(record, match.group(1) == sealed_digest(file))
    except (OSError, soundfile.LibsndfileError, ValueError, TypeError):
        return None  # nothing there, no audio, or a comment of another version


def _header(
    source: Packed | str | os.PathLike[str] | BinaryIO, partial: bool
) -> Header:
    if isinstance(source, Packed):
        return source.header
    with PackedReader(source, partial=partial) as reader:
        return reader.header


def _digest(source: Packed | str | os.PathLike[str] | BinaryIO) -> str:
    """Hash the packed file; for one in memory, the file that it would be."""
    if isinstance(source, Packed):
        file: BinaryIO = io.BytesIO()
        with PackedWriter(file, source.header) as writer:
            writer.write(source.codes)
            writer.finish(source.num_samples)
    elif isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as opened:
            return digest_of(opened)
    else:
        file = source
    return digest_of(file)
