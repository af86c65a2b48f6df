"""Codes that do not say how loud the audio was, and the scales that do.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["SCALE_BITS", "ScaledCodes", "first_codebooks"]

SCALE_BITS = 32  # float32, as EnCodec's own files have them


class ScaledCodes(NamedTuple):
    """What a codec makes that divides each chunk of audio by its loudness.

    Attributes
    ----------
    codes : np.ndarray
        Integers of shape [K, F].
    scales : np.ndarray
        Floats, one per chunk; every prefix of the codebooks needs them all.
    """

    codes: np.ndarray
    scales: np.ndarray

    @property
    def scale_bits(self) -> int:
        """Bits that the scales cost, whatever the number of codebooks."""
        return SCALE_BITS * self.scales.size


def first_codebooks(
    coded: np.ndarray | ScaledCodes, num_codebooks: int | None
) -> np.ndarray | ScaledCodes:
    """Cut codes down to their first codebooks; scales stay.

    Example
    -------
    >>> coded = ScaledCodes(np.zeros((8, 300), int), np.ones(2))
    >>> first = first_codebooks(coded, 2)
    >>> first.codes.shape, first.scale_bits
    ((2, 300), 64)
    """
    if isinstance(coded, ScaledCodes):
        return coded._replace(codes=coded.codes[:num_codebooks])
    return np.asarray(coded)[:num_codebooks]
