"""Read audio files block by block.

Any rate, any number of channels, any sample format that libsndfile knows. Only
one block is in memory at a time. Samples are float32 in [-1, 1], shape [C, T].

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import soundfile

from dac_lobe.audio.resampling import Resampler, chosen_rate
from dac_lobe.audio.sources import AudioError, Source, identity_of, name_of, open_sound
from dac_lobe.audio.wav_header import stated_samples
from dac_lobe.network.checks import check_level

logger = logging.getLogger(__name__)

__all__ = [
    "BLOCK_SAMPLES",
    "AudioError",
    "AudioReader",
    "Segment",
    "Source",
    "read_audio",
]

BLOCK_SAMPLES = 65536

# Their decoders promise a length that is only an estimate.
_ESTIMATED_LENGTH = {"MP3", "MEDIA"}
# Ends that are given in seconds are rounded; so much past the end is the end.
_ROUNDING = 0.05


class Segment(NamedTuple):
    """A part of a recording.

    Attributes
    ----------
    start : float
        Where it begins: samples at the file's own rate, or seconds.
    stop : float or None
        Where it ends, not included; None for the end of the file.
    seconds : bool
        Whether these are seconds.
    """

    start: float
    stop: float | None
    seconds: bool = False

    def samples(self, rate: int, length: int) -> tuple[int, int]:
        """Return first and last sample of a file, or raise a ValueError.

        Example
        -------
        >>> Segment(0.5, 1.0, seconds=True).samples(rate=8000, length=9000)
        (4000, 8000)
        >>> Segment(100, None).samples(rate=8000, length=9000)
        (100, 9000)
        """
        scale = rate if self.seconds else 1
        start = round(self.start * scale)
        stop = length if self.stop is None else round(self.stop * scale)
        if self.seconds and length < stop <= length + _ROUNDING * rate:
            stop = length
        if not 0 <= start < stop <= length:
            unit = "s" if self.seconds else "samples"
            raise ValueError(
                f"the segment [{self.start:g}, {self.stop}] {unit} is not in its "
                f"{length} samples ({length / rate:.3f} s)"
            )
        return start, stop


class AudioReader:
    """Audio of any source, opened for reading block by block.

    Arguments
    ---------
    source : Source
        A path, an open binary file, bytes, or samples with their rate; see
        `dac_lobe.audio.sources`.
    segment : Segment, optional
        The part to read; all by default.
    strict : bool, optional
        Whether to refuse a file whose header promises more than it holds, which
        is otherwise a warning; None if that has been said already.

    Attributes
    ----------
    sample_rate : int
        Samples per second.
    channels : int
        Number of channels.
    num_samples : int
        Length in samples, per channel; an estimate for MP3 and other containers.
    cut_off : str
        What is missing of the file; empty if it is whole.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    AudioError
        If it is not audio, holds no samples, or not the segment.

    Example
    -------
    >>> with AudioReader((np.zeros((100, 2)), 8000)) as reader:
    ...     reader.sample_rate, reader.channels, reader.num_samples
    (8000, 2, 100)
    """

    def __init__(
        self,
        source: Source,
        segment: Segment | None = None,
        *,
        strict: bool | None = False,
    ):
        self._closing = ExitStack()
        self.name = name_of(source)
        self._given = source  # a file that nobody holds closes its descriptor
        with ExitStack() as undo:
            undo.push(self._closing)
            self._sound, self._file = open_sound(source, self._closing)
            self.sample_rate = int(self._sound.samplerate)
            self.channels = int(self._sound.channels)
            self.num_samples = int(self._sound.frames)
            if self.num_samples == 0:
                raise AudioError(f"{self.name} holds no samples; 1 or more are needed.")
            self.cut_off = self._compare_promise()
            if self.cut_off and strict:
                raise AudioError(
                    f"{self.cut_off}. Fetch it again, or leave strict out."
                )
            if self.cut_off and strict is not None:
                logger.warning("%s", self.cut_off)
            self._start = 0
            if segment is not None:
                try:
                    self._start, stop = segment.samples(
                        self.sample_rate, self.num_samples
                    )
                except ValueError as error:
                    raise AudioError(f"{self.name}: {error}.") from error
                self.num_samples = stop - self._start
            self._to_end = segment is None or segment.stop is None
            undo.pop_all()

    def _compare_promise(self) -> str:
        """Say if the header promises more samples than there are."""
        promised = None if self._file is None else stated_samples(self._file)
        if promised is None or promised <= self.num_samples:
            return ""
        return (
            f"{self.name} promises {promised} samples and holds {self.num_samples}: it "
            "was cut off"
        )

    def digest(self) -> str:
        """Compute the identity of the source: 32 hex digits of its SHA-256."""
        return identity_of(self._sound, self._file)

    def blocks(self, size: int = BLOCK_SAMPLES) -> Iterator[np.ndarray]:
        """Yield the samples from the start, at most ``size`` at a time, as [C, n].

        Raises
        ------
        AudioError
            If the file is damaged, ends early, or holds samples that are NaN,
            infinite, or beyond all scale.
        """
        done = 0
        while self._to_end or done < self.num_samples:
            most = size if self._to_end else min(size, self.num_samples - done)
            try:
                if done == 0:
                    self._sound.seek(self._start)
                block = self._sound.read(most, dtype="float32", always_2d=True).T
            except (soundfile.LibsndfileError, ValueError) as error:
                reason = getattr(error, "error_string", str(error)).rstrip(".")
                raise AudioError(
                    f"{self.name} is damaged after sample {self._start + done} "
                    f"({reason})."
                ) from error
            if block.shape[1] == 0:
                break
            peak = float(np.abs(block).max())
            if not np.isfinite(peak):
                finite = np.isfinite(block).all(axis=0)
                raise AudioError(
                    f"{self.name} holds a NaN or infinite sample at "
                    f"{self._start + done + int(finite.argmin())}. Clean the file first, for "
                    "example with numpy.nan_to_num."
                )
            try:
                check_level(peak, self.name)
            except ValueError as error:
                raise AudioError(str(error)) from error
            done += block.shape[1]
            yield block
        if done < self.num_samples:
            message = f"{self.name} ends after {done} of {self.num_samples} samples"
            if not done or self._sound.format not in _ESTIMATED_LENGTH:
                raise AudioError(f"{message}: it is cut short or damaged.")
            logger.warning("%s", message)

    def close(self) -> None:
        """Close what was opened."""
        self._closing.close()

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()


def read_audio(
    source: Source, sample_rate: int | None = None, segment: Segment | None = None
) -> np.ndarray:
    """Read whole audio, or a segment of it.

    Arguments
    ---------
    source : Source
        What to read; see `AudioReader`.
    sample_rate : int, optional
        Rate to resample to; the source's own by default.
    segment : Segment, optional
        The part to read; all by default.

    Returns
    -------
    numpy.ndarray
        Samples of shape [C, T], float32.

    Raises
    ------
    AudioError
        If it cannot be read, is empty, or holds NaN or infinite samples.
    ValueError
        If ``sample_rate`` is no whole number of Hz, or out of range.
    """
    with AudioReader(source, segment) as reader:
        rate = reader.sample_rate
        resampler = Resampler(rate, chosen_rate(sample_rate, rate), reader.channels)
        blocks = [resampler.push(block) for block in reader.blocks()]
        return np.concatenate([*blocks, resampler.flush()], axis=1)
