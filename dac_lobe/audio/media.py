"""Containers that libsndfile does not read: m4a, mp4, webm, mka, wma; through PyAV.

PyAV and not torchcodec: its wheels bring FFmpeg along, it reads from open files, and
it does not tie itself to one version of torch.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from dac_lobe.disk.suffixes import AUDIO_SUFFIXES

__all__ = ["MediaSound", "has_decoder", "readable_suffixes"]

_SUFFIXES = frozenset(".aac .m4a .mka .mkv .mov .mp4 .webm .wma".split())


def has_decoder() -> bool:
    """Tell whether PyAV is installed."""
    return importlib.util.find_spec("av") is not None


def readable_suffixes() -> frozenset[str]:
    """Return the endings by which audio is found in a folder, with what is installed."""
    return AUDIO_SUFFIXES | (_SUFFIXES if has_decoder() else frozenset())


class MediaSound:
    """The first audio stream of a container, block by block.

    Arguments
    ---------
    file : binary file
        The container, open.

    Raises
    ------
    ValueError
        If it cannot be decoded, or has no audio.
    """

    format = "MEDIA"  # its length is an estimate
    _container: Any = None

    def __init__(self, file: BinaryIO):
        self._file = file
        self._open()
        stream = self._container.streams.audio[0]
        self.samplerate = int(stream.rate)
        self.channels = int(stream.channels)
        length = stream.duration and float(stream.duration * stream.time_base)
        if self._container.format.name == "aac":
            # Without a header: FFmpeg guesses from the bitrate of the first frames.
            packets = self._container.demux(stream)
            ticks = sum(packet.duration or 0 for packet in packets)
            length = float(ticks * stream.time_base)
        if not length and self._container.duration:
            length = self._container.duration / 1e6  # in AV_TIME_BASE
        # Recorders that stream do not know the length: it is counted.
        self.frames = (
            round(length * self.samplerate) if length else sum(map(len, self._blocks))
        )
        self._position = -1

    @staticmethod
    def looks_like_media(file: BinaryIO) -> bool:
        """Tell by the first bytes whether a file is one of these containers."""
        file.seek(0)
        head = file.read(16)
        file.seek(0)
        return (
            head[4:8] == b"ftyp"  # mp4, m4a, mov
            or head[:4] == b"\x1aE\xdf\xa3"  # webm, mka, mkv
            or head[:4] == b"0&\xb2u"  # wma
            or (head[:1] == b"\xff" and head[1:2] in b"\xf0\xf1\xf8\xf9")  # aac
        )

    def _open(self) -> None:
        """Begin at the beginning."""
        import av

        self.close()
        self._file.seek(0)
        try:
            self._container = av.open(self._file, metadata_errors="ignore")
        except (av.FFmpegError, ValueError) as error:
            raise ValueError(str(error)) from error
        if not self._container.streams.audio:
            raise ValueError("it has no audio stream")
        self._blocks = self._decoded()
        self._rest = np.zeros((0, 1), dtype=np.float32)

    def _decoded(self) -> Iterator[np.ndarray]:
        """Yield frames as float32 [n, C]."""
        import av

        to_float = av.AudioResampler(format="fltp")
        try:
            for frame in self._container.decode(audio=0):
                for part in to_float.resample(frame):
                    yield part.to_ndarray().T
            for part in to_float.resample(None):
                yield part.to_ndarray().T
        except av.FFmpegError as error:
            raise ValueError(str(error)) from error

    def seek(self, position: int) -> int:
        """Go on at a sample: from the start, so that every way gives the same."""
        if position < self._position or self._position < 0:
            self._open()
            self._position = 0
        while self._position < position:
            if not len(self.read(min(65536, position - self._position))):
                break
        return position

    def read(self, size: int, **_: Any) -> np.ndarray:
        """Return the next samples, [n, C]."""
        parts, have = [self._rest], len(self._rest)
        while have < size:
            block = next(self._blocks, None)
            if block is None:
                break
            parts.append(block)
            have += len(block)
        parts = [part for part in parts if len(part)]
        whole = np.concatenate(parts) if parts else self._rest[:0]
        self._rest = whole[size:]
        self._position += len(whole[:size])
        return whole[:size]

    def close(self) -> None:
        """Close the container; the file is its owner's."""
        if self._container is not None:
            self._container.close()
            self._container = None
