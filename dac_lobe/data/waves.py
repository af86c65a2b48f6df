"""Recordings in memory, two bytes a sample.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from dac_lobe.audio import read_audio
from dac_lobe.data.item import Item

__all__ = ["SAMPLE_TYPES", "as_float", "read_waves"]

# Half precision keeps 66 dB below the signal at any level; 16 bits keep recordings
# of 16 bits exactly, and 96 dB below full scale of all others.
SAMPLE_TYPES = ("float16", "int16")
FULL_SCALE = 32768


def read_waves(
    items: Sequence[Item], sample_rate: int, sample_type: str = "float16"
) -> list[np.ndarray]:
    """Read recordings as mono, several at a time.

    Arguments
    ---------
    items : sequence of Item
        The recordings.
    sample_rate : int
        In Hz; recordings of other rates are resampled.
    sample_type : str
        How they are kept: ``float16`` or ``int16``.

    Returns
    -------
    list of np.ndarray
        Samples of each, shape [T]; `as_float` makes them waveforms again.

    Raises
    ------
    ValueError
        If there is no such type, or a recording holds NaN or infinite samples.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> from dac_lobe.audio import write_audio
    >>> from dac_lobe.data import read_manifest
    >>> with TemporaryDirectory() as folder:
    ...     path = write_audio(f"{folder}/a.wav", np.full((1, 3), 0.25), 16000)
    ...     waves = read_waves(read_manifest(folder), 16000, "int16")
    >>> waves[0], as_float(waves[0])
    (array([8192, 8192, 8192], dtype=int16), array([0.25, 0.25, 0.25], dtype=float32))
    """
    if sample_type not in SAMPLE_TYPES:
        raise ValueError(
            f"sample_type: {sample_type!r}. Choose one of {', '.join(SAMPLE_TYPES)}."
        )

    def read(item: Item) -> np.ndarray:
        wav = read_audio(item.wav, sample_rate, item.segment).mean(axis=0)
        if sample_type == "int16":
            wav = np.rint(wav * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1)
        return wav.astype(sample_type)

    with ThreadPoolExecutor() as pool:
        return list(pool.map(read, items))


def as_float(wav: np.ndarray) -> np.ndarray:
    """Return samples as they are kept, [T], as a waveform: float32, full scale 1."""
    if wav.dtype == np.int16:
        return wav.astype(np.float32) / FULL_SCALE
    return wav.astype(np.float32)
