"""Distances between spectrograms, exactly as the DAC paper's tools compute them.

Conventions, all after descript-audiotools 0.7 (MIT): periodic Hann window as
long as the FFT, hop a quarter of it, frames centred with reflected edges,
magnitudes unscaled; mel filters with Slaney's scale and area norm from 0 Hz to
half the sample rate, empty ones kept; magnitudes clamped to 1e-5 from below;
distances averaged over bins and frames, and *summed* over the window lengths.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from evaluation.errors import MetricError

__all__ = [
    "log_spectral_distance",
    "mel_audiotools",
    "mel_dac7",
    "mel_distance",
    "mel_power",
    "stft_dac",
    "stft_distance",
]

CLAMP = 1e-5
FRAMES_AT_ONCE = 4096


def mel_power(
    wav: np.ndarray, sample_rate: int, window: int, hop: int, n_mels: int
) -> np.ndarray:
    """Compute the mel spectrogram of powers that librosa's defaults give.

    Arguments
    ---------
    wav : np.ndarray
        Shape [T].
    sample_rate : int
        In Hz.
    window : int
        Length of the periodic Hann window and of the FFT.
    hop : int
        Samples between frames, which are centred, with zeros at the edges.
    n_mels : int
        Number of filters, as of `dac_lobe.audio.mel_filters`.

    Returns
    -------
    np.ndarray
        Shape [frames, n_mels].
    """
    from dac_lobe.audio import mel_filters

    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    padded = np.pad(wav.astype(np.float64), window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    power = np.abs(np.fft.rfft(frames * taper)) ** 2
    return power @ mel_filters(sample_rate, window, n_mels).T


def _magnitudes(signal: np.ndarray, window: int) -> Iterator[np.ndarray]:
    """Yield the magnitudes [frames, bins], so many at a time that any length fits."""
    from scipy.fft import rfft
    from scipy.signal import get_window

    half, hop = window // 2, window // 4
    if signal.size <= half:
        raise MetricError(
            f"{signal.size} samples are too short to be reflected for a window of "
            f"{window}; {half + 1} are needed"
        )
    padded = np.pad(signal, half, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    taper = get_window("hann", window, fftbins=True)
    for start in range(0, len(frames), FRAMES_AT_ONCE):
        yield np.abs(rfft(frames[start : start + FRAMES_AT_ONCE] * taper, axis=1))


def _distance(
    reference: np.ndarray,
    output: np.ndarray,
    window: int,
    filters: np.ndarray | None,
    power: float,
    magnitude_weight: float,
) -> float:
    """Mean over frames and bins of |log difference| + weight * |difference|."""
    total, count = 0.0, 0
    for x, y in zip(
        _magnitudes(reference, window), _magnitudes(output, window), strict=True
    ):
        if filters is not None:
            x, y = x @ filters.T, y @ filters.T
        logs = np.log10(np.maximum(x, CLAMP)) - np.log10(np.maximum(y, CLAMP))
        total += power * np.abs(logs).sum()
        if magnitude_weight:
            total += magnitude_weight * np.abs(x - y).sum()
        count += x.size
    return float(total / count)


def mel_distance(
    reference: np.ndarray,
    output: np.ndarray,
    sample_rate: int,
    windows: Sequence[int],
    n_mels: Sequence[int],
    power: float = 1.0,
    magnitude_weight: float = 0.0,
) -> float:
    """Sum over window lengths of the distance between log10 mel spectrograms.

    Arguments
    ---------
    reference : np.ndarray
        Shape [T].
    output : np.ndarray
        Shape [T].
    sample_rate : int
        In Hz.
    windows : sequence of int
        Window lengths.
    n_mels : sequence of int
        Number of mel bands for each.
    power : float
        Exponent inside the logarithm.
    magnitude_weight : float
        Weight of the distance between the magnitudes themselves.

    Returns
    -------
    float
        Lower is better.
    """
    from dac_lobe.audio import mel_filters

    return sum(
        _distance(
            reference,
            output,
            window,
            mel_filters(sample_rate, window, bands),
            power,
            magnitude_weight,
        )
        for window, bands in zip(windows, n_mels, strict=True)
    )


def mel_dac7(reference: np.ndarray, output: np.ndarray, sample_rate: int) -> float:
    """Seven-scale mel distance of the DAC paper (section 4.4; its training loss).

    Windows 32 to 2048, 5 to 320 bands, log10 of magnitudes, nothing else added.

    Example
    -------
    >>> noise = np.random.default_rng(0).normal(size=4000)
    >>> round(mel_dac7(noise, 0.1 * noise, 16000), 2)  # log10(10) on 7 scales
    7.0
    """
    return mel_distance(
        reference,
        output,
        sample_rate,
        windows=(32, 64, 128, 256, 512, 1024, 2048),
        n_mels=(5, 10, 20, 40, 80, 160, 320),
    )


def mel_audiotools(
    reference: np.ndarray, output: np.ndarray, sample_rate: int
) -> float:
    """Mel distance with audiotools' defaults, as in Codec-SUPERB's tables.

    Windows 2048 and 512 with 150 and 80 bands, log10 of *squared* magnitudes,
    plus the L1 distance of the magnitudes.
    """
    return mel_distance(
        reference,
        output,
        sample_rate,
        windows=(2048, 512),
        n_mels=(150, 80),
        power=2.0,
        magnitude_weight=1.0,
    )


def stft_distance(
    reference: np.ndarray,
    output: np.ndarray,
    windows: Sequence[int],
    power: float = 2.0,
    magnitude_weight: float = 1.0,
) -> float:
    """Sum over window lengths of the distance between log10 spectrograms.

    Arguments as `mel_distance`, without mel filters.
    """
    return sum(
        _distance(reference, output, window, None, power, magnitude_weight)
        for window in windows
    )


def stft_dac(reference: np.ndarray, output: np.ndarray, sample_rate: int = 0) -> float:
    """STFT distance of the DAC paper: windows 2048 and 512, audiotools' defaults."""
    return stft_distance(reference, output, windows=(2048, 512))


def log_spectral_distance(
    reference: np.ndarray, output: np.ndarray, sample_rate: int = 0
) -> float:
    """Root mean square over bins of the level difference, averaged over frames.

    Gray and Markel, 1976; window 2048, hop 512, magnitudes clamped to 1e-5.

    Returns
    -------
    float
        Decibels, lower is better.

    Example
    -------
    >>> noise = np.random.default_rng(0).normal(size=4000)
    >>> round(log_spectral_distance(noise, 0.1 * noise), 3)
    20.0
    """
    total, count = 0.0, 0
    for x, y in zip(
        _magnitudes(reference, 2048), _magnitudes(output, 2048), strict=True
    ):
        levels = 20 * np.log10(np.maximum(x, CLAMP) / np.maximum(y, CLAMP))
        total += np.sqrt(np.mean(levels**2, axis=1)).sum()
        count += len(x)
    return float(total / count)
