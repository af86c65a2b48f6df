"""An encoded recording in memory.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dac_lobe.container.framing import check_length, check_start, checked_codes
from dac_lobe.container.header import Header
from dac_lobe.container.reader import PackedReader
from dac_lobe.container.writer import PackedWriter

__all__ = ["Packed"]


@dataclass(frozen=True, eq=False, repr=False)
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
    >>> loaded
    Packed(16khz, 1.00 s, codes [1, 2, 50], 1.00 kbps)
    """

    header: Header
    codes: np.ndarray
    num_samples: int

    def __post_init__(self):
        object.__setattr__(self, "codes", checked_codes(self.codes, self.header))
        check_length(self.num_samples, self.codes.shape[-1], self.header)

    def __repr__(self) -> str:
        model = self.header.model or "unnamed model"
        shape = list(self.codes.shape)
        rate = f"{self.bitrate:.2f} kbps"
        return f"Packed({model}, {self.duration:.2f} s, codes {shape}, {rate})"

    def _repr_html_(self) -> str:
        """Show the facts as a table, in notebooks."""
        header = self.header
        facts = {
            "model": header.model or "unnamed",
            "duration": f"{self.duration:.2f} s",
            "source": f"{header.channels} x {header.source_rate} Hz",
            "codes": f"{header.num_codebooks} codebooks of {header.codebook_size}, "
            f"{self.num_frames} frames",
            "bitrate": f"{self.bitrate:.2f} kbps",
            "weights": header.fingerprint[:12] or "unknown",
        }
        rows = (f"<tr><th>{k}</th><td>{escape(v)}</td></tr>" for k, v in facts.items())
        return f"<table>{''.join(rows)}</table>"

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

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Yield the codes of frames ``start`` to ``stop``, as `PackedReader.blocks`."""
        check_start(start)
        stop = self.num_frames if stop is None else min(stop, self.num_frames)
        size = self.header.block_frames
        for first in range(start, stop, size):
            yield self.codes[..., first : min(first + size, stop)]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a file; it appears only when it is complete."""
        with PackedWriter(path, self.header) as writer:
            writer.write(self.codes)
            writer.finish(self.num_samples)
        return Path(path)

    @classmethod
    def load(
        cls, source: str | os.PathLike[str] | BinaryIO, *, partial: bool = False
    ) -> Packed:
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
