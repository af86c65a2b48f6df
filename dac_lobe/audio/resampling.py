"""Another sample rate, for streams, by one named resampler: soxr.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import numpy as np
import soxr

__all__ = ["MAX_RATE", "RESAMPLER", "Resampler", "chosen_rate", "resampled_length"]

RESAMPLER = "HQ"  # soxr's name: linear phase, 20 bits
MAX_RATE = 10_000_000  # Hz; packed files hold no higher one either


def chosen_rate(sample_rate: float | None, own: int) -> int:
    """Return the rate that a caller asks for, checked.

    Arguments
    ---------
    sample_rate : int or None
        What is asked for, in Hz.
    own : int
        What None stands for.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If it is no whole number of Hz, or one that is out of range.

    Example
    -------
    >>> chosen_rate(None, own=44100)
    44100
    """
    if sample_rate is None:
        return own
    number = isinstance(sample_rate, (int, float, np.number))
    if (
        not number
        or isinstance(sample_rate, bool)
        or not (1 <= sample_rate <= MAX_RATE and sample_rate == int(sample_rate))
    ):
        raise ValueError(
            f"sample_rate={sample_rate!r}; a whole number of Hz from 1 to {MAX_RATE} is "
            "needed."
        )
    return int(sample_rate)


def resampled_length(samples: int, from_rate: int, to_rate: int) -> int:
    """Count the samples that last as long at another rate, rounded up.

    Example
    -------
    >>> resampled_length(44101, 44100, 16000)
    16001
    """
    return -(-samples * to_rate // from_rate)


class Resampler:
    """Resample a stream with soxr; the result is as long as `resampled_length` says.

    soxr compensates its own delay, so sample 0 stays at time 0, and the values
    do not depend on how the stream was cut into blocks.

    Arguments
    ---------
    from_rate : int
        Rate of what is pushed, in Hz.
    to_rate : int
        Rate of what comes back, in Hz.
    channels : int
        Number of channels.

    Example
    -------
    >>> resampler = Resampler(44100, 16000, channels=2)
    >>> ready = resampler.push(np.zeros((2, 44101), dtype=np.float32))
    >>> ready.shape[1] + resampler.flush().shape[1]
    16001
    """

    def __init__(self, from_rate: int, to_rate: int, channels: int):
        self.from_rate, self.to_rate, self.channels = from_rate, to_rate, channels
        self._taken = self._given = 0
        self._stream = None
        if from_rate != to_rate:
            self._stream = soxr.ResampleStream(
                from_rate, to_rate, channels, dtype="float32", quality=RESAMPLER
            )

    def push(self, block: np.ndarray) -> np.ndarray:
        """Take samples [C, n] and return those that are ready, [C, m]."""
        self._taken += block.shape[1]
        if self._stream is None:
            return block
        ready = self._stream.resample_chunk(np.ascontiguousarray(block.T)).T
        self._given += ready.shape[1]
        return ready

    def flush(self) -> np.ndarray:
        """Return the rest, [C, m]."""
        if self._stream is None:
            return np.zeros((self.channels, 0), dtype=np.float32)
        # soxr rounds the length down or up; a little silence behind the end
        # makes it always long enough to cut.
        silence = 2 + -(-self.from_rate // self.to_rate)
        tail = np.zeros((silence, self.channels), dtype=np.float32)
        ready = self._stream.resample_chunk(tail, last=True).T
        wanted = resampled_length(self._taken, self.from_rate, self.to_rate)
        return ready[:, : wanted - self._given]
