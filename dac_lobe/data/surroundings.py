"""Rooms and noise around speech, from folders of recordings.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.signal import fftconvolve

from dac_lobe.data.manifest import read_manifest
from dac_lobe.data.waves import as_float, read_waves

__all__ = ["Surroundings"]


class Surroundings:
    """Put a segment into a room, and add noise.

    The result is what a codec is trained to reconstruct, so it stays in step with the
    dry segment: the direct path of a room arrives at once, the length is kept.
    What was said before the segment leaves no reverberation in it.

    Arguments
    ---------
    noise_folder : str or Path, optional
        Recordings of noise; without it, none is added.
    room_folder : str or Path, optional
        Room impulse responses, a file each; without it, segments stay dry.
    sample_rate : int
        In Hz; recordings of other rates are resampled.
    noise : float
        Probability that noise is added.
    rooms : float
        Probability that there is a room.
    snr_db : (float, float)
        Range of the signal-to-noise ratio, drawn evenly. The signal is the segment
        with its room.

    Example
    -------
    >>> nowhere = Surroundings()
    >>> nowhere(np.ones(3, np.float32), np.random.default_rng(0))
    array([1., 1., 1.], dtype=float32)
    """

    def __init__(
        self,
        noise_folder: str | Path | None = None,
        room_folder: str | Path | None = None,
        sample_rate: int = 16000,
        noise: float = 0.5,
        rooms: float = 0.5,
        snr_db: tuple[float, float] = (5.0, 30.0),
    ):
        for name, value in (("noise", noise), ("rooms", rooms)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name}={value}: a probability in [0, 1] is needed.")
        lowest, highest = snr_db
        if lowest > highest:
            raise ValueError(f"snr_db={snr_db}: the lower end comes first.")
        self.noises = _read(noise_folder, sample_rate)
        self.responses = [_align(as_float(w)) for w in _read(room_folder, sample_rate)]
        lengths = np.array([len(wav) for wav in self.noises], dtype=np.float64)
        self.bounds = np.cumsum(lengths) / max(1.0, lengths.sum())
        self.noise = noise
        self.rooms = rooms
        self.snr_db = (lowest, highest)

    def __call__(self, wav: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Change a segment; nothing is drawn for what has no folder.

        Arguments
        ---------
        wav : np.ndarray
            Samples, shape [T].
        generator : np.random.Generator
            Of this item.

        Returns
        -------
        np.ndarray
            Samples of the same shape.
        """
        if self.responses and generator.random() < self.rooms:
            response, direct = self.responses[generator.integers(len(self.responses))]
            wav = _in_room(wav, response, direct)
        if self.noises and generator.random() < self.noise:
            chosen = int(np.searchsorted(self.bounds, generator.random()))
            noise = _stretch(self.noises[chosen], len(wav), generator)
            wav = _mixed(wav, noise, generator.uniform(*self.snr_db))
        return wav


def _read(folder: str | Path | None, sample_rate: int) -> list[np.ndarray]:
    """Read all recordings of a folder, none where there is no folder."""
    if folder is None:
        return []
    return read_waves(read_manifest(folder), sample_rate, "int16")


def _align(response: np.ndarray) -> tuple[np.ndarray, int]:
    """Find the direct path, the largest sample, and scale it to 1."""
    direct = int(np.abs(response).argmax())
    if not response[direct]:
        raise ValueError("a room impulse response is silent. Remove it.")
    return response / response[direct], direct


def _in_room(wav: np.ndarray, response: np.ndarray, direct: int) -> np.ndarray:
    """Convolve, in step with the direct path and at the power of the dry signal."""
    heard = slice(direct, direct + len(wav))
    wet = fftconvolve(wav, response[: heard.stop])[heard]
    power = np.mean(np.square(wet))
    return wet * np.sqrt(np.mean(np.square(wav)) / power) if power > 0 else wav


def _stretch(
    noise: np.ndarray, length: int, generator: np.random.Generator
) -> np.ndarray:
    """Cut out a random stretch; a short recording goes round."""
    start = int(generator.integers(len(noise)))
    return as_float(noise.take(np.arange(start, start + length), mode="wrap"))


def _mixed(wav: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """Add noise at a ratio of powers; silence has none, and stays as it is."""
    power = np.mean(np.square(noise, dtype=np.float64))
    if power == 0:
        return wav
    signal = np.mean(np.square(wav, dtype=np.float64))
    return wav + noise * np.sqrt(signal / power) * 10 ** (-snr_db / 20)
