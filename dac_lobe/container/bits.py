"""Whole numbers of any width, packed into bytes without gaps.

Most significant bit first, as a person would write them down one after another:

    values (3 bits)    5       2       7       1
    bits               1 0 1   0 1 0   1 1 1   0 0 1   (0 0 0 0)
    bytes              |1 0 1 0 1 0 1 1|1 0 0 1 0 0 0 0|

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import numpy as np

__all__ = ["bits_per_code", "pack_bits", "packed_size", "unpack_bits"]


def bits_per_code(codebook_size: int) -> int:
    """Count the bits that tell ``codebook_size`` codes apart.

    Example
    -------
    >>> bits_per_code(1024), bits_per_code(1000), bits_per_code(1)
    (10, 10, 1)
    """
    return max(1, (codebook_size - 1).bit_length())


def packed_size(count: int, bits: int) -> int:
    """Count the bytes that ``count`` numbers of ``bits`` bits fill.

    Example
    -------
    >>> packed_size(4, 3)
    2
    """
    return -(-count * bits // 8)


def pack_bits(values: np.ndarray, bits: int) -> bytes:
    """Pack numbers into bytes.

    Arguments
    ---------
    values : numpy.ndarray
        Whole numbers below ``2 ** bits``, any shape; packed in C order.
    bits : int
        Bits per number, 1 to 16.

    Returns
    -------
    bytes
        ``packed_size(values.size, bits)`` of them; the last is filled with zeros.

    Example
    -------
    >>> pack_bits(np.array([5, 2, 7, 1]), bits=3).hex()
    'ab90'
    """
    octets = np.ascontiguousarray(values, dtype=">u2").view(np.uint8).reshape(-1, 2)
    return np.packbits(np.unpackbits(octets, axis=1)[:, 16 - bits :]).tobytes()


def unpack_bits(packed: bytes, count: int, bits: int) -> np.ndarray:
    """Take numbers out of bytes; the mirror image of `pack_bits`.

    Arguments
    ---------
    packed : bytes
        At least ``packed_size(count, bits)`` of them.
    count : int
        How many numbers to take.
    bits : int
        Bits per number, 1 to 16.

    Returns
    -------
    numpy.ndarray
        Shape [count], uint16.

    Example
    -------
    >>> unpack_bits(bytes.fromhex("ab90"), count=4, bits=3).tolist()
    [5, 2, 7, 1]
    """
    taken = np.unpackbits(np.frombuffer(packed, np.uint8), count=count * bits)
    wide = np.zeros((count, 16), dtype=np.uint8)
    wide[:, 16 - bits :] = taken.reshape(count, bits)
    return np.packbits(wide, axis=1).view(">u2").reshape(count).astype(np.uint16)
