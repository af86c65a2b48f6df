"""Codes as matrices, and the scales of those that do not say how loud the audio was.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["SCALE_BITS", "ScaledCodes", "as_codes", "first_codebooks"]

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


def as_codes(coded: Any) -> np.ndarray | ScaledCodes:
    """Take what a codec made for codes: arrays, tensors on the CPU, or lists.

    Arguments
    ---------
    coded : Any
        Integers of shape [K, F], or `ScaledCodes` with these.

    Returns
    -------
    np.ndarray or ScaledCodes
        The same as arrays.

    Raises
    ------
    ValueError
        If it is no matrix of integers: the first codebooks of anything else, as of
        codes with a batch axis, would be other than what is asked for.

    Example
    -------
    >>> as_codes([[1, 2, 3], [4, 5, 6]]).shape
    (2, 3)
    """
    if isinstance(coded, ScaledCodes):
        return ScaledCodes(_matrix(coded.codes), np.asarray(coded.scales))
    return _matrix(coded)


def _matrix(given: Any) -> np.ndarray:
    codes = np.asarray(given)
    if codes.ndim != 2 or not np.issubdtype(codes.dtype, np.integer):
        raise ValueError(
            f"codes of shape {list(codes.shape)} and type {codes.dtype}; integers of "
            "shape [K, F] are needed, without a batch axis."
        )
    return codes


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
    coded = as_codes(coded)
    if isinstance(coded, ScaledCodes):
        return coded._replace(codes=coded.codes[:num_codebooks])
    return coded[:num_codebooks]
