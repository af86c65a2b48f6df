"""Opus as a baseline, through libsndfile: no ffmpeg needed.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from evaluation.recordings.clips import resample
from evaluation.systems.coded import CodedOnDemand, next_rate
from evaluation.systems.system import Point, Rate, System

__all__ = ["Opus", "ogg_packets", "opus_payload_bytes"]

RATES = (8000, 12000, 16000, 24000, 48000)


def ogg_packets(stream: bytes) -> Iterator[int]:
    """Yield the length in bytes of each packet of an Ogg stream.

    A page (RFC 3533) is a header of 27 bytes, a table of segment lengths, and
    the segments; a packet ends at the first segment shorter than 255 bytes,
    perhaps pages later.

    Raises
    ------
    ValueError
        If the bytes are not whole Ogg pages.
    """
    position, packet = 0, 0
    while position < len(stream):
        header = stream[position : position + 27]
        if len(header) < 27 or header[:4] != b"OggS":
            raise ValueError(f"no Ogg page at byte {position} of {len(stream)}.")
        (segments,) = struct.unpack_from("B", header, 26)
        table = stream[position + 27 : position + 27 + segments]
        for length in table:
            packet += length
            if length < 255:
                yield packet
                packet = 0
        position += 27 + segments + sum(table)


def opus_payload_bytes(stream: bytes) -> int:
    """Bytes of coded audio in an Ogg Opus file: all but the two header packets."""
    return sum(list(ogg_packets(stream))[2:])


class Opus(System):
    """Opus at several qualities; variable rate, so the payload is measured.

    Arguments
    ---------
    qualities : sequence of float, optional
        libsndfile's compression levels, 0 (about 256 kbps) to 1 (about 6 kbps).

    Example
    -------
    >>> system = Opus([1.0])
    >>> tone = 0.1 * np.sin(np.arange(16000) / 5)
    >>> coded = system.encode(tone, 16000)
    >>> len(system.decode(coded, Point(setting="c=1"), 16000))
    16000
    """

    name = "opus"
    version = "1"

    def __init__(self, qualities: Sequence[float] | None = None):
        import soundfile

        levels = sorted(qualities or (1.0, 0.99, 0.97, 0.95, 0.92), reverse=True)
        bad = [level for level in levels if not 0 <= level <= 1]
        if bad:
            raise ValueError(f"opus:{bad[0]}: a compression level is from 0 to 1.")
        self._set_points(f"c={level:g}" for level in levels)
        self.library = soundfile.__libsndfile_version__

    def _set_points(self, settings: Iterable[str]) -> None:
        """Keep each setting once, and as no plain attribute: out of the fingerprint."""
        self._points = [Point(setting=setting) for setting in dict.fromkeys(settings)]

    def points(self, codebooks: Sequence[int] | None) -> list[Point]:
        """One point per setting, lowest rate first."""
        return list(self._points)

    def encode(self, wav: np.ndarray, sample_rate: int) -> CodedOnDemand[bytes]:
        """Bring the samples to the next rate that Opus knows."""
        rate = next_rate(RATES, sample_rate)
        own = resample(wav, sample_rate, rate)
        return CodedOnDemand(own, rate, sample_rate, self.write)

    def write(self, wav: np.ndarray, rate: int, setting: str) -> bytes:
        """Write samples [T] into an Ogg file at the setting of a point."""
        import soundfile

        file = io.BytesIO()
        level = float(setting.removeprefix("c="))
        soundfile.write(
            file, wav, rate, format="OGG", subtype="OPUS", compression_level=level
        )
        return file.getvalue()

    def decode(
        self, coded: CodedOnDemand[bytes], point: Point, length: int
    ) -> np.ndarray:
        """Code at one setting and return to the rate that was given to `encode`."""
        import soundfile

        file = io.BytesIO(coded.at(point.setting))
        wav, rate = soundfile.read(file, dtype="float32")
        return resample(wav, rate, coded.scoring_rate)[:length]

    def rate(self, coded: CodedOnDemand[bytes], point: Point, length: int) -> Rate:
        """Payload and file size."""
        stream = coded.at(point.setting)
        return Rate(emitted=8 * opus_payload_bytes(stream), file=8 * len(stream))
