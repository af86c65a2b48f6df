"""Packed files, written frame by frame, and resumed.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from dac_lobe.container.bits import bits_per_code, pack_bits
from dac_lobe.container.framing import (
    CRC,
    block_crc,
    check_length,
    checked_codes,
    trailer,
)
from dac_lobe.container.header import ContainerError, Header
from dac_lobe.container.reader import PackedReader
from dac_lobe.disk.atomic import check_place, part_of, publish
from dac_lobe.disk.lock import open_alone

__all__ = ["PackedWriter"]


class PackedWriter:
    """A packed file, written frame by frame.

    Arguments
    ---------
    target : str, Path or binary file
        A path: the file grows under a hidden name beside it, and takes its place
        when finished. Or a file to append to, a pipe for instance.
    header : Header
        Model, rates, channels, gain.
    resume : bool
        Whether to go on with what an earlier run left, if its header is the
        same; and to leave it for a later one when interrupted. Paths only. A
        ValueError, which wrong input raises, is no interruption.

    Attributes
    ----------
    num_frames : int
        Frames taken so far, those of an earlier run included.

    Raises
    ------
    FileExistsError
        If another process is writing the same path, or no file can be there.

    Example
    -------
    >>> import io
    >>> header = Header(
    ...     model="16khz",
    ...     fingerprint="",
    ...     sample_rate=16000,
    ...     hop_length=320,
    ...     codebook_size=1024,
    ...     num_codebooks=2,
    ...     channels=1,
    ...     source_rate=16000,
    ... )
    >>> file = io.BytesIO()
    >>> with PackedWriter(file, header) as writer:
    ...     for _ in range(5):
    ...         writer.write(np.zeros((1, 2, 10), np.uint16))
    ...     writer.finish(num_samples=15999)
    >>> with PackedReader(file) as reader:
    ...     reader.num_frames, reader.num_samples
    (50, 15999)
    """

    def __init__(
        self,
        target: str | os.PathLike[str] | BinaryIO,
        header: Header,
        *,
        resume: bool = False,
    ):
        self.header = header
        self.num_frames = 0
        self._header_bytes = header.to_bytes()
        self._pending: list[np.ndarray] = []
        self._blocks = 0
        self._finished = False
        self._resume = resume
        self._path = None
        if not isinstance(target, (str, os.PathLike)):
            self._file = target
            self._file.write(self._header_bytes)
            return
        self._path = Path(target)
        check_place(self._path)
        self._part = part_of(self._path)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file, self._lock = open_alone(self._part, self._path)
        self._blocks = self._left_blocks() if resume else 0
        self.num_frames = self._blocks * header.block_frames
        self._file.seek(0)
        self._file.write(self._header_bytes)
        self._file.seek(self._blocks * (header.block_bytes + CRC.size), os.SEEK_CUR)
        self._file.truncate()

    def _left_blocks(self) -> int:
        """Count the whole blocks that an earlier run left under the same header."""
        try:
            with PackedReader(self._file, partial=True) as left:
                if left._header_bytes != self._header_bytes:
                    return 0
                left.verify()
                return left.num_frames // self.header.block_frames
        except ContainerError:
            return 0

    def write(self, codes: np.ndarray) -> None:
        """Append codes of shape [C, K, n]."""
        codes = checked_codes(codes, self.header)
        self.num_frames += codes.shape[-1]
        self._pending.append(codes)
        size = self.header.block_frames
        if self.num_frames - self._blocks * size < size:
            return
        pending = np.concatenate(self._pending, axis=-1)
        while pending.shape[-1] >= size:
            self._write_block(pending[..., :size])
            pending = pending[..., size:]
        self._pending = [pending]

    def _write_block(self, codes: np.ndarray) -> None:
        bits = bits_per_code(self.header.codebook_size)
        payload = pack_bits(codes.transpose(2, 0, 1), bits)
        crc = block_crc(payload, self._blocks, self._header_bytes)
        self._file.write(payload + crc)
        self._blocks += 1

    def finish(self, num_samples: int) -> None:
        """Write what is left, and the length of the source in samples at its rate.

        Raises
        ------
        ContainerError
            If the frames written do not fit that length.
        """
        check_length(num_samples, self.num_frames, self.header)
        pending = np.concatenate(self._pending, axis=-1) if self._pending else None
        if pending is not None and pending.shape[-1]:
            self._write_block(pending)
        self._file.write(trailer(self.num_frames, num_samples, self._header_bytes))
        self._file.flush()
        self._finished = True

    def __enter__(self) -> PackedWriter:
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._path is None:
            return
        # What is wrong with the input stays wrong: nothing to go on with.
        keep = self._resume and not isinstance(exception[1], ValueError)
        try:
            if exception[0] is None and self._finished:
                publish(self._file, self._part, self._path)
                keep = True  # what has the name from now on is somebody else's
        finally:
            self._abandon(keep)

    def _abandon(self, keep: bool) -> None:
        """Close the file if it was not published, and remove it unless it is kept."""
        try:
            self._file.close()
        except OSError:
            # A full disk: the flush inside close() fails as the write did.
            pass
        if not keep:
            self._part.unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()
