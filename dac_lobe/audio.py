"""Audio files as streams of blocks: read and write.

Any rate, any number of channels, any sample format that libsndfile knows. Only
one block is in memory at a time. Samples are float32 in [-1, 1], shape [C, T].

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile

from dac_lobe.atomic import replacing
from dac_lobe.opening import open_input
from dac_lobe.resample import Resampler

logger = logging.getLogger(__name__)

__all__ = [
    "BLOCK_SAMPLES",
    "AudioError",
    "AudioReader",
    "AudioWriter",
    "read_audio",
    "write_audio",
]

BLOCK_SAMPLES = 65536

# Their decoders promise a length that is only an estimate.
_ESTIMATED_LENGTH = {"MP3"}


class AudioError(ValueError):
    """Audio that cannot be read, or holds what no codec can code."""


class AudioReader:
    """An audio file, opened for reading block by block.

    Arguments
    ---------
    source : str, Path or binary file
        A path, or an open file that the operating system knows (has a ``fileno``).

    Attributes
    ----------
    sample_rate : int
        Samples per second.
    channels : int
        Number of channels.
    num_samples : int
        Length in samples, per channel; an estimate for MP3.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    AudioError
        If it is not audio, or holds no samples.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = write_audio(Path(folder) / "a.wav", np.zeros((2, 100)), 8000)
    ...     with AudioReader(path) as reader:
    ...         reader.sample_rate, reader.channels, reader.num_samples
    (8000, 2, 100)
    """

    def __init__(self, source: str | Path | BinaryIO):
        self._closing = ExitStack()
        if isinstance(source, (str, Path)):
            self.name = str(source)
            source = self._closing.enter_context(open_input(source))
        else:
            self.name = "the audio on the input"
        with ExitStack() as undo:
            undo.push(self._closing)
            self._file = source
            self._sound = self._open(source)
            self._closing.enter_context(self._sound)
            self.sample_rate = int(self._sound.samplerate)
            self.channels = int(self._sound.channels)
            self.num_samples = int(self._sound.frames)
            if self.num_samples == 0:
                raise AudioError(f"{self.name} holds no samples; 1 or more are needed.")
            undo.pop_all()

    def _open(self, source: BinaryIO) -> soundfile.SoundFile:
        if source.seek(0, 2) == 0:
            raise AudioError(f"{self.name} is an empty file (0 bytes), not audio.")
        source.seek(0)
        try:
            # By descriptor: libsndfile then looks at the content, whatever the
            # name ends in (a name in '.raw' would be taken for headerless).
            return soundfile.SoundFile(source.fileno(), closefd=False)
        except soundfile.LibsndfileError as error:
            raise AudioError(
                f"{self.name} is not audio that can be read "
                f"({error.error_string.rstrip('.')}). Give wav, flac, ogg, mp3 or aiff."
            ) from error

    def digest(self) -> str:
        """Compute the identity of the file: 32 hex digits of its SHA-256."""
        position = self._file.tell()
        self._file.seek(0)
        digest = hashlib.file_digest(self._file, "sha256").hexdigest()
        self._file.seek(position)
        return digest[:32]

    def blocks(self, size: int = BLOCK_SAMPLES) -> Iterator[np.ndarray]:
        """Yield the samples from the start, at most ``size`` at a time, as [C, n].

        Raises
        ------
        AudioError
            If the file is damaged, ends early, or holds NaN or infinite samples.
        """
        self._sound.seek(0)
        done = 0
        while True:
            try:
                block = self._sound.read(size, dtype="float32", always_2d=True).T
            except soundfile.LibsndfileError as error:
                raise AudioError(
                    f"{self.name} is damaged after sample {done} "
                    f"({error.error_string.rstrip('.')})."
                ) from error
            if block.shape[1] == 0:
                break
            finite = np.isfinite(block).all(axis=0)
            if not finite.all():
                raise AudioError(
                    f"{self.name} holds a NaN or infinite sample at "
                    f"{done + int(finite.argmin())}. Clean the file first, for "
                    "example with numpy.nan_to_num."
                )
            done += block.shape[1]
            yield block
        if done < self.num_samples:
            message = f"{self.name} ends after {done} of {self.num_samples} samples"
            if self._sound.format not in _ESTIMATED_LENGTH:
                raise AudioError(f"{message}: it is cut short or damaged.")
            logger.warning("%s", message)

    def close(self) -> None:
        """Close the file."""
        self._closing.close()

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()


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

    Raises
    ------
    AudioError
        If the format cannot be written, or not with this rate or subtype.
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
    ...     read_audio(Path(folder) / "a.flac").shape
    (1, 3000)
    """

    def __init__(
        self,
        path: str | Path,
        sample_rate: int,
        channels: int,
        subtype: str | None = None,
    ):
        self.path = Path(path)
        self.channels = channels
        kind = self.path.suffix[1:].upper()
        kind = {"AIF": "AIFF", "OPUS": "OGG"}.get(kind, kind)
        if kind not in soundfile.available_formats() or kind == "RAW":
            raise AudioError(
                f"{self.path} does not end like an audio file. Choose .wav or .flac."
            )
        if kind in ("WAV", "FLAC", "AIFF") and subtype is None:
            subtype = "PCM_16"
        if not soundfile.check_format(kind, subtype):
            raise AudioError(
                f"{kind} has no sample format {subtype!r}. Choose one of "
                f"{', '.join(sorted(soundfile.available_subtypes(kind)))}."
            )
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
            # On leaving: the last samples, then the verdict, then the new name.
            self._closing.callback(self._check)
            self._closing.callback(self._sound.close)
            undo.pop_all()

    def write(self, block: np.ndarray) -> None:
        """Append samples of shape [C, n]."""
        self._sound.write(np.asarray(block, dtype=np.float32).T)
        self._check()

    def _check(self) -> None:
        if self._sink.error is not None:
            raise self._sink.error

    def __enter__(self) -> AudioWriter:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._closing.__exit__(*exception)


def read_audio(
    source: str | Path | BinaryIO, sample_rate: int | None = None
) -> np.ndarray:
    """Read a whole audio file.

    Arguments
    ---------
    source : str, Path or binary file
        What to read.
    sample_rate : int, optional
        Rate to resample to; the file's own by default.

    Returns
    -------
    numpy.ndarray
        Samples of shape [C, T], float32.

    Raises
    ------
    AudioError
        If the file cannot be read, is empty, or holds NaN or infinite samples.
    """
    with AudioReader(source) as reader:
        rate = reader.sample_rate
        resampler = Resampler(rate, sample_rate or rate, reader.channels)
        blocks = [resampler.push(block) for block in reader.blocks()]
        return np.concatenate([*blocks, resampler.flush()], axis=1)


def write_audio(
    path: str | Path, wav: np.ndarray, sample_rate: int, subtype: str | None = None
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
