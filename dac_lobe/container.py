"""One compressed file: codes, bit by bit, and all that decoding them needs.

    header | block | block | ... | last block | trailer

    block     codes in the order [frame, channel, codebook], packed; CRC-32
    trailer   "DACE" | frames u64 | samples u64 | CRC-32

Every block but the last has the same size, so the block of any moment is found
by arithmetic. A CRC covers the header and the block's number too: blocks cannot
change places. The trailer is written last; a file without it is unfinished, and
readable up to its last whole block. docs/container.md is the specification.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from dac_lobe.atomic import publish
from dac_lobe.bitpacking import bits_per_code, pack_bits, packed_size, unpack_bits
from dac_lobe.header import ContainerError, Header, read_header

__all__ = ["ContainerError", "Header", "Packed", "PackedReader", "PackedWriter"]

_CRC = struct.Struct("<I")
_TRAILER = struct.Struct("<4sQQ")
_TRAILER_MAGIC = b"DACE"
_TRAILER_BYTES = _TRAILER.size + _CRC.size


def _block_crc(payload: bytes, index: int, header: bytes) -> bytes:
    seed = zlib.crc32(index.to_bytes(8, "little"), zlib.crc32(header))
    return _CRC.pack(zlib.crc32(payload, seed))


def _trailer(num_frames: int, num_samples: int, header: bytes) -> bytes:
    data = _TRAILER.pack(_TRAILER_MAGIC, num_frames, num_samples)
    return data + _CRC.pack(zlib.crc32(data, zlib.crc32(header)))


@dataclass(frozen=True, eq=False)
class Packed:
    """An encoded recording in memory.

    Attributes
    ----------
    header : Header
        Model, rates, channels, gain.
    codes : numpy.ndarray
        Codes of shape [C, K, F], uint16.
    num_samples : int
        Length of the source, in samples per channel at the source's rate.

    Raises
    ------
    ContainerError
        If the codes do not fit the header and the length.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
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
    >>> packed = Packed(header, np.zeros((1, 2, 50), np.uint16), num_samples=16000)
    >>> with TemporaryDirectory() as folder:
    ...     loaded = Packed.load(packed.save(Path(folder) / "second.dac"))
    >>> loaded.duration, loaded.bitrate, loaded.codes.shape
    (1.0, 1.0, (1, 2, 50))
    """

    header: Header
    codes: np.ndarray
    num_samples: int

    def __post_init__(self):
        object.__setattr__(self, "codes", _checked(self.codes, self.header))
        frames = self.header.num_frames(self.num_samples)
        if frames != self.codes.shape[-1]:
            raise ContainerError(
                f"num_samples={self.num_samples} at {self.header.source_rate} Hz are "
                f"{frames} frames, but the codes have {self.codes.shape[-1]}."
            )

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.num_samples / self.header.source_rate

    @property
    def bitrate(self) -> float:
        """Nominal kbps of all channels; the header comes on top."""
        return self.header.bitrate

    @property
    def num_frames(self) -> int:
        """Frames F."""
        return self.codes.shape[-1]

    @property
    def name(self) -> str:
        """What errors call it."""
        return "the packed recording"

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield the codes [C, K, n], as `PackedReader.blocks` does."""
        yield self.codes

    def save(self, path: str | Path) -> Path:
        """Write a file; it appears only when it is complete."""
        with PackedWriter(path, self.header) as writer:
            writer.write(self.codes)
            writer.finish(self.num_samples)
        return Path(path)

    @classmethod
    def load(cls, source: str | Path | BinaryIO, *, partial: bool = False) -> Packed:
        """Read a file.

        Arguments
        ---------
        source : str, Path or binary file
            What to read.
        partial : bool
            Whether an unfinished file is welcome, up to its last whole block.

        Returns
        -------
        Packed
            Its content.

        Raises
        ------
        ContainerError
            If the file is damaged, foreign, or unfinished.
        """
        with PackedReader(source, partial=partial) as reader:
            return cls(reader.header, reader.read(), reader.num_samples)


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

    def __init__(self, source: str | Path | BinaryIO, *, partial: bool = False):
        self._closing = ExitStack()
        if isinstance(source, (str, Path)):
            self.name = str(source)
            source = self._closing.enter_context(open(source, "rb"))
        else:
            self.name = "the input"
        self._file = source
        with ExitStack() as undo:
            undo.push(self._closing)
            source.seek(0)
            self.header, self._header_bytes = read_header(source, self.name)
            self._block_size = self.header.block_bytes + _CRC.size
            size = source.seek(0, os.SEEK_END)
            body = size - len(self._header_bytes)
            self.complete = self._read_trailer(body)
            if not self.complete:
                self._measure(body, partial)
            undo.pop_all()

    def _read_trailer(self, body: int) -> bool:
        """Take the lengths from the trailer, if there is one; check them."""
        if body < _TRAILER_BYTES:
            return False
        self._file.seek(len(self._header_bytes) + body - _TRAILER_BYTES)
        trailer = self._file.read(_TRAILER_BYTES)
        magic, frames, samples = _TRAILER.unpack(trailer[: _TRAILER.size])
        if trailer != _trailer(frames, samples, self._header_bytes):
            return False
        whole, rest = divmod(frames, self.header.block_frames)
        expected = whole * self._block_size + _TRAILER_BYTES
        if rest:
            expected += packed_size(rest, self.header.frame_bits) + _CRC.size
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
                "Encode it again, or read it with partial=True."
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
        data = self._file.read(size + _CRC.size)
        payload, crc = data[:size], data[size:]
        at = f"{self.name}, block {index} at {start / header.frame_rate:.2f} s"
        if crc != _block_crc(payload, index, self._header_bytes):
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
        """
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
        same; and to leave it for a later one when interrupted. Paths only.

    Attributes
    ----------
    num_frames : int
        Frames taken so far, those of an earlier run included.

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
        self, target: str | Path | BinaryIO, header: Header, *, resume: bool = False
    ):
        self.header = header
        self.num_frames = 0
        self._header_bytes = header.to_bytes()
        self._pending: list[np.ndarray] = []
        self._blocks = 0
        self._finished = False
        self._resume = resume
        self._path = None
        if not isinstance(target, (str, Path)):
            self._file = target
            self._file.write(self._header_bytes)
            return
        self._path = Path(target)
        self._part = self._path.with_name(f".{self._path.name}.part")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._blocks = self._left_blocks() if resume else 0
        self.num_frames = self._blocks * header.block_frames
        if self._blocks:
            self._file = open(self._part, "r+b")
            block_size = header.block_bytes + _CRC.size
            self._file.seek(len(self._header_bytes) + self._blocks * block_size)
            self._file.truncate()
        else:
            self._file = open(self._part, "wb")
            self._file.write(self._header_bytes)

    def _left_blocks(self) -> int:
        """Count the whole blocks that an earlier run left under the same header."""
        try:
            with PackedReader(self._part, partial=True) as left:
                if left._header_bytes != self._header_bytes:
                    return 0
                left.verify()
                return left.num_frames // self.header.block_frames
        except (FileNotFoundError, ContainerError):
            return 0

    def write(self, codes: np.ndarray) -> None:
        """Append codes of shape [C, K, n]."""
        codes = _checked(codes, self.header)
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
        crc = _block_crc(payload, self._blocks, self._header_bytes)
        self._file.write(payload + crc)
        self._blocks += 1

    def finish(self, num_samples: int) -> None:
        """Write what is left, and the length of the source in samples at its rate.

        Raises
        ------
        ContainerError
            If the frames written do not fit that length.
        """
        if self.header.num_frames(num_samples) != self.num_frames:
            raise ContainerError(
                f"num_samples={num_samples} at {self.header.source_rate} Hz are "
                f"{self.header.num_frames(num_samples)} frames, but {self.num_frames} "
                "were written."
            )
        pending = np.concatenate(self._pending, axis=-1) if self._pending else None
        if pending is not None and pending.shape[-1]:
            self._write_block(pending)
        self._file.write(_trailer(self.num_frames, num_samples, self._header_bytes))
        self._file.flush()
        self._finished = True

    def __enter__(self) -> PackedWriter:
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._path is None:
            return
        try:
            if exception[0] is None and self._finished:
                publish(self._file, self._part, self._path)
        finally:
            self._abandon()

    def _abandon(self) -> None:
        """Close the file; remove it unless it was published or may be resumed."""
        try:
            self._file.close()
        except OSError:
            # A full disk: the flush inside close() fails as the write did.
            pass
        if not self._resume:
            self._part.unlink(missing_ok=True)


def _checked(codes: Any, header: Header) -> np.ndarray:
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
