"""A clip as models of speech take it: 16 kHz, within full scale, not silent.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import numpy as np

from evaluation.errors import MetricError, SilenceError
from evaluation.recordings.clips import resample

__all__ = ["SAMPLE_RATE", "check_level", "speech"]

SAMPLE_RATE = 16000
SILENCE_DB = -70.0


def speech(
    wav: np.ndarray, sample_rate: int, name: str = "output", seconds: float = 0.0
) -> np.ndarray:
    """Bring a clip to 16 kHz, within [-1, 1].

    Arguments
    ---------
    wav : np.ndarray
        Shape [T].
    sample_rate : int
        In Hz.
    name : str
        What it is called in an error: 'output' or 'reference'.
    seconds : float
        The shortest clip that the model takes.

    Returns
    -------
    np.ndarray
        Shape [T'], float32.

    Raises
    ------
    MetricError
        If the clip is too short; a SilenceError if it is below -70 dBFS.

    Example
    -------
    >>> speech(np.full(8000, 2.0), 8000).shape
    (16000,)
    """
    if len(wav) < seconds * sample_rate:
        raise MetricError(
            f"the {name} is too short: {len(wav) / sample_rate:.2f} s, and "
            f"{seconds:g} s are needed"
        )
    wav = resample(wav.astype(np.float32), sample_rate, SAMPLE_RATE)
    if not len(wav):
        raise MetricError(f"nothing is left of the {name} at {SAMPLE_RATE} Hz")
    check_level(wav, name)
    return wav.clip(-1.0, 1.0)


def check_level(wav: np.ndarray, name: str = "output") -> None:
    """Raise a SilenceError if ``wav`` [T], called ``name`` there, is below -70 dBFS."""
    if 10 * np.log10(np.mean(np.square(wav, dtype=np.float64)) + 1e-20) < SILENCE_DB:
        raise SilenceError(f"the {name} is silent")
