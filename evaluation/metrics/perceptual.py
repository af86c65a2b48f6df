"""Perceptual measures of speech: PESQ and STOI, with every way they fail named.

Their reference implementations answer some unusable input with numbers that
look like scores (STOI 1e-5, PESQ -1 to -7 or NaN). Here each is a MetricError.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from evaluation.errors import MetricError
from evaluation.metrics.metric import import_package
from evaluation.metrics.waveform import refuse_silence
from evaluation.recordings.clips import resample

__all__ = ["estoi", "pesq_nb", "pesq_wb", "pesq_wb_c2", "stoi"]

PESQ_RATE = 16000
PESQ_MIN_SAMPLES = 4000
PESQ_MAX_SECONDS = 60


def _pesq(
    function: Callable[..., float],
    reference: np.ndarray,
    output: np.ndarray,
    sample_rate: int,
    mode: str,
) -> float:
    """Check what P.862's code does not, resample, and score."""
    refuse_silence("output", output)
    seconds = reference.size / sample_rate
    if seconds > PESQ_MAX_SECONDS:
        raise MetricError(
            f"{seconds:.0f} s are too long: P.862's tables hold 50 utterances and "
            f"overflow unchecked; at most {PESQ_MAX_SECONDS} s are scored"
        )
    reference, output = (
        resample(signal, sample_rate, PESQ_RATE) for signal in (reference, output)
    )
    if reference.size < PESQ_MIN_SAMPLES:
        raise MetricError(
            f"{seconds:.3f} s are too short; {PESQ_MIN_SAMPLES / PESQ_RATE} s are needed"
        )
    try:
        return float(function(PESQ_RATE, reference, output, mode))
    except (RuntimeError, ValueError) as error:  # PesqError is a RuntimeError
        reason = error.args[0] if error.args else type(error).__name__
        if isinstance(reason, bytes):
            reason = reason.decode(errors="replace")
        raise MetricError(f"pesq: {reason}") from error


def pesq_wb(reference: np.ndarray, output: np.ndarray, sample_rate: int) -> float:
    """Wideband PESQ (ITU-T P.862.2, before Corrigendum 2) as MOS-LQO.

    Arguments
    ---------
    reference : np.ndarray
        Speech of shape [T], 0.25 to 60 s.
    output : np.ndarray
        Shape [T].
    sample_rate : int
        In Hz; both are resampled to 16 kHz (soxr VHQ), so nothing above 8 kHz counts.

    Returns
    -------
    float
        1.04 to 4.64, higher is better.

    Raises
    ------
    MetricError
        If the output is silent, too short or too long, or PESQ finds no utterance.
    """
    pesq = import_package("pesq", "pesq")
    return _pesq(pesq.pesq, reference, output, sample_rate, "wb")


def pesq_nb(reference: np.ndarray, output: np.ndarray, sample_rate: int) -> float:
    """Narrowband PESQ (ITU-T P.862, P.862.1) as MOS-LQO, 1.02 to 4.55; see `pesq_wb`."""
    pesq = import_package("pesq", "pesq")
    return _pesq(pesq.pesq, reference, output, sample_rate, "nb")


def pesq_wb_c2(reference: np.ndarray, output: np.ndarray, sample_rate: int) -> float:
    """Wideband PESQ with Corrigendum 2 of 2018; scores higher than `pesq_wb`."""
    pesq = import_package("pesqc2", "pesqc2")
    return _pesq(pesq.pesq, reference, output, sample_rate, "wb")


def _stoi(
    reference: np.ndarray, output: np.ndarray, sample_rate: int, extended: bool
) -> float:
    pystoi = import_package("pystoi", "pystoi")
    refuse_silence("output", output)
    # ESTOI adds noise of 1e-16 from numpy's global generator; pin it, and give
    # the generator back as it was.
    state = np.random.get_state()
    np.random.seed(0)
    try:
        with warnings.catch_warnings():
            # pystoi answers 1e-5 here, which looks like a score.
            warnings.filterwarnings("error", message="Not enough STFT frames")
            return float(pystoi.stoi(reference, output, sample_rate, extended=extended))
    except RuntimeWarning as error:
        raise MetricError(
            f"too little speech: {reference.size / sample_rate:.2f} s given, STOI "
            "needs 0.41 s within 40 dB of the loudest frame"
        ) from error
    except (IndexError, ValueError) as error:  # shorter than one frame
        raise MetricError(
            f"{reference.size / sample_rate:.3f} s are too short; 0.41 s are needed"
        ) from error
    finally:
        np.random.set_state(state)


def stoi(reference: np.ndarray, output: np.ndarray, sample_rate: int) -> float:
    """Short-time objective intelligibility (Taal et al., 2011).

    Arguments
    ---------
    reference : np.ndarray
        Speech of shape [T], at least 0.41 s that is not silence.
    output : np.ndarray
        Shape [T].
    sample_rate : int
        In Hz; pystoi resamples both to 10 kHz itself.

    Returns
    -------
    float
        At most 1, higher is better; it can be below 0.

    Raises
    ------
    MetricError
        If the output is silent or there is too little speech.
    """
    return _stoi(reference, output, sample_rate, extended=False)


def estoi(reference: np.ndarray, output: np.ndarray, sample_rate: int) -> float:
    """Compute extended STOI (Jensen and Taal, 2016); see `stoi`."""
    return _stoi(reference, output, sample_rate, extended=True)
