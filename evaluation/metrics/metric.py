"""What a metric is: a function, and everything needed to sign its numbers.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from evaluation.errors import MetricError, MissingPackage
from evaluation.metrics.waveform import refuse_silence

__all__ = [
    "Metric",
    "Weighted",
    "import_package",
    "validate",
    "weights_path",
]


class Weighted(NamedTuple):
    """A score that counts for more than one, as an error rate does for its words."""

    value: float
    weight: float


@dataclass(frozen=True)
class Metric:
    """A named, versioned measure of an output against a reference.

    Arguments
    ---------
    name : str
        Column name, pinned: another definition gets another name.
    function : str
        Where the function lives, ``module:function``. It takes the reference
        and the output, both of shape [T] in float64, and the sample rate in
        Hz, and returns a float (or a `Weighted`) or raises `MetricError`.
    title : str
        A few words for a table head.
    definition : str
        What is computed, fully enough to compute it again.
    source : str
        Who defined it.
    higher_is_better : bool
        Direction.
    unit : str
        Unit, or an empty string.
    domain : str
        'any', or 'speech' for measures that mean nothing on music.
    aligned : bool
        Whether the system's delay is taken out before scoring.
    package : str
        Distribution that computes it; its version is part of the definition.
    decimals : int
        Digits shown in tables for reading.
    revision : int
        Raised when our own code changes a number, so that caches notice.
    options : tuple
        Pairs of a keyword and its value, passed to the function.
    identity : str
        What the options stand for, as the name and hash of a model.
    wants_transcript : bool
        Whether the function takes ``transcript=`` too.
    engine : str
        Distribution that runs the package's weights; part of the definition too.
    weights : tuple of str
        Files of weights, as ``package:path``; their hash is part of the version.
    intrusive : bool
        Whether the reference is looked at, which must not be silent then; if not, the
        recording can be rated too.
    language : str
        The one that its model knows, as 'en'; empty if any will do.

    Example
    -------
    >>> from evaluation.metrics import METRICS
    >>> METRICS["si_sdr_raw"](np.array([3, -0.5, 2, 7]), np.array([2.5, 0, 2, 8]), 8000)
    15.0917...
    """

    name: str
    function: str
    title: str
    definition: str
    source: str
    higher_is_better: bool
    unit: str = ""
    domain: str = "any"
    aligned: bool = False
    package: str = ""
    decimals: int = 3
    revision: int = 1
    options: tuple[tuple[str, str], ...] = ()
    identity: str = ""
    wants_transcript: bool = False
    engine: str = ""
    weights: tuple[str, ...] = ()
    intrusive: bool = True
    language: str = ""

    @property
    def version(self) -> str:
        """What the number depends on beside the audio, in one short string."""
        parts = [f"r{self.revision}"]
        for package in filter(None, (self.engine, self.package)):
            try:
                parts.insert(0, f"{package} {version(package)}")
            except PackageNotFoundError:
                parts.insert(0, f"{package} not installed")
        parts += [self.identity] if self.identity else []
        if self.weights:
            parts.append(f"weights {_digest(self.weights)}")
        return ", ".join(parts)

    def weighted(
        self,
        reference: np.ndarray,
        output: np.ndarray,
        sample_rate: int,
        transcript: str = "",
    ) -> Weighted:
        """Score ``output`` against ``reference``, both [T], or raise a MetricError."""
        reference, output = validate(reference, output)
        if self.intrusive:  # there is nothing to compare with
            refuse_silence("reference", reference)
        module, _, name = self.function.partition(":")
        options = dict(self.options)
        if self.wants_transcript:
            options["transcript"] = transcript
        result = getattr(import_module(module), name)(
            reference, output, sample_rate, **options
        )
        if not isinstance(result, Weighted):
            result = Weighted(result, 1.0)
        result = Weighted(float(result.value), float(result.weight))
        if not np.isfinite(result).all():
            raise MetricError(f"the result is {result.value}, not a number")
        return result

    def __call__(
        self, reference: np.ndarray, output: np.ndarray, sample_rate: int
    ) -> float:
        """Score ``output`` against ``reference``, both [T], or raise a MetricError."""
        return self.weighted(reference, output, sample_rate).value


def weights_path(weights: str) -> Path:
    """Find a file of weights, ``package:path``, without importing the package.

    Raises
    ------
    MissingPackage
        If the package is not installed.
    """
    package, _, path = weights.partition(":")
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingPackage(
            f"{package} is not installed. Install dac-lobe[perception]."
        )
    found = Path(spec.submodule_search_locations[0]) / path
    if not found.is_file():
        raise MissingPackage(f"{package} lacks its file {path}. Install it again.")
    return found


@lru_cache(maxsize=32)
def _digest(weights: tuple[str, ...]) -> str:
    """Hash files of weights: 12 hexadecimal digits, or 'missing'."""
    sha = hashlib.sha256()
    for name in weights:
        try:
            with weights_path(name).open("rb") as file:
                sha.update(hashlib.file_digest(file, "sha256").digest())
        except (MissingPackage, OSError):
            return "missing"
    return sha.hexdigest()[:12]


def import_package(name: str, distribution: str) -> ModuleType:
    """Import what a metric needs, or say how to install it.

    Raises
    ------
    MissingPackage
        If it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingPackage(
            f"not installed: pip install {distribution} ({error})"
        ) from error


def validate(
    reference: np.ndarray, output: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return both signals as float64 [T], or say what makes them unfit for any metric.

    They are copies: a metric that changes them changes no other score.

    Raises
    ------
    MetricError
        If one is not [T], is empty, holds NaN or infinite samples, or if their
        lengths differ.
    """
    signals = []
    for name, signal in (("reference", reference), ("output", output)):
        signal = np.array(signal, dtype=np.float64)
        if signal.ndim != 1:
            raise MetricError(f"the {name} has shape {signal.shape}; [T] is needed")
        if signal.size == 0:
            raise MetricError(f"the {name} is empty")
        if not np.isfinite(signal).all():
            raise MetricError(f"the {name} holds NaN or infinite samples")
        signals.append(signal)
    if signals[0].size != signals[1].size:
        raise MetricError(
            f"the reference has {signals[0].size} samples, the output {signals[1].size}"
        )
    return signals[0], signals[1]
