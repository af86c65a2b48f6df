"""Read audio files block by block.

Any rate, any number of channels, any sample format that libsndfile knows. Only
one block is in memory at a time. Samples are float32 in [-1, 1], shape [C, T].

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, BinaryIO

import numpy as np
import soundfile

from dac_lobe.audio.resampling import Resampler
from dac_lobe.disk.inputs import open_input

logger = logging.getLogger(__name__)

__all__ = [
    "BLOCK_SAMPLES",
    "AudioError",
    "AudioReader",
    "read_audio",
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
    ...     path = Path(folder) / "a.wav"
    ...     soundfile.write(path, np.zeros((100, 2)), 8000)
    ...     with AudioReader(path) as reader:
    ...         reader.sample_rate, reader.channels, reader.num_samples
    (8000, 2, 100)
    """

    def __init__(self, source: str | os.PathLike[str] | BinaryIO):
        self._closing = ExitStack()
        if isinstance(source, (str, os.PathLike)):
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
        digest = hashlib.sha256()
        while block := self._file.read(1 << 18):
            digest.update(block)
        self._file.seek(position)
        return digest.hexdigest()[:32]

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


def read_audio(
    source: str | os.PathLike[str] | BinaryIO, sample_rate: int | None = None
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
