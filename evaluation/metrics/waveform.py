"""Measures on samples: SI-SDR, L1, and the delay that both need.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from evaluation.errors import MetricError

__all__ = [
    "MAX_LAG",
    "SILENCE",
    "agreed_delay",
    "align",
    "estimate_lag",
    "refuse_silence",
    "si_sdr",
    "waveform_l1",
]

MAX_LAG = 2048
SILENCE = 1e-6  # below half a step of 16 bits, everywhere
LIMIT_DB = 100.0


def refuse_silence(name: str, signal: np.ndarray) -> None:
    """Raise a MetricError where ``signal`` [T], called ``name``, is silent throughout.

    So is what does not move: an offset is not heard.
    """
    if _swing(signal) < SILENCE:
        said = "silent" if np.abs(signal).max() < SILENCE else "constant"
        raise MetricError(f"the {name} is {said}")


def si_sdr(reference: np.ndarray, output: np.ndarray, sample_rate: int = 0) -> float:
    """Scale-invariant signal-to-distortion ratio, means removed.

    ``a = <y, x> / <x, x>``, ``10 log10(|a x|^2 / |y - a x|^2)`` with the
    reference x and the output y (https://arxiv.org/abs/1811.02508). Limited to
    100 dB either way: beyond that lies rounding, and identical signals would
    be infinite, which no mean survives.

    Arguments
    ---------
    reference : np.ndarray
        Shape [T].
    output : np.ndarray
        Shape [T].
    sample_rate : int
        Not used.

    Returns
    -------
    float
        Decibels, higher is better.

    Example
    -------
    >>> si_sdr(np.array([3, -0.5, 2, 7]), np.array([2.5, 0.0, 2, 8]))
    15.0917...
    """
    x = reference - reference.mean()
    y = output - output.mean()
    # Relative to the removed mean: what is left of a constant is rounding.
    if np.abs(x).max() <= 1e-9 * max(np.abs(reference).max(), 1e-30):
        raise MetricError("the reference is constant")
    if np.abs(y).max() <= 1e-9 * max(np.abs(output).max(), 1e-30):
        raise MetricError("the output is constant")
    target = x * (np.dot(y, x) / np.dot(x, x))
    signal, noise = np.sum(target**2), np.sum((y - target) ** 2)
    floor = 10 ** (-LIMIT_DB / 10) * (signal + noise)
    return float(10 * np.log10(max(signal, floor) / max(noise, floor)))


def waveform_l1(
    reference: np.ndarray, output: np.ndarray, sample_rate: int = 0
) -> float:
    """Mean absolute difference of the samples.

    Arguments
    ---------
    reference : np.ndarray
        Shape [T], full scale 1.
    output : np.ndarray
        Shape [T].
    sample_rate : int
        Not used.

    Returns
    -------
    float
        Lower is better.

    Example
    -------
    >>> waveform_l1(np.array([0.0, 1.0]), np.array([0.5, 1.0]))
    0.25
    """
    return float(np.mean(np.abs(reference - output)))


def estimate_lag(
    reference: np.ndarray, output: np.ndarray, max_lag: int = MAX_LAG
) -> int | None:
    """Find by how many samples ``output`` comes late (negative: early).

    The highest peak of the cross-correlation's magnitude within ``max_lag``.
    On one periodic clip it may lock to a pitch period, so a system's delay is
    what many clips agree on (`agreed_delay`), never one clip's own lag.

    Arguments
    ---------
    reference : np.ndarray
        Shape [T].
    output : np.ndarray
        Shape [T].
    max_lag : int
        Bound on the answer, in samples.

    Returns
    -------
    int or None
        Samples; None if one of them is silent or constant, which says nothing.

    Example
    -------
    >>> noise = np.random.default_rng(0).normal(size=1000)
    >>> estimate_lag(noise, np.roll(noise, -8))
    -8
    """
    from scipy.signal import correlate

    if min(map(_swing, (reference, output))) < SILENCE:
        return None
    bound = min(max_lag, reference.size - 1)
    correlation = np.abs(correlate(output, reference, mode="full", method="fft"))
    centre = reference.size - 1
    window = correlation[centre - bound : centre + bound + 1]
    # Of equal peaks, the one nearest to no delay.
    peaks = np.flatnonzero(window >= window.max() * (1 - 1e-12)) - bound
    return int(peaks[np.argmin(np.abs(peaks))])


def _swing(signal: np.ndarray) -> float:
    """From the lowest sample to the highest; 0 if there is none."""
    return float(np.ptp(signal)) if signal.size else 0.0


def agreed_delay(lags: Counter[int]) -> int:
    """Return the lag that more than half of the clips have; 0 if there is none.

    Example
    -------
    >>> agreed_delay(Counter([8, 8, 0])), agreed_delay(Counter([8, 0]))
    (8, 0)
    """
    lag, count = max(lags.items(), key=lambda item: item[1], default=(0, 0))
    return lag if 2 * count > lags.total() else 0


def align(
    reference: np.ndarray, output: np.ndarray, delay: int
) -> tuple[np.ndarray, np.ndarray]:
    """Take a known delay out: both are cut to the part that they share.

    Example
    -------
    >>> align(np.arange(4), np.array([9, 0, 1, 2]), 1)
    (array([0, 1, 2]), array([0, 1, 2]))
    """
    if abs(delay) >= reference.size:
        raise MetricError(f"shorter than the system's delay of {delay} samples")
    if delay > 0:
        return reference[:-delay], output[delay:]
    if delay < 0:
        return reference[-delay:], output[:delay]
    return reference, output
