"""What a codec under test is: something that encodes once and decodes many prefixes.

To add one, write a class of about fifteen lines (docs/evaluation.md):

    class Mine(CodebookSystem):
        name, version = "mine", "1"
        sample_rate, frame_rate, num_codebooks, codebook_size = 16000, 50, 8, 1024

        def load(self):
            self.codec = my_package.load("weights.bin")

        def encode(self, wav, sample_rate):
            return self.codec.encode(wav)                  # integers [K, F]

        def decode(self, codes, point, length):
            return self.codec.decode(codes)[:length]       # samples [T]

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from evaluation.recordings.clips import Clip, resample
from evaluation.systems.attributes import write_down
from evaluation.systems.coded import copy_of
from evaluation.systems.scaled import SCALE_BITS, ScaledCodes, first_codebooks

__all__ = [
    "CodebookSystem",
    "Point",
    "Rate",
    "System",
    "own_length",
]

logger = logging.getLogger(__name__)

OURS = "evaluation."  # modules of this package
_FULL_SCALE = {"int16": 32768, "int32": 2147483648}


@dataclass(frozen=True, order=True)
class Point:
    """One operating point of a system.

    Arguments
    ---------
    num_codebooks : int, optional
        Codebooks decoded, for codecs that have them.
    setting : str
        What else chooses the rate, for those that do not.

    Example
    -------
    >>> str(Point(num_codebooks=4)), str(Point(setting="c=0.95"))
    ('K=4', 'c=0.95')
    """

    num_codebooks: int | None = None
    setting: str = ""

    def __str__(self) -> str:
        codebooks = "" if self.num_codebooks is None else f"K={self.num_codebooks}"
        return " ".join(part for part in (codebooks, self.setting) if part)


@dataclass(frozen=True)
class Rate:
    """What one clip cost at one operating point, in bits; None where unknown.

    Arguments
    ---------
    emitted : float, optional
        Bits of the tokens or the payload that were really produced.
    file : float, optional
        Bits of the compressed file, headers and all.
    """

    emitted: float | None = None
    file: float | None = None


class System(ABC):
    """A codec, or a control, under test.

    Instances travel to worker processes before `load` is called, so what
    cannot be pickled belongs into `load`.

    Attributes
    ----------
    name : str
        The ``system`` of the tables.
    version : str
        Raise it when outputs change for a reason that the fingerprint cannot see.
    sample_rate : int or None
        Rate of `encode` and `decode` in Hz; None if any rate will do.
    control : bool
        Whether it is a limit to look at, and no codec.
    """

    name: str = ""
    version: str = "1"
    sample_rate: int | None = None
    control: bool = False

    def fingerprint(self) -> str:
        """Identify what the output depends on beside the point, for the cache.

        By default the class, its version and the attributes, its own and those of its
        classes, that can be written down: see `evaluation.systems.attributes`. Others
        are named in a warning; a system with weights adds their hash.
        The cache's keys have the point already: one more must not change the
        fingerprint, or all others are computed again.
        """
        kind = type(self)
        held = {**_of_classes(kind), **vars(self)}
        known, unknown = write_down(held)
        unseen = tuple(key for key in unknown if not _is_of_points(held[key]))
        if unseen and not kind.__module__.startswith(OURS):
            _warn(self.name, unseen)
        identity = [f"{kind.__module__}.{kind.__qualname__}", self.version, known]
        text = json.dumps(identity, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def load(self) -> None:
        """Make ready to encode; called once in each process that does."""
        return None

    def points(self, codebooks: Sequence[int] | None) -> list[Point]:
        """Operating points to evaluate, lowest rate first."""
        return [Point()]

    def encode_clip(self, clip: Clip, wav: np.ndarray, sample_rate: int) -> Any:
        """Encode one clip; systems that need its name override this."""
        return self.encode(wav, sample_rate)

    @abstractmethod
    def encode(self, wav: np.ndarray, sample_rate: int) -> Any:
        """Encode samples [T] once, for all operating points."""

    @abstractmethod
    def decode(self, coded: Any, point: Point, length: int) -> np.ndarray:
        """Decode at one operating point into samples [T], ``length`` if it can.

        Leave tensors as they are: they serve all points. Arrays are copies.
        """

    def kbps(self, point: Point, sample_rate: int) -> float | None:
        """Nominal rate in kbps; None if there is none, as with variable rates."""
        return None

    def rate(self, coded: Any, point: Point, length: int) -> Rate:
        """Count what one clip of ``length`` samples cost."""
        return Rate()

    def reconstruct(
        self, coded: Any, point: Point, length: int, sample_rate: int
    ) -> np.ndarray:
        """Decode, and return to the scoring rate; a ValueError if these are no floats."""
        own = self.sample_rate or sample_rate
        wanted = own_length(length, sample_rate, own)
        wav = np.asarray(self.decode(copy_of(coded), point, wanted))
        if np.issubdtype(wav.dtype, np.integer):  # PCM, which would be scored as it is
            full = _FULL_SCALE.get(str(wav.dtype), "full scale")
            said = "float samples in [-1, 1] are needed, got"
            raise ValueError(f"{said} {wav.dtype}; divide by {full}")
        return resample(np.atleast_1d(wav.squeeze()), own, sample_rate)


def _of_classes(kind: type) -> dict[str, Any]:
    """Attributes that a class has from itself and its bases; ours have a version."""
    held: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        if not base.__module__.startswith(OURS):
            held |= vars(base)
    return {
        key: value
        for key, value in held.items()
        # Neither code nor what Python itself keeps.
        if not key.startswith(("__", "_abc_"))
        and not hasattr(value, "__get__")
        and not isinstance(value, type)
    }


def _is_of_points(value: Any) -> bool:
    """Whether it is an operating point, or several, which keys have already."""
    several = value if isinstance(value, (tuple, list)) else (value,)
    return all(isinstance(one, Point) for one in several)


@lru_cache(maxsize=64)  # once
def _warn(name: str, unseen: tuple[str, ...]) -> None:
    logger.warning(
        "%s: the cache cannot see what is in %s, and scores of an earlier run are taken "
        "whatever it is. Raise `version` where that changes the output.",
        name,
        ", ".join(unseen),
    )


class CodebookSystem(System):
    """A codec with residual codebooks, prefixes of which can be decoded.

    Attributes
    ----------
    frame_rate : float
        Frames per second, in Hz.
    num_codebooks : int
        Codebooks K.
    codebook_size : int
        Codes per codebook.
    fewest_codebooks : int
        Length of the shortest prefix that can be decoded; K if only all can.
    scale_rate : float
        Scales per second, in Hz, that go with the codes as `ScaledCodes`; 0 for
        most codecs.
    """

    frame_rate: float
    num_codebooks: int
    codebook_size: int
    fewest_codebooks: int = 1
    scale_rate: float = 0

    def points(self, codebooks: Sequence[int] | None) -> list[Point]:
        """One point per number of codebooks; all powers of two and K by default.

        A codec whose codebooks go together has one point, whatever is asked for.
        """
        fewest, most = self.fewest_codebooks, self.num_codebooks
        if fewest == most:
            return [Point(num_codebooks=most)]
        if codebooks is None:
            powers = [2**n for n in range(most.bit_length())]
            codebooks = [fewest, *(k for k in powers if fewest < k < most), most]
        bad = [k for k in codebooks if not fewest <= k <= most]
        if bad or not codebooks:
            raise ValueError(
                f"codebooks {', '.join(map(str, bad)) or '(none)'} asked of "
                f"{self.name}, which has {most}. Choose from {fewest} to {most}."
            )
        return [Point(num_codebooks=k) for k in sorted(set(codebooks))]

    def kbps(self, point: Point, sample_rate: int) -> float:
        """Nominal rate: frame_rate * K * log2(codebook_size) / 1000, and the scales."""
        used = point.num_codebooks or self.num_codebooks
        codes = self.frame_rate * used * self._bits_per_code
        return (codes + self._scale_bits_per_second) / 1000

    def entropy_kbps(self, point: Point, bits: Sequence[float]) -> float:
        """Rate of an ideal coder that spends ``bits`` on a token of each codebook."""
        codes = self.frame_rate * sum(bits[: point.num_codebooks])
        return (codes + self._scale_bits_per_second) / 1000

    def rate(self, coded: np.ndarray | ScaledCodes, point: Point, length: int) -> Rate:
        """Count the codes that were really produced, and the scales."""
        prefix = first_codebooks(coded, point.num_codebooks)
        if isinstance(prefix, ScaledCodes):
            bits = prefix.codes.size * self._bits_per_code + prefix.scale_bits
        else:
            bits = prefix.size * self._bits_per_code
        return Rate(emitted=bits)

    def reconstruct(
        self,
        coded: np.ndarray | ScaledCodes,
        point: Point,
        length: int,
        sample_rate: int,
    ) -> np.ndarray:
        """Decode the first codebooks, and return to the scoring rate."""
        prefix = first_codebooks(coded, point.num_codebooks)
        return super().reconstruct(prefix, point, length, sample_rate)

    @property
    def _scale_bits_per_second(self) -> float:
        return SCALE_BITS * self.scale_rate

    @property
    def _bits_per_code(self) -> float:
        return math.log2(self.codebook_size)


def own_length(length: int, sample_rate: int, own: int) -> int:
    """Length at rate ``own`` of ``length`` samples at ``sample_rate``, as soxr rounds."""
    return length if own == sample_rate else round(length * own / sample_rate)
