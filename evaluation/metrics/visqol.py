"""ViSQOL v3 through visqol-python, which agrees with Google's conformance values.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from evaluation.errors import MetricError
from evaluation.metrics.metric import import_package
from evaluation.metrics.waveform import refuse_silence
from evaluation.recordings.clips import resample

__all__ = ["visqol_audio", "visqol_speech"]

AUDIO_RATE, SPEECH_RATE = 48000, 16000
MIN_SECONDS = 1.0
QUIETEST_DB = -60.0  # below, its floor hides both signals: the best score for anything


@lru_cache(maxsize=2)
def _judge(mode: str) -> Any:
    api = import_package("visqol", "visqol-python").VisqolApi()
    # The fitted exponential; the lattice needs one more runtime, and which of
    # the two is used must not depend on what happens to be installed.
    api.create(mode=mode, use_lattice_model=False if mode == "speech" else None)
    return api


def _visqol(
    reference: np.ndarray, output: np.ndarray, sample_rate: int, mode: str, rate: int
) -> float:
    refuse_silence("output", output)  # the best score, or NaN
    level = 20 * np.log10(max(float(np.std(reference)), 1e-20))
    if level < QUIETEST_DB:
        raise MetricError(
            f"the reference is too quiet for ViSQOL: {level:.0f} dBFS without its mean; "
            f"{QUIETEST_DB:g} are needed"
        )
    if reference.size < MIN_SECONDS * sample_rate:
        raise MetricError(
            f"{reference.size / sample_rate:.2f} s are too short; {MIN_SECONDS:g} s "
            "are needed, 5 to 10 s recommended"
        )
    reference, output = (
        resample(signal, sample_rate, rate) for signal in (reference, output)
    )
    return float(_judge(mode).measure_from_arrays(reference, output, rate).moslqo)


def visqol_audio(reference: np.ndarray, output: np.ndarray, sample_rate: int) -> float:
    """Compute ViSQOL v3 in audio mode: 48 kHz, support vector regression.

    Arguments
    ---------
    reference : np.ndarray
        Shape [T], 1 s or more; 5 to 10 s are recommended.
    output : np.ndarray
        Shape [T].
    sample_rate : int
        In Hz; both are resampled to 48 kHz.

    Returns
    -------
    float
        MOS-LQO from 1 to about 4.75.
    """
    return _visqol(reference, output, sample_rate, "audio", AUDIO_RATE)


def visqol_speech(reference: np.ndarray, output: np.ndarray, sample_rate: int) -> float:
    """Compute ViSQOL v3 in speech mode: 16 kHz, exponential fit scaled to 5."""
    return _visqol(reference, output, sample_rate, "speech", SPEECH_RATE)
