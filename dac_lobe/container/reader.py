"""Packed files, opened for reading any part of them.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, BinaryIO

import numpy as np

from dac_lobe.container.bits import bits_per_code, packed_size, unpack_bits
from dac_lobe.container.framing import (
    CRC,
    TRAILER,
    TRAILER_BYTES,
    block_crc,
    check_start,
    trailer,
)
from dac_lobe.container.header import ContainerError, read_header
from dac_lobe.disk.inputs import name_of, open_input

__all__ = ["PackedReader"]


class PackedReader:
    """A packed file, opened for reading any part of it.

    Arguments
    ---------
    source : str, Path or binary file
        A path, or a seekable file that begins with the header.
    partial : bool
        Whether an unfinished file is welcome, up to its last whole block.

    Attributes
    ----------
    header : Header
        Model, rates, channels, gain.
    num_frames : int
        Frames F in the file.
    num_samples : int
        Length of the source, in samples at its rate.
    complete : bool
        Whether the file was finished.

    Raises
    ------
    ContainerError
        If the file is damaged, foreign, or unfinished.
    """

    def __init__(
        self, source: str | os.PathLike[str] | BinaryIO, *, partial: bool = False
    ):
        self._closing = ExitStack()
        self.name = name_of(source)
        if isinstance(source, (str, os.PathLike)):
            source = self._closing.enter_context(open_input(source))
        self._file = source
        with ExitStack() as undo:
            undo.push(self._closing)
            source.seek(0)
            self.header, self._header_bytes = read_header(source, self.name)
            self._block_size = self.header.block_bytes + CRC.size
            size = source.seek(0, os.SEEK_END)
            body = size - len(self._header_bytes)
            self.complete = self._read_trailer(body)
            if not self.complete:
                self._measure(body, partial)
            undo.pop_all()

    def _read_trailer(self, body: int) -> bool:
        """Take the lengths from the trailer, if there is one; check them."""
        if body < TRAILER_BYTES:
            return False
        self._file.seek(len(self._header_bytes) + body - TRAILER_BYTES)
        found = self._file.read(TRAILER_BYTES)
        magic, frames, samples = TRAILER.unpack(found[: TRAILER.size])
        if found != trailer(frames, samples, self._header_bytes):
            return False
        whole, rest = divmod(frames, self.header.block_frames)
        expected = whole * self._block_size + TRAILER_BYTES
        if rest:
            expected += packed_size(rest, self.header.frame_bits) + CRC.size
        if body != expected or frames != self.header.num_frames(samples):
            raise ContainerError(
                f"{self.name} is damaged: {frames} frames and {samples} samples do not "
                f"fit its size."
            )
        self.num_frames, self.num_samples = frames, samples
        return True

    def _measure(self, body: int, partial: bool) -> None:
        """Find the last whole block of a file that was not finished."""
        blocks = body // self._block_size
        self.num_frames = blocks * self.header.block_frames
        if not partial:
            raise ContainerError(
                f"{self.name} is unfinished or damaged at its end: "
                f"{self.num_frames / self.header.frame_rate:.1f} s may be readable. "
                "Encode it again, or decode what is there: --partial on the command "
                "line, partial=True in Python."
            )
        while self.num_frames and not self._is_whole(blocks - 1):
            blocks -= 1
            self.num_frames = blocks * self.header.block_frames
        samples = self.num_frames * self.header.hop_length
        self.num_samples = samples * self.header.source_rate // self.header.sample_rate

    def _is_whole(self, index: int) -> bool:
        try:
            self._block(index)
        except ContainerError:
            return False
        return True

    def _block(self, index: int) -> np.ndarray:
        """Read one block, as [frames, C, K]."""
        header = self.header
        start = index * header.block_frames
        frames = min(header.block_frames, self.num_frames - start)
        size = packed_size(frames, header.frame_bits)
        self._file.seek(len(self._header_bytes) + index * self._block_size)
        data = self._file.read(size + CRC.size)
        payload, crc = data[:size], data[size:]
        at = f"{self.name}, block {index} at {start / header.frame_rate:.2f} s"
        if crc != block_crc(payload, index, self._header_bytes):
            raise ContainerError(f"{at}: damaged (its CRC does not agree).")
        shape = (frames, header.channels, header.num_codebooks)
        bits = bits_per_code(header.codebook_size)
        codes = unpack_bits(payload, shape[0] * shape[1] * shape[2], bits)
        if int(codes.max()) >= header.codebook_size:
            raise ContainerError(
                f"{at}: code {int(codes.max())}, but the codebooks have "
                f"{header.codebook_size} codes."
            )
        return codes.reshape(shape)

    def frame_at(self, seconds: float) -> int:
        """Find the frame that sounds at a time, at most the end of the file."""
        return min(max(int(seconds * self.header.frame_rate), 0), self.num_frames)

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Yield the codes of frames ``start`` to ``stop``, block by block, as [C, K, n].

        Raises
        ------
        ContainerError
            If a block is damaged; the blocks before it have come out by then.
        ValueError
            If ``start`` is negative.
        """
        check_start(start)
        stop = self.num_frames if stop is None else min(stop, self.num_frames)
        size = self.header.block_frames
        for index in range(start // size, -(-stop // size)):
            first = index * size
            codes = self._block(index)[max(start - first, 0) : stop - first]
            yield codes.transpose(1, 2, 0)

    def read(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Read the codes of frames ``start`` to ``stop``, as [C, K, n]."""
        parts = list(self.blocks(start, stop))
        if not parts:
            shape = (self.header.channels, self.header.num_codebooks, 0)
            return np.zeros(shape, np.uint16)
        return np.concatenate(parts, axis=-1)

    def verify(self) -> None:
        """Read every block, and raise a ContainerError if one is damaged."""
        for _ in self.blocks():
            pass

    def close(self) -> None:
        """Close the file, if this reader opened it."""
        self._closing.close()

    def __enter__(self) -> PackedReader:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()
