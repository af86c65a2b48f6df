"""Write audio files block by block; they appear only when complete.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import soundfile

from dac_lobe.audio.reader import AudioError
from dac_lobe.disk.atomic import replacing

__all__ = [
    "UNSEALED",
    "AudioWriter",
    "Format",
    "check_format",
    "commentable",
    "kind_of",
    "sealable",
    "sealed_digest",
    "write_audio",
]

# What stands in a comment until the digest of the file takes its place.
UNSEALED = "0" * 64
_HEAD = 1 << 16  # comments lie before the samples
_SEAL = re.compile(rb"(?<=dac-lobe decode )[0-9a-f]{64}")
# Formats with comments; and those that may be changed in place, without checksums.
_WITH_COMMENT = {"WAV", "WAVEX", "RF64", "AIFF", "FLAC", "OGG", "CAF"}
_SEALED = {"WAV", "WAVEX", "RF64", "AIFF", "FLAC"}
# Formats whose sizes are of 32 bits: what lies beyond, no reader would find.
_SMALL = {"WAV", "WAVEX", "AIFF"}
_MAX_SMALL = 2**32 - 2**16


class _Sink:
    """A file between libsndfile and the disk that remembers why writing failed.

    libsndfile calls it from C, where an exception cannot pass.
    """

    def __init__(self, file: BinaryIO):
        self.file = file
        self.error: OSError | None = None

    def _attempt(
        self, action: Callable[..., Any], *arguments: Any, instead: Any
    ) -> Any:
        if self.error is None:
            try:
                return action(*arguments)
            except OSError as error:
                self.error = error
        return instead

    def write(self, data: bytes) -> int:
        self._attempt(self.file.write, data, instead=None)
        return len(data)

    def read(self, size: int) -> bytes:
        return self._attempt(self.file.read, size, instead=b"")

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._attempt(self.file.seek, offset, whence, instead=0)

    def tell(self) -> int:
        return self._attempt(self.file.tell, instead=0)


class AudioWriter:
    """An audio file, written block by block, that appears only when complete.

    Arguments
    ---------
    path : str or Path
        Where to write; the ending chooses the format (.wav, .flac, ...).
    sample_rate : int
        Samples per second.
    channels : int
        Number of channels.
    subtype : str, optional
        libsndfile's name of the sample format, like 'PCM_24' or 'FLOAT'; its
        default for the format (16 bits for wav and flac) if None.
    comment : str, optional
        A comment to put into the file, where the format has room for one. Where it
        holds `UNSEALED`, the SHA-256 of the complete file goes.

    Raises
    ------
    AudioError
        If the format cannot be written, or not with this rate, subtype or length.
    OSError
        If the folder cannot be written to, or the disk is full. Nothing is left
        under ``path`` then that was not there before.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with AudioWriter(Path(folder) / "a.flac", 16000, channels=1) as writer:
    ...         for _ in range(3):
    ...             writer.write(np.zeros((1, 1000), dtype=np.float32))
    ...     soundfile.info(Path(folder) / "a.flac").frames
    3000
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        sample_rate: int,
        channels: int,
        subtype: str | None = None,
        comment: str | None = None,
    ):
        self.path = Path(path)
        self.channels = channels
        kind, subtype = check_format(self.path, subtype)
        self._limit = _MAX_SMALL if kind in _SMALL else None
        self._closing = ExitStack()
        with ExitStack() as undo:
            undo.push(self._closing)
            self._sink = _Sink(self._closing.enter_context(replacing(self.path)))
            try:
                self._sound = soundfile.SoundFile(
                    self._sink, "w", sample_rate, channels, subtype, format=kind
                )
            except soundfile.LibsndfileError as error:
                raise AudioError(
                    f"{kind} cannot hold {channels} channels at {sample_rate} Hz "
                    f"({error.error_string}) Choose .wav."
                ) from error
            if comment is not None and kind in _WITH_COMMENT:
                self._sound.comment = comment
            # On leaving: the last samples, the verdict, the seal, then the new name.
            if kind in _SEALED:
                self._closing.push(self._seal)
            self._closing.callback(self._check)
            self._closing.callback(self._sound.close)
            undo.pop_all()

    def write(self, block: np.ndarray) -> None:
        """Append samples of shape [C, n]."""
        self._sound.write(np.asarray(block, dtype=np.float32).T)
        self._check()
        if self._limit is not None and self._sink.tell() > self._limit:
            raise AudioError(
                f"{self.path} would have more than 4 GiB, which its format cannot hold. "
                "Choose .flac or .w64."
            )

    def _seal(self, kind: type[BaseException] | None, *_: object) -> None:
        """Put the digest of the complete file where its comment has room for it."""
        if kind is not None:
            return
        file = self._sink.file
        digest = sealed_digest(file)
        file.seek(0)
        place = file.read(_HEAD).find(UNSEALED.encode())
        if place >= 0:
            file.seek(place)
            file.write(digest.encode())

    def _check(self) -> None:
        if self._sink.error is not None:
            raise self._sink.error

    def __enter__(self) -> AudioWriter:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._closing.__exit__(*exception)


class Format(NamedTuple):
    """How an audio file is written, in libsndfile's names."""

    kind: str
    subtype: str | None


def check_format(path: Path, subtype: str | None = None) -> Format:
    """Find the format that a file's name means, or say what is wrong with it.

    Arguments
    ---------
    path : Path
        The file, which need not exist.
    subtype : str, optional
        The sample format that is asked for.

    Returns
    -------
    Format
        With the sample format that is taken by default; None is libsndfile's own.

    Raises
    ------
    AudioError
        If there is no such format, or not with these samples.

    Example
    -------
    >>> check_format(Path("talk.aif"))
    Format(kind='AIFF', subtype='PCM_16')
    """
    kind = kind_of(path)
    if kind not in soundfile.available_formats() or kind == "RAW":
        raise AudioError(
            f"{path} does not end like an audio file. Choose .wav or .flac."
        )
    if kind in ("WAV", "FLAC", "AIFF") and subtype is None:
        subtype = "PCM_16"
    if path.suffix.lower() == ".opus" and subtype is None:
        subtype = "OPUS"  # in Ogg libsndfile would choose Vorbis
    if not soundfile.check_format(kind, subtype):
        raise AudioError(
            f"{kind} has no sample format {subtype!r}. Choose one of "
            f"{', '.join(sorted(soundfile.available_subtypes(kind)))}."
        )
    return Format(kind, subtype)


def commentable(path: Path) -> bool:
    """Say whether files of this name can say what made them."""
    return kind_of(path) in _WITH_COMMENT


def sealable(path: Path) -> bool:
    """Say whether files of this name are sealed with their digest."""
    return kind_of(path) in _SEALED


def kind_of(path: Path) -> str:
    """Name the format that a suffix means, as libsndfile does."""
    kind = path.suffix[1:].upper()
    return {"AIF": "AIFF", "OPUS": "OGG"}.get(kind, kind)


def sealed_digest(file: BinaryIO) -> str:
    """Hash a file as it was before it was sealed: 64 hexadecimal digits.

    Arguments
    ---------
    file : binary file
        Open for reading.

    Returns
    -------
    str
    """
    file.seek(0)
    head = _SEAL.sub(UNSEALED.encode(), file.read(_HEAD))
    digest = hashlib.sha256(head)
    while block := file.read(1 << 18):
        digest.update(block)
    return digest.hexdigest()


def write_audio(
    path: str | os.PathLike[str],
    wav: np.ndarray,
    sample_rate: int,
    subtype: str | None = None,
) -> Path:
    """Write a whole audio file; see `AudioWriter`.

    Arguments
    ---------
    path : str or Path
        Where to write.
    wav : numpy.ndarray
        Samples in [-1, 1], shape [C, T] or [T].
    sample_rate : int
        Samples per second.
    subtype : str, optional
        libsndfile's name of the sample format.

    Returns
    -------
    Path
        The path.
    """
    wav = np.atleast_2d(wav)
    with AudioWriter(path, sample_rate, wav.shape[0], subtype) as writer:
        writer.write(wav)
    return Path(path)
