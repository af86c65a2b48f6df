"""What a codec made of a recording: in each setting when first asked for, and copied.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, Generic, TypeVar

import numpy as np

__all__ = ["CodedOnDemand", "copy_of", "next_rate"]

PLAIN = (np.ndarray, np.generic, int, float, str, bytes, type(None))

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


def copy_of(coded: Any) -> Any:
    """Copy what a decoder may change, so that the next point is given the same.

    Arguments
    ---------
    coded : Any
        What ``encode`` returned.

    Returns
    -------
    Any
        A copy of arrays, alone or in a tuple, list or dict with plain values; other
        things themselves: copies may be dear, and what is made on demand made twice.

    Example
    -------
    >>> codes, loader = np.zeros(2), CodedOnDemand(np.zeros(8), 8000, 8000, max)
    >>> copy_of((codes, 1.5))[0] is codes, copy_of(loader) is loader
    (False, True)
    """
    parts = coded.values() if isinstance(coded, dict) else coded
    parts = parts if isinstance(coded, (dict, list, tuple)) else (coded,)
    return deepcopy(coded) if all(isinstance(one, PLAIN) for one in parts) else coded


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
