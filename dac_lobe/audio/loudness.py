"""Loudness of a stream, by ITU-R BS.1770-4, and the gain that changes it.

The usual libraries want the whole recording in memory; here one block at a time
is enough. Mono, stereo and surround channels are weighted alike, because
channel layouts of files are not reliable; for 5.1 this reads up to 1.5 dB low.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

__all__ = [
    "Loudness",
    "check_loudness",
    "cookbook_weighting",
    "gain_to",
    "k_weighting",
    "measure_loudness",
]

_OFFSET = -0.691  # dB; makes 997 Hz at full scale read -3.01 LKFS
_ABSOLUTE_GATE = -70.0  # LUFS
_RELATIVE_GATE = -10.0  # LU below the loudness of what passes the absolute gate


class Loudness(NamedTuple):
    """How loud a recording is.

    Attributes
    ----------
    lufs : float
        Integrated loudness; minus infinity if nothing passes the gate at -70.
    peak : float
        Largest absolute sample.
    """

    lufs: float
    peak: float


def k_weighting(rate: int) -> np.ndarray:
    """Compute the sections of the standard's K-weighting at any rate.

    The standard gives coefficients for 48 kHz only. These are the analogue
    prototypes behind them (a shelf of +4 dB above 1682 Hz, a high pass at 38 Hz)
    through the bilinear transform; at 48 kHz they agree with the standard's to
    its last digit.

    Arguments
    ---------
    rate : int
        Samples per second.

    Returns
    -------
    numpy.ndarray
        Second-order sections, shape [2, 6].
    """
    # A shelf above the Nyquist frequency is kept just below it: there it does nothing.
    tan = math.tan(math.pi * min(1681.974450955533 / rate, 0.49))
    q, high = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    middle = high**0.4996667741545416
    norm = 1 + tan / q + tan * tan
    shelf = [
        (high + middle * tan / q + tan * tan) / norm,
        2 * (tan * tan - high) / norm,
        (high - middle * tan / q + tan * tan) / norm,
        1.0,
        2 * (tan * tan - 1) / norm,
        (1 - tan / q + tan * tan) / norm,
    ]
    tan, q = math.tan(math.pi * 38.13547087602444 / rate), 0.5003270373238773
    norm = 1 + tan / q + tan * tan
    high_pass = [
        1.0,
        -2.0,
        1.0,
        1.0,
        2 * (tan * tan - 1) / norm,
        (1 - tan / q + tan * tan) / norm,
    ]
    return np.array([shelf, high_pass])


def cookbook_weighting(rate: int) -> np.ndarray:
    """Compute the weighting that pyloudnorm, and through it the official DAC, use.

    A shelf of +4 dB at 1500 Hz (Q 0.71) and a high pass at 38 Hz (Q 0.5) by the
    formulas of Bristow-Johnson's "Cookbook formulae for audio EQ". Speech reads 0.04 dB
    lower than by the standard's filter at 48 kHz, and 0.12 dB lower at 16 kHz.

    Arguments
    ---------
    rate : int
        Samples per second.

    Returns
    -------
    numpy.ndarray
        Second-order sections, shape [2, 6].
    """
    gain = 10 ** (4.0 / 40)
    angle = 2 * math.pi * min(1500.0 / rate, 0.49)  # as in `k_weighting`
    cos = math.cos(angle)
    width = math.sin(angle) * math.sqrt(0.5)  # sin / 2 Q
    width *= 2 * math.sqrt(gain)
    up, down = gain + 1, gain - 1
    shelf = [
        gain * (up + down * cos + width),
        -2 * gain * (down + up * cos),
        gain * (up + down * cos - width),
        up - down * cos + width,
        2 * (down - up * cos),
        up - down * cos - width,
    ]
    cos = math.cos(2 * math.pi * 38.0 / rate)
    width = math.sin(2 * math.pi * 38.0 / rate)
    high_pass = [
        (1 + cos) / 2,
        -(1 + cos),
        (1 + cos) / 2,
        1 + width,
        -2 * cos,
        1 - width,
    ]
    return np.array([np.divide(shelf, shelf[3]), np.divide(high_pass, high_pass[3])])


def measure_loudness(
    blocks: Iterable[np.ndarray],
    rate: int,
    weighting: Callable[[int], np.ndarray] = k_weighting,
) -> Loudness:
    """Measure the integrated loudness of a stream.

    Recordings shorter than one gating window (0.4 s) are measured as a whole.

    Arguments
    ---------
    blocks : iterable of numpy.ndarray
        Samples of shape [C, n], one block after another.
    rate : int
        Samples per second.
    weighting : callable
        From the rate to the sections of the filter; the standard's by default.

    Returns
    -------
    Loudness
        Loudness and peak.

    Example
    -------
    >>> tone = np.sin(2 * np.pi * 997 * np.arange(48000) / 48000)[None]
    >>> round(measure_loudness([tone], 48000).lufs, 2)
    -3.01
    """
    from scipy.signal import sosfilt

    sections = weighting(rate)
    # Windows of 0.4 s overlap by three quarters, so their energies are sums of
    # four quarters: only those need keeping.
    quarter = max(1, round(0.1 * rate))
    state, rest = None, None
    energies: list[np.ndarray] = []
    peak, total, count = 0.0, 0.0, 0
    for block in blocks:
        if block.shape[1] == 0:
            continue
        if state is None:
            state = np.zeros((len(sections), block.shape[0], 2))
            rest = np.zeros(0)
        peak = max(peak, float(np.abs(block).max(initial=0.0)))
        weighted, state = sosfilt(sections, block.astype(np.float64), zi=state)
        power = np.square(weighted).sum(axis=0)
        total, count = total + float(power.sum()), count + power.size
        power = np.concatenate([rest, power])
        whole = power.size // quarter * quarter
        energies.append(power[:whole].reshape(-1, quarter).sum(axis=1))
        rest = power[whole:]
    quarters = np.concatenate(energies) if energies else np.zeros(0)
    if quarters.size < 4:
        windows = np.array([total / max(count, 1)])
    else:
        windows = np.convolve(quarters, np.ones(4), "valid") / (4 * quarter)
    return Loudness(_gated(windows), peak)


def _lufs(power: float) -> float:
    return _OFFSET + 10 * math.log10(power) if power > 0 else -math.inf


def _gated(windows: np.ndarray) -> float:
    """Average the powers of the windows that pass both gates, in LUFS."""
    loud = windows[windows > 10 ** ((_ABSOLUTE_GATE - _OFFSET) / 10)]
    if loud.size == 0:
        return -math.inf
    gate = loud.mean() * 10 ** (_RELATIVE_GATE / 10)
    return _lufs(float(loud[loud > gate].mean()))


def check_loudness(target_lufs: float) -> None:
    """Raise a ValueError if nothing can be brought to a loudness.

    Arguments
    ---------
    target_lufs : float
        Loudness wanted.
    """
    number = isinstance(target_lufs, (int, float, np.number))
    if (
        not number
        or isinstance(target_lufs, bool)
        or not _ABSOLUTE_GATE <= target_lufs <= 0
    ):
        raise ValueError(
            f"normalize_db={target_lufs!r}; a loudness from {_ABSOLUTE_GATE:g} to 0 LUFS "
            "is needed, like -16."
        )


def gain_to(loudness: Loudness, target_lufs: float) -> float:
    """Compute the gain that brings a recording to a loudness without clipping it.

    Arguments
    ---------
    loudness : Loudness
        Of the recording.
    target_lufs : float
        Loudness wanted.

    Returns
    -------
    float
        Gain in dB, to a hundredth. 0 for silence, which has no loudness to bring
        anywhere; less than asked for where the peak would leave [-1, 1].

    Example
    -------
    >>> gain_to(Loudness(lufs=-30.0, peak=0.1), -16.0)
    14.0
    >>> gain_to(Loudness(lufs=-30.0, peak=0.5), -16.0)
    6.02
    >>> gain_to(Loudness(lufs=-math.inf, peak=0.0), -16.0)
    0.0
    """
    if not math.isfinite(loudness.lufs):
        return 0.0
    gain = target_lufs - loudness.lufs
    if loudness.peak > 0:
        gain = min(gain, -20 * math.log10(loudness.peak))
    return math.floor(gain * 100 + 1e-6) / 100
