"""The bytes around the codes of a packed file: block checksums and the trailer.

`dac_lobe.container` draws them. A block's CRC covers the block's number too, so
blocks cannot change places. It was meant to cover the header, but the CRC-32 of bytes
that end with their own CRC-32 is one number for all of them: it does not tell from
which file a block is.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import struct
import zlib
from operator import index
from typing import Any

import numpy as np

from dac_lobe.container.header import ContainerError, Header

__all__ = [
    "CRC",
    "TRAILER",
    "TRAILER_BYTES",
    "block_crc",
    "check_length",
    "check_start",
    "checked_codes",
    "trailer",
]

CRC = struct.Struct("<I")
TRAILER = struct.Struct("<4sQQ")
TRAILER_BYTES = TRAILER.size + CRC.size
_MAGIC = b"DACE"


def block_crc(payload: bytes, block: int, header: bytes) -> bytes:
    """Compute what stands behind the payload of a block of this number."""
    seed = zlib.crc32(block.to_bytes(8, "little"), zlib.crc32(header))
    return CRC.pack(zlib.crc32(payload, seed))


def trailer(num_frames: int, num_samples: int, header: bytes) -> bytes:
    """Write the trailer of a file of this length with this header."""
    data = TRAILER.pack(_MAGIC, num_frames, num_samples)
    return data + CRC.pack(zlib.crc32(data, zlib.crc32(header)))


def check_length(num_samples: int, num_frames: int, header: Header) -> None:
    """Raise a ContainerError if a source of this length does not give these frames."""
    try:
        whole = index(num_samples) >= 0
    except TypeError:
        whole = False
    if not whole:
        raise ContainerError(
            f"num_samples={num_samples!r:.50}: a whole number from 0 is needed."
        )
    expected = header.num_frames(num_samples)
    if expected != num_frames:
        raise ContainerError(
            f"num_samples={num_samples} at {header.source_rate} Hz are {expected} "
            f"frames, but the codes have {num_frames}."
        )


def check_start(start: int) -> None:
    """Raise a ValueError if frames are to be read from before the first."""
    if start < 0:
        raise ValueError(f"start={start}: frames are counted from 0. Choose 0 or more.")


def checked_codes(codes: Any, header: Header) -> np.ndarray:
    """Return codes as uint16 [C, K, F], or raise a ContainerError that says why not."""
    codes = np.asarray(codes)
    shape = (header.channels, header.num_codebooks)
    if codes.ndim != 3 or codes.shape[:2] != shape:
        raise ContainerError(
            f"codes have shape {codes.shape}; [{shape[0]}, {shape[1]}, F] is needed."
        )
    if codes.dtype.kind not in "iu":
        raise ContainerError(f"codes are {codes.dtype}; whole numbers are needed.")
    if codes.size and not (
        0 <= int(codes.min()) and int(codes.max()) < header.codebook_size
    ):
        raise ContainerError(
            f"codes lie in [{codes.min()}, {codes.max()}]; allowed is "
            f"[0, {header.codebook_size - 1}]."
        )
    return codes.astype(np.uint16, copy=False)
