"""Pitch and voicing of speech, found by Praat in both signals.

A codec keeps time, so frames are compared where they are, without warping.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import numpy as np

from evaluation.errors import MetricError
from evaluation.metrics.metric import import_package

__all__ = ["f0_rmse_cents", "gross_pitch_error", "pitch", "voicing_error"]

STEP_SECONDS = 0.01
FLOOR_HZ, CEILING_HZ = 60.0, 500.0


def pitch(wav: np.ndarray, sample_rate: int) -> np.ndarray:
    """Track the pitch by autocorrelation (Boersma, 1993).

    Arguments
    ---------
    wav : np.ndarray
        Shape [T].
    sample_rate : int
        In Hz.

    Returns
    -------
    np.ndarray
        Hertz every 10 ms, between 60 and 500; 0 where there is no voice.
    """
    parselmouth = import_package("parselmouth", "praat-parselmouth")
    try:
        track = parselmouth.Sound(wav, sample_rate).to_pitch_ac(
            time_step=STEP_SECONDS, pitch_floor=FLOOR_HZ, pitch_ceiling=CEILING_HZ
        )
    except parselmouth.PraatError as error:
        raise MetricError(f"Praat: {str(error).splitlines()[0]}") from error
    return np.asarray(track.selected_array["frequency"])


def _voiced(
    reference: np.ndarray, output: np.ndarray, sample_rate: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both tracks, and the frames that are voiced in both."""
    x, y = pitch(reference, sample_rate), pitch(output, sample_rate)
    if not (x > 0).any():
        raise MetricError("the reference has no voice in it")
    return x, y, (x > 0) & (y > 0)


def f0_rmse_cents(reference: np.ndarray, output: np.ndarray, sample_rate: int) -> float:
    """Compute the root mean square pitch error in cents, where both are voiced."""
    x, y, both = _voiced(reference, output, sample_rate)
    if not both.any():
        raise MetricError("no frame is voiced in both")
    return float(np.sqrt(np.mean((1200 * np.log2(y[both] / x[both])) ** 2)))


def gross_pitch_error(
    reference: np.ndarray, output: np.ndarray, sample_rate: int
) -> float:
    """Compute the share of frames voiced in both whose pitch is off by over 20 %."""
    x, y, both = _voiced(reference, output, sample_rate)
    if not both.any():
        raise MetricError("no frame is voiced in both")
    return float(100 * np.mean(np.abs(y[both] / x[both] - 1) > 0.2))


def voicing_error(reference: np.ndarray, output: np.ndarray, sample_rate: int) -> float:
    """Compute the share of frames that are voiced in one signal only, in percent."""
    x, y, _ = _voiced(reference, output, sample_rate)
    return float(100 * np.mean((x > 0) != (y > 0)))
