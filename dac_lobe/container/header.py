"""The header of a packed file, before any code.

    magic "DACL" | version u8 | length u16 | JSON, UTF-8 | CRC-32 of all before

All numbers are little-endian. Keys that a reader does not know are ignored, so
that later versions may add some. docs/container.md is the specification.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from dataclasses import asdict, dataclass, fields
from typing import Any, BinaryIO

from dac_lobe.container.bits import bits_per_code, packed_size

__all__ = ["MAGIC", "ContainerError", "Header", "read_header"]

MAGIC = b"DACL"
VERSION = 1

_PRELUDE = struct.Struct("<4sBH")
_CRC = struct.Struct("<I")

# A block costs 4 bytes of CRC: below 1 % of these, and of a second at least.
_MIN_BLOCK_BYTES = 400

_LIMITS = {
    "sample_rate": 10_000_000,
    "source_rate": 10_000_000,
    "hop_length": 1_000_000,
    "codebook_size": 65536,
    "num_codebooks": 1024,
    "channels": 1024,
    "block_frames": 1 << 20,
}
_MAX_BLOCK_BYTES = 1 << 24


class ContainerError(ValueError):
    """A packed file that is damaged, unfinished, foreign, or out of range."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """Everything about a packed file but its codes and its length.

    Attributes
    ----------
    model : str
        Name of the model that made the codes, for people.
    fingerprint : str
        Identity of the model, checked before decoding.
    sample_rate : int
        Rate of the model, in Hz.
    hop_length : int
        Samples at that rate per frame.
    codebook_size : int
        Codes per codebook; at most 65536.
    num_codebooks : int
        Codebooks K in the file.
    channels : int
        Channels C of the source.
    source_rate : int
        Rate of the source, in Hz.
    gain_db : float
        Gain that was applied before encoding, to all channels alike.
    source_digest : str
        First 32 hex digits of the SHA-256 of the source file; '' if unknown.
    block_frames : int
        Frames per block: all blocks but the last have as many, so that the place
        of a frame in the file can be computed. Chosen from the rest if 0.

    Raises
    ------
    ContainerError
        If a value is not allowed.

    Example
    -------
    >>> header = Header(
    ...     model="16khz",
    ...     fingerprint="",
    ...     sample_rate=16000,
    ...     hop_length=320,
    ...     codebook_size=1024,
    ...     num_codebooks=12,
    ...     channels=1,
    ...     source_rate=16000,
    ... )
    >>> header.bitrate, header.block_frames, header.block_bytes
    (6.0, 56, 840)
    """

    model: str
    fingerprint: str
    sample_rate: int
    hop_length: int
    codebook_size: int
    num_codebooks: int
    channels: int
    source_rate: int
    gain_db: float = 0.0
    source_digest: str = ""
    block_frames: int = 0

    def __post_init__(self):
        for name in ("model", "fingerprint", "source_digest"):
            value = getattr(self, name)
            if not isinstance(value, str) or len(value) > 1000:
                raise ContainerError(f"{name}={value!r:.50}: a short text is needed.")
        for name, limit in _LIMITS.items():
            value = getattr(self, name)
            if name == "block_frames" and value == 0:
                continue
            if type(value) is not int or not 1 <= value <= limit:
                raise ContainerError(
                    f"{name}={value!r:.50}: a whole number from 1 to {limit} is needed."
                )
        if type(self.gain_db) not in (int, float) or not abs(self.gain_db) <= 200:
            raise ContainerError(f"gain_db={self.gain_db!r:.50}: at most 200 dB.")
        if self.block_frames == 0:
            frames = max(self.frame_rate, _MIN_BLOCK_BYTES * 8 / self.frame_bits)
            # A multiple of 8 frames is whole bytes, whatever a frame has.
            object.__setattr__(self, "block_frames", 8 * math.ceil(frames / 8))
        if self.block_bytes > _MAX_BLOCK_BYTES:
            raise ContainerError(
                f"a block of {self.block_frames} frames has {self.block_bytes} bytes; "
                f"at most {_MAX_BLOCK_BYTES} are allowed."
            )

    @property
    def frame_bits(self) -> int:
        """Bits of one frame, all channels and codebooks."""
        return self.channels * self.num_codebooks * bits_per_code(self.codebook_size)

    @property
    def block_bytes(self) -> int:
        """Bytes of one whole block, its CRC left out."""
        return packed_size(self.block_frames, self.frame_bits)

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.hop_length

    @property
    def bitrate(self) -> float:
        """Nominal kbps of all channels: frame_rate * C * K * log2(codebook_size)."""
        streams = self.channels * self.num_codebooks
        return self.frame_rate * streams * math.log2(self.codebook_size) / 1000

    def model_samples(self, num_samples: int) -> int:
        """Count the samples at the model's rate that a source of this length gives."""
        return -(-num_samples * self.sample_rate // self.source_rate)

    def num_frames(self, num_samples: int) -> int:
        """Count the frames that a source of this length gives."""
        return -(-self.model_samples(num_samples) // self.hop_length)

    def to_bytes(self) -> bytes:
        """Write the header as it stands in the file."""
        text = json.dumps(asdict(self), separators=(",", ":")).encode()
        if len(text) > 0xFFFF:
            raise ContainerError(f"the header has {len(text)} bytes; at most 65535.")
        data = _PRELUDE.pack(MAGIC, VERSION, len(text)) + text
        return data + _CRC.pack(zlib.crc32(data))


def read_header(file: BinaryIO, name: str) -> tuple[Header, bytes]:
    """Read a header and its bytes from the start of a file.

    Arguments
    ---------
    file : binary file
        Read from where it stands, at most 64 KiB.
    name : str
        What to call the file in errors.

    Returns
    -------
    Header
        The facts of the file.
    bytes
        The header as it stands in the file.

    Raises
    ------
    ContainerError
        If there is no header, or a damaged one.
    """
    prelude = file.read(_PRELUDE.size)
    if prelude[:4] != MAGIC:
        kind = "an empty file" if not prelude else "not a packed file of dac-lobe"
        raise ContainerError(f"{name} is {kind}. `dac-lobe encode` makes them.")
    if len(prelude) < _PRELUDE.size:
        raise ContainerError(f"{name} ends within its header.")
    _, version, length = _PRELUDE.unpack(prelude)
    if version != VERSION:
        raise ContainerError(
            f"{name} has format version {version}; this reader knows {VERSION}. "
            "Update dac-lobe, or the file is damaged."
        )
    rest = file.read(length + _CRC.size)
    data, crc = prelude + rest[:length], rest[length:]
    if len(crc) < _CRC.size:
        raise ContainerError(f"{name} ends within its header.")
    if _CRC.unpack(crc) != (zlib.crc32(data),):
        raise ContainerError(f"{name} has a damaged header (its CRC does not agree).")
    return _parse(rest[:length], name), data + crc


def _parse(text: bytes, name: str) -> Header:
    try:
        values: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ContainerError(f"{name} has a header that is not JSON.") from error
    if not isinstance(values, dict):
        raise ContainerError(f"{name} has a header that is not a JSON object.")
    known = {field.name for field in fields(Header)}
    missing = known - set(values)
    if missing:
        raise ContainerError(f"{name} has a header without {sorted(missing)}.")
    if values["block_frames"] == 0:
        raise ContainerError(f"{name} has a header with block_frames=0.")
    try:
        return Header(**{key: values[key] for key in known})
    except ContainerError as error:
        raise ContainerError(f"{name}: {error}") from error
