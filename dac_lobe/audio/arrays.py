"""Audio in memory: arrays with a rate, in the shapes that other libraries give.

    soundfile    numpy [T] or [T, C]          torchaudio    torch [T] or [C, T]
    datasets     {"array", "sampling_rate"}   torchcodec    a decoder, or its samples

Channels are told from samples by their number; where that does not tell, nothing
is guessed.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np
import torch

__all__ = ["MAX_CHANNELS", "ArraySound", "as_recording"]

MAX_CHANNELS = 16

# What integers are divided by, after what is silence in them is taken away.
_INTEGERS = {"int16": (0, 2**15), "int32": (0, 2**31), "uint8": (128, 2**7)}


class _Recording(NamedTuple):
    """Samples and their rate."""

    samples: Any
    rate: Any


class ArraySound:
    """Samples in memory, read as libsndfile reads a file.

    Arguments
    ---------
    samples : numpy.ndarray
        Float32 of shape [T, C].
    rate : int
        Samples per second.
    """

    format = "ARRAY"

    def __init__(self, samples: np.ndarray, rate: int):
        self._samples, self.samplerate = samples, rate
        self.frames, self.channels = samples.shape
        self._position = 0

    def seek(self, position: int) -> int:
        """Go on at a sample."""
        self._position = position
        return position

    def read(self, size: int, **_: Any) -> np.ndarray:
        """Return the next samples, [n, C]."""
        block = self._samples[self._position : self._position + size]
        self._position += len(block)
        return block

    def digest(self) -> str:
        """Hash shape, rate and samples: 64 hexadecimal digits."""
        digest = hashlib.sha256(f"{self._samples.shape} {self.samplerate}".encode())
        digest.update(np.ascontiguousarray(self._samples).data)
        return digest.hexdigest()

    def close(self) -> None:
        """Do nothing: the array is its owner's."""


def as_recording(source: Any) -> ArraySound | None:
    """Take audio in memory, whoever made it; None if the source is something else.

    Arguments
    ---------
    source : object
        (array, rate), (tensor, rate), a dict of ``datasets``, or a decoder of
        torchcodec. Integers of 8, 16 and 32 bits are scaled to [-1, 1].

    Returns
    -------
    ArraySound or None

    Raises
    ------
    ValueError
        If the rate is missing, or the shape or type is not of one recording.

    Example
    -------
    >>> sound = as_recording((np.zeros((100, 2), dtype=np.int16), 8000))
    >>> sound.frames, sound.channels
    (100, 2)
    >>> as_recording((torch.zeros(2, 100), 8000)).frames
    100
    >>> as_recording("a.wav") is None
    True
    """
    found = _recording(source)
    if found is None:
        return None
    rate = found.rate
    if torch.is_tensor(rate) and rate.numel() == 1:
        rate = rate.item()
    if isinstance(rate, bool) or not isinstance(rate, (int, float, np.number)):
        raise ValueError(
            f"{type(found.samples).__name__} and {type(rate).__name__} are no recording. "
            "Give (samples, rate), the rate in Hz."
        )
    if not (1 <= rate <= 10**7 and rate == int(rate)):
        raise ValueError(f"rate={rate}; a whole number of Hz is needed.")
    return ArraySound(_samples(found.samples), int(rate))


def _recording(source: Any) -> _Recording | None:
    """Find samples and rate in what libraries hand out."""
    if isinstance(source, (np.ndarray, torch.Tensor)):
        raise ValueError(
            f"samples of shape {tuple(source.shape)} have no rate. Give (samples, rate)."
        )
    if isinstance(source, dict) and {"array", "sampling_rate"} <= source.keys():
        return _Recording(source["array"], source["sampling_rate"])
    if hasattr(source, "get_all_samples"):
        source = source.get_all_samples()
    if hasattr(source, "data") and hasattr(source, "sample_rate"):
        return _Recording(source.data, source.sample_rate)
    if isinstance(source, (tuple, list)) and len(source) == 2:
        return _Recording(*source)
    return None


def _samples(given: Any) -> np.ndarray:
    """Return samples as float32 [T, C]."""
    torch_like = torch.is_tensor(given)
    if torch_like:
        given = given.detach().cpu()
        given = given.float() if given.dtype == torch.bfloat16 else given
    samples = np.asarray(given)
    shape = samples.shape
    name = str(samples.dtype)
    if name in _INTEGERS:
        silence, full = _INTEGERS[name]
        samples = ((samples.astype(np.float64) - silence) / full).astype(np.float32)
    elif samples.dtype.kind == "f":
        samples = samples.astype(np.float32, copy=False)
    else:
        raise ValueError(
            f"samples are {name}; give floats in [-1, 1], or int16, int32 or uint8."
        )
    if samples.ndim == 1:
        return samples[:, None]
    few = [size <= MAX_CHANNELS for size in shape]
    if samples.ndim != 2 or all(few) or not any(few):
        raise ValueError(
            f"samples have the shape {shape}; which are channels? Give one recording "
            f"as [T], or with 1 to {MAX_CHANNELS} channels and more samples: [T, C] or "
            "[C, T]."
        )
    return samples.T if few[0] else samples
