"""Sounds of a listening test: anchors, equal loudness, soft edges.

Anchors are low-passed recordings, 3.5 and 7 kHz wide (ITU-R BS.1534-3, section 5.1).
Loudness is that of ITU-R BS.1770-4.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["anchor", "anchors_at", "dither", "match", "soften"]

ANCHORS = (3500, 7000)  # Hz
TARGET_LUFS = -23.0  # EBU R 128
PEAK = 0.98
FADE = 0.01  # seconds
STOP_DB = 60.0


def anchors_at(sample_rate: int) -> tuple[int, ...]:
    """Anchors that have something to take away at a rate.

    Example
    -------
    >>> anchors_at(16000), anchors_at(12000)
    ((3500, 7000), (3500,))
    """
    return tuple(edge for edge in ANCHORS if edge * 1.1 < sample_rate / 2)


def anchor(wav: np.ndarray, sample_rate: int, edge: int) -> np.ndarray:
    """Low-pass a recording, without delay.

    Up to ``edge`` nothing changes (less than 0.1 dB); from 1.1 times that, the level
    is down by 60 dB.

    Arguments
    ---------
    wav : np.ndarray
        Shape [T].
    sample_rate : int
        In Hz.
    edge : int
        Where the passband ends, in Hz.

    Returns
    -------
    np.ndarray
        Shape [T].
    """
    from scipy.signal import fftconvolve, firwin, kaiserord

    half = sample_rate / 2
    taps, beta = kaiserord(STOP_DB, 0.1 * edge / half)
    taps |= 1  # odd, so that the delay is whole samples
    kernel = firwin(taps, 1.05 * edge / half, window=("kaiser", beta))
    longer = np.pad(wav, (taps // 2, taps // 2))
    return fftconvolve(longer, kernel, mode="valid")


def match(
    takes: list[np.ndarray], sample_rate: int
) -> tuple[list[np.ndarray], list[float]]:
    """Bring all versions of a recording to one loudness.

    The loudness is -23 LUFS, or less for all where a peak would clip. Silence
    stays silent.

    Arguments
    ---------
    takes : list of np.ndarray
        Shape [T] each.
    sample_rate : int
        In Hz.

    Returns
    -------
    takes : list of np.ndarray
        Matched.
    gains : list of float
        In dB.
    """
    from dac_lobe import measure_loudness

    levels = [measure_loudness([take[None]], sample_rate) for take in takes]
    gains = [
        TARGET_LUFS - one.lufs if math.isfinite(one.lufs) else 0.0 for one in levels
    ]
    peak = max(
        one.peak * 10 ** (gain / 20) for one, gain in zip(levels, gains, strict=True)
    )
    less = min(0.0, 20 * math.log10(PEAK / peak)) if peak > 0 else 0.0
    gains = [round(gain + less, 2) for gain in gains]
    return [
        take * 10 ** (gain / 20) for take, gain in zip(takes, gains, strict=True)
    ], gains


def soften(wav: np.ndarray, sample_rate: int) -> np.ndarray:
    """Fade both ends, so that a loop does not click."""
    length = min(round(FADE * sample_rate), len(wav) // 2)
    ramp = 0.5 - 0.5 * np.cos(np.pi * np.arange(length) / max(1, length))
    window = np.ones(len(wav))
    window[:length], window[len(wav) - length :] = ramp, ramp[::-1]
    return wav * window


def dither(wav: np.ndarray, name: str) -> np.ndarray:
    """Add triangular noise of one step of 16 bits, drawn by a name.

    Sounds with the same samples then have other bytes, which tell no two alike.
    """
    seed = int.from_bytes(name.encode())
    low, high = np.random.default_rng(seed).random((2, len(wav)))
    return wav + (high - low) / 2**15
