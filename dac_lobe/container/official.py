"""The official package's ``.dac`` files: a pickled dictionary, read safely.

    .npy header | pickle of {"codes": uint16 [C, K, F], "metadata": {...}}

The official package codes long recordings in chunks without padding: the chunks
overlap in time, and each is decoded alone, so a file stores more frames than the
recording has. It does not say which model it belongs to.

Format: ``DACFile`` of https://github.com/descriptinc/descript-audio-codec 1.0.0.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import os
import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from dac_lobe.container.header import ContainerError
from dac_lobe.container.pickled import PickleError, read_pickle
from dac_lobe.disk.atomic import replacing
from dac_lobe.disk.inputs import name_of, open_input

__all__ = ["OfficialFile", "is_official"]

_MAGIC = b"\x93NUMPY"
_VERSION = "1.0.0"


@dataclass(frozen=True, eq=False)
class OfficialFile:
    """What an official ``.dac`` file holds.

    Attributes
    ----------
    codes : numpy.ndarray
        Codes of shape [C, K, F], F over all chunks.
    chunk_length : int
        Frames per chunk; each is decoded alone.
    original_length : int
        Samples of the source, at its rate.
    input_db : float
        Loudness of the source in LUFS; the codes are of the source at another.
    channels : int
        Channels of the source.
    sample_rate : int
        Rate of the source, in Hz.
    padding : bool
        Whether the network pads: true for one chunk, false for several.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> file = OfficialFile(np.zeros((1, 9, 87)), 87, 44100, -23.0, 1, 44100, True)
    >>> with TemporaryDirectory() as folder:
    ...     loaded = OfficialFile.load(file.save(Path(folder) / "second.dac"))
    >>> loaded.codes.shape, loaded.codes.dtype, loaded.input_db
    ((1, 9, 87), dtype('uint16'), -23.0)
    """

    codes: np.ndarray
    chunk_length: int
    original_length: int
    input_db: float
    channels: int
    sample_rate: int
    padding: bool

    @classmethod
    def load(cls, source: str | os.PathLike[str] | BinaryIO) -> OfficialFile:
        """Read a file; nothing in it is executed.

        Raises
        ------
        ContainerError
            If it is not such a file, is damaged, or holds anything else.
        """
        if isinstance(source, (str, os.PathLike)):
            data = Path(source).read_bytes()
        else:
            source.seek(0)
            data = source.read()
        try:
            return cls(**_checked(read_pickle(_after_npy_header(data))))
        except (PickleError, ContainerError) as error:
            raise ContainerError(
                f"{name_of(source)} is not a .dac file of the official package: {error}"
            ) from error

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a file that the official package reads."""
        metadata = {
            "input_db": np.array([self.input_db], dtype=np.float32),
            "original_length": self.original_length,
            "sample_rate": self.sample_rate,
            "chunk_length": self.chunk_length,
            "channels": self.channels,
            "padding": self.padding,
            "dac_version": _VERSION,
        }
        box = np.empty((), dtype=object)
        box[()] = {"codes": np.asarray(self.codes, np.uint16), "metadata": metadata}
        # numpy 2 renamed the module that arrays are pickled by; both versions
        # know the old name. In protocol 3 names are lines of text.
        data = pickle.dumps(box, protocol=3)
        data = data.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
        with replacing(path) as file:
            np.lib.format.write_array_header_1_0(
                file, np.lib.format.header_data_from_array_1_0(box)
            )
            file.write(data)
        return Path(path)


def is_official(source: str | os.PathLike[str] | BinaryIO) -> bool:
    """Say whether a file begins like one of the official package."""
    if isinstance(source, (str, os.PathLike)):
        with open_input(source) as file:
            return file.read(len(_MAGIC)) == _MAGIC
    source.seek(0)
    return source.read(len(_MAGIC)) == _MAGIC


def _after_npy_header(data: bytes) -> bytes:
    """Skip the header of a .npy file that holds one object."""
    width = {1: 2, 2: 4, 3: 4}.get(data[6] if len(data) > 7 else 0)
    if data[:6] != _MAGIC or width is None:
        raise ContainerError("it is not a .npy file.")
    start = 8 + width
    stop = start + int.from_bytes(data[8:start], "little")
    if (
        not re.search(rb"'descr': *'\|O'", data[start:stop])
        or b"()" not in (data[start:stop])
    ):
        raise ContainerError("its .npy header does not announce one object.")
    return data[stop:]


def _checked(content: Any) -> dict[str, Any]:
    """Return the fields with their types and ranges verified."""
    metadata = content.get("metadata") if isinstance(content, dict) else None
    if not isinstance(metadata, dict):
        raise ContainerError("it has no metadata.")
    version = metadata.get("dac_version")
    if version != _VERSION:
        raise ContainerError(f"its version is {version!r:.20}; known is {_VERSION}.")
    codes = content.get("codes")
    if (
        not isinstance(codes, np.ndarray)
        or codes.ndim != 3
        or codes.dtype.kind not in "iu"
    ):
        raise ContainerError("its codes are not whole numbers of shape [C, K, F].")
    loudness = np.asarray(metadata.get("input_db"))
    if loudness.size != 1 or loudness.dtype.kind not in "iuf":
        raise ContainerError("its input_db is not one number.")
    numbers = {}
    for key in ("chunk_length", "original_length", "channels", "sample_rate"):
        value = metadata.get(key)
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if value is None or not whole or not 1 <= value < 1 << 40:
            raise ContainerError(f"its {key} is {value!r:.20}.")
        numbers[key] = int(value)
    if numbers["sample_rate"] > 10_000_000:
        raise ContainerError(f"its sample_rate is {numbers['sample_rate']}.")
    if codes.shape[0] != numbers["channels"]:
        raise ContainerError(
            f"its codes {codes.shape} are not those of {numbers['channels']} channels."
        )
    if not isinstance(metadata.get("padding"), (bool, np.bool_)):
        raise ContainerError("its padding is neither true nor false.")
    if not abs(float(loudness.reshape(()))) <= 200:
        raise ContainerError(f"its input_db is {float(loudness.reshape(()))}.")
    return {
        "codes": codes,
        "input_db": float(loudness.reshape(())),
        "padding": bool(metadata["padding"]),
        **numbers,
    }
