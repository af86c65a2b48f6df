"""Systems whose result is known: what the evaluation itself costs.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import numpy as np

from evaluation.recordings.clips import check_rate, resample
from evaluation.systems.system import Point, Rate, System

__all__ = ["Identity", "Reference", "Resample"]


class Identity(System):
    """The reference itself as 16-bit PCM: every metric's best value.

    Example
    -------
    >>> Identity().kbps(Point(), 16000)
    256.0
    """

    name = "identity"
    control = True

    def encode(self, wav: np.ndarray, sample_rate: int) -> np.ndarray:
        """Return the samples."""
        return wav

    def decode(self, coded: np.ndarray, point: Point, length: int) -> np.ndarray:
        """Return the samples."""
        return coded

    def kbps(self, point: Point, sample_rate: int) -> float:
        """Compute the rate of 16-bit PCM."""
        return sample_rate * 16 / 1000

    def rate(self, coded: np.ndarray, point: Point, length: int) -> Rate:
        """Count the bits of 16-bit PCM."""
        return Rate(emitted=16 * len(coded))


class Reference(Identity):
    """The recordings, rated by the metrics that look at the output alone.

    The evaluation adds it by itself where there are such metrics; the others have
    nothing to say of it.

    Example
    -------
    >>> Reference().name
    'reference'
    """

    name = "reference"


class Resample(System):
    """The reference brought to another rate and back: a low anchor without a codec.

    Arguments
    ---------
    through : int, optional
        Rate to go through, 1000 to 192000 Hz; half the scoring rate by default.

    Example
    -------
    >>> Resample().kbps(Point(), 16000), Resample(12000).name
    (128.0, 'resample-12000')
    """

    name = "resample"
    control = True

    def __init__(self, through: int | None = None):
        if through is not None:
            check_rate("resample:", through)
            self.name = f"resample-{through}"
        self.through = through

    def encode(self, wav: np.ndarray, sample_rate: int) -> tuple[np.ndarray, int]:
        """Bring the samples to the other rate."""
        return resample(wav, sample_rate, self._rate(sample_rate)), sample_rate

    def decode(
        self, coded: tuple[np.ndarray, int], point: Point, length: int
    ) -> np.ndarray:
        """Bring them back."""
        wav, sample_rate = coded
        return resample(wav, self._rate(sample_rate), sample_rate)[:length]

    def kbps(self, point: Point, sample_rate: int) -> float:
        """Compute the rate of 16-bit PCM at the other rate."""
        return self._rate(sample_rate) * 16 / 1000

    def rate(self, coded: tuple[np.ndarray, int], point: Point, length: int) -> Rate:
        """Count the bits of 16-bit PCM at the other rate."""
        return Rate(emitted=16 * len(coded[0]))

    def _rate(self, sample_rate: int) -> int:
        return self.through or sample_rate // 2
