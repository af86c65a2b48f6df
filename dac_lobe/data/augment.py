"""Changes to training audio: level, polarity, spectrum, speed, mixing, rooms, noise.

Each is drawn from the generator of its item, so it is reproducible. Level and
polarity are cheap and always safe; the others are off unless asked for.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dac_lobe.audio.loudness import gain_to, measure_loudness
from dac_lobe.data.surroundings import Surroundings

__all__ = ["Augment"]

PEAK = 0.98


@dataclass
class Augment:
    """Random changes to one segment.

    Attributes
    ----------
    loudness_lufs : float or None
        Loudness (BS.1770) that every segment is brought to first, as the
        paper's training does (-16); None leaves it.
    phase : bool
        Whether all frequencies are turned by one random angle, as the paper's
        training does.
    gain_db : float
        Level changes by up to this many dB either way.
    polarity : bool
        Whether half of the segments are inverted.
    eq_db : float
        Height of a broad bump or dip at a random frequency, dB either way.
    speed : float
        Share by which the speed (with the pitch) changes either way, below 0.5.
    noise_db : float or None
        Lowest signal-to-noise ratio of added white noise; None adds none.
    mix : float
        Probability that a second segment is mixed in, at 0 to -12 dB.
    resample : float
        Probability that the bandwidth is cut to a random 50 to 100 %, as
        recordings of lower rates have it.
    sample_rate : int
        In Hz; for the loudness.
    surroundings : Surroundings or None
        Rooms and recorded noise; None leaves segments where they are.

    Example
    -------
    >>> augment = Augment(gain_db=6.0)
    >>> wav = augment(np.ones(8, np.float32) / 4, np.random.default_rng(0), None)
    >>> wav.shape, bool(abs(wav).max() <= 0.5)
    ((8,), True)
    """

    loudness_lufs: float | None = None
    phase: bool = False
    gain_db: float = 6.0
    polarity: bool = True
    eq_db: float = 0.0
    speed: float = 0.0
    noise_db: float | None = None
    mix: float = 0.0
    resample: float = 0.0
    sample_rate: int = 16000
    surroundings: Surroundings | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 <= self.speed < 0.5:
            raise ValueError(f"speed={self.speed}: a share in [0, 0.5) is needed.")
        for name in ("mix", "resample"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name}={value}: a probability in [0, 1] is needed.")

    def __call__(
        self,
        wav: np.ndarray,
        generator: np.random.Generator,
        other: Callable[[np.random.Generator], np.ndarray] | None = None,
    ) -> np.ndarray:
        """Change a segment.

        Arguments
        ---------
        wav : np.ndarray
            Samples, shape [T].
        generator : np.random.Generator
            Of this item.
        other : callable, optional
            Draws a second segment; needed for mixing.

        Returns
        -------
        np.ndarray
            Samples of the same shape, float32, peak at most 0.98.
        """
        if other is not None and generator.random() < self.mix:
            wav = wav + other(generator) * 10 ** (-generator.uniform(0, 12) / 20)
        if self.loudness_lufs is not None:
            loudness = measure_loudness([wav[None]], self.sample_rate)
            wav = wav * 10 ** (gain_to(loudness, self.loudness_lufs) / 20)
        if self.speed:
            wav = _change_speed(wav, 1 + generator.uniform(-self.speed, self.speed))
        if self.eq_db or self.resample or self.phase:
            wav = self._shape_spectrum(wav, generator)
        if self.surroundings is not None:
            wav = self.surroundings(wav, generator)
        if self.noise_db is not None:
            ratio = generator.uniform(self.noise_db, self.noise_db + 30)
            scale = np.sqrt(np.mean(wav**2)) * 10 ** (-ratio / 20)
            wav = wav + scale * generator.standard_normal(len(wav))
        wav = wav * 10 ** (generator.uniform(-self.gain_db, self.gain_db) / 20)
        if self.polarity and generator.random() < 0.5:
            wav = -wav
        peak = np.abs(wav).max(initial=0.0)
        return np.asarray(wav * (PEAK / max(PEAK, peak)), dtype=np.float32)

    def _shape_spectrum(
        self, wav: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        """Apply a bump of two octaves and a band limit, with zero phase."""
        spectrum = np.fft.rfft(wav)
        position = np.linspace(1e-3, 1.0, len(spectrum))
        octaves = np.log2(position / 2 ** generator.uniform(-6, 0))
        height = generator.uniform(-self.eq_db, self.eq_db)
        gain = 10 ** (height * np.exp(-0.5 * octaves**2) / 20)
        if generator.random() < self.resample:
            edge = generator.uniform(0.5, 1.0)
            gain = gain / (1 + np.exp((position - edge) * 200).clip(max=1e30))
        if self.phase:
            gain = gain * np.exp(1j * generator.uniform(-np.pi, np.pi))
        return np.fft.irfft(spectrum * gain, len(wav))


def _change_speed(wav: np.ndarray, factor: float) -> np.ndarray:
    """Play faster or slower by linear interpolation; the length stays, mirrored."""
    times = np.arange(len(wav)) * factor
    period = 2 * (len(wav) - 1)
    folded = np.abs((times + len(wav) - 1) % period - (len(wav) - 1))
    return np.interp(folded, np.arange(len(wav)), wav)
