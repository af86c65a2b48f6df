"""A recording at a codec's rate, coded in each setting when that is first asked for.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np

__all__ = ["CodedOnDemand", "next_rate"]

T = TypeVar("T")


class CodedOnDemand(Generic[T]):
    """What a codec makes of one recording, made once for each setting.

    Arguments
    ---------
    wav : np.ndarray
        Samples at ``rate``, shape [T].
    rate : int
        In Hz.
    scoring_rate : int
        That the recording came with, in Hz.
    make : callable
        From ``wav``, ``rate`` and a setting to what is kept.

    Example
    -------
    >>> coded = CodedOnDemand(np.zeros(8), 8000, 16000, lambda *given: given[1:])
    >>> coded.at("c=1"), coded.at("c=1") is coded.at("c=1")
    ((8000, 'c=1'), True)
    """

    def __init__(
        self,
        wav: np.ndarray,
        rate: int,
        scoring_rate: int,
        make: Callable[[np.ndarray, int, str], T],
    ):
        self.wav = wav
        self.rate = rate
        self.scoring_rate = scoring_rate
        self._make = make
        self._made: dict[str, T] = {}

    def at(self, setting: str) -> T:
        """Return what was made in a setting."""
        if setting not in self._made:
            self._made[setting] = self._make(self.wav, self.rate, setting)
        return self._made[setting]


def next_rate(rates: Sequence[int], sample_rate: int) -> int:
    """Choose the lowest rate that loses nothing, or the highest if all do.

    Arguments
    ---------
    rates : sequence of int
        That the codec takes, lowest first, in Hz.
    sample_rate : int
        Of the recording, in Hz.

    Returns
    -------
    int
        One of ``rates``.

    Example
    -------
    >>> next_rate((8000, 16000), 11025), next_rate((8000, 16000), 44100)
    (16000, 16000)
    """
    return next((rate for rate in rates if rate >= sample_rate), rates[-1])
