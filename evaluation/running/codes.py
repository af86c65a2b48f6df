"""Codes of a recording: made once, kept on disk, and read by all who decode them.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from evaluation.recordings.clips import Clip, resample
from evaluation.running.cache import cache_key
from evaluation.running.replacing import replacing
from evaluation.systems import CodebookSystem, ScaledCodes, System
from evaluation.systems.scaled import as_codes

__all__ = ["codes_file", "encode", "identity", "load_codes"]

logger = logging.getLogger(__name__)


def identity(system: System, fingerprint: str, clip: Clip) -> str:
    """Identify what encodes a clip; where it is told the clip's name, with that.

    Two recordings of the same bytes may have been decoded to different files.
    """
    named = type(system).encode_clip is not System.encode_clip
    return f"{fingerprint} {clip.name}" if named else fingerprint


def codes_file(
    cache: str | Path, system: System, fingerprint: str, clip: Clip, sample_rate: int
) -> Path:
    """Say where the codes of a clip belong.

    Arguments
    ---------
    cache : str or Path
        Folder of the cache.
    system : System
        The codec.
    fingerprint : str
        Of the codec, made once: it may have to read all weights.
    clip : Clip
        The recording.
    sample_rate : int
        Scoring rate in Hz, which the codec's input comes from.

    Returns
    -------
    Path
        Below ``cache``; there may be nothing yet.
    """
    who = identity(system, fingerprint, clip)
    key = cache_key("codes", clip.sha256, sample_rate, who)
    return Path(cache) / "codes" / key[:2] / f"{key}.npy"


def encode(
    system: System, clip: Clip, wav: np.ndarray, sample_rate: int, kept: Path | None
) -> Any:
    """Encode a clip, or read the codes of an earlier run.

    Arguments
    ---------
    system : System
        Loaded.
    clip : Clip
        The recording.
    wav : np.ndarray
        Its samples, shape [T].
    sample_rate : int
        Of ``wav`` in Hz; the system is given its own rate.
    kept : Path, optional
        From `codes_file`; codes that are not there yet are written there.

    Returns
    -------
    Any
        What ``system.reconstruct`` takes.

    Raises
    ------
    ValueError
        If these are not the codes that a `CodebookSystem` declares.
    """
    coded = load_codes(kept) if kept is not None else None
    if coded is None:
        own = system.sample_rate or sample_rate
        # A copy: what a codec does to its input is not done to the reference.
        given = resample(wav, sample_rate, own).copy()
        coded = system.encode_clip(clip, given, own)
        if isinstance(system, CodebookSystem):
            coded = as_codes(coded)
            _check(system, coded)
            if kept is not None:
                _save(kept, coded)
    return coded


def load_codes(path: Path) -> np.ndarray | ScaledCodes | None:
    """Read codes; None if there are none, or none that can be read."""
    try:
        kept = np.load(path, allow_pickle=False)
        if isinstance(kept, np.ndarray):
            return kept
        with kept:  # an archive: codes that have scales
            return ScaledCodes(**{name: kept[name] for name in ScaledCodes._fields})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
        logger.warning("%s cannot be read (%s); encoding again", path.name, error)
        return None


def _check(system: CodebookSystem, coded: np.ndarray | ScaledCodes) -> None:
    """Raise where rates and entropies would be those of another codec."""
    codes = coded.codes if isinstance(coded, ScaledCodes) else coded
    if len(codes) < system.num_codebooks:
        raise ValueError(
            f"codes of shape {codes.shape}, and num_codebooks is {system.num_codebooks}"
        )
    if codes.size and not 0 <= codes.min() <= codes.max() < system.codebook_size:
        raise ValueError(
            f"codes from {codes.min()} to {codes.max()}, and codebook_size is "
            f"{system.codebook_size}"
        )


def _save(path: Path, coded: np.ndarray | ScaledCodes) -> None:
    """Keep codes for the next run, whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, temporary.open("wb") as file:
            if isinstance(coded, ScaledCodes):
                np.savez(file, **coded._asdict())
            else:
                np.save(file, coded)
    except OSError as error:  # the run has its codes all the same
        logger.info("codes cannot be kept: %s", error)
