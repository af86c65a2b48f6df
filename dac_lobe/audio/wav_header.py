"""How many samples a WAV's header states, which libsndfile does not say.

libsndfile takes a WAV whose data is cut off for a shorter one.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import struct
from typing import BinaryIO

__all__ = ["stated_samples"]

# Sizes that writers of streams leave, which know the length only at the end.
_UNKNOWN = {0, 0x7FFFFFFF, 0x7FFFFFFF - 36, 0xFFFFFFFF, 0xFFFFFFFF - 36, 0x7FFFF000}


def stated_samples(file: BinaryIO) -> int | None:
    """Read the length that a WAV's header states, per channel.

    Arguments
    ---------
    file : binary file
        Any file; its position is kept.

    Returns
    -------
    int or None
        None if it is no WAV, or its header does not say.

    Example
    -------
    >>> import io
    >>> import numpy, soundfile
    >>> file = io.BytesIO()
    >>> soundfile.write(file, numpy.zeros(100), 8000, format="WAV")
    >>> stated_samples(io.BytesIO(file.getvalue()[:-50]))
    100
    """
    position = file.tell()
    try:
        file.seek(0)
        head = file.read(12)
        if head[:4] not in (b"RIFF", b"RIFX") or head[8:12] != b"WAVE":
            return None
        order = "<" if head[:4] == b"RIFF" else ">"
        align = 0
        while len(chunk := file.read(8)) == 8:
            name, size = struct.unpack(f"{order}4sI", chunk)
            if name == b"data":
                known = align > 0 and size not in _UNKNOWN
                return size // align if known else None
            content = file.read(16) if name == b"fmt " else b""
            if len(content) == 16:
                kind, _, _, _, align, bits = struct.unpack(f"{order}HHIIHH", content)
                # Compressed kinds have blocks of many samples.
                align = align if kind in (1, 3, 6, 7, 0xFFFE) and bits else 0
            file.seek(size + size % 2 - len(content), 1)
        return None
    finally:
        file.seek(position)
