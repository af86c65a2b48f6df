"""Mel-cepstral distortion after dynamic time warping.

For mel cepstra c (from 40 log-mel bands, 25 ms windows every 10 ms)

    c_m = 1/N  sum over n of  ln A_n cos(pi m (n + 1/2) / N),    m = 1 ... 13
    MCD = 10 / ln 10  sqrt(2 sum over m of (c_m - c'_m)^2)       dB

averaged over the cheapest path that aligns the two recordings (Kubichek, 1993;
with time warping as is usual for synthesis). c_0, the level, is left out.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.fft import dct

from dac_lobe.nnet.frontend import make_fbank

__all__ = ["mel_cepstra", "mel_cepstral_distortion", "warp"]

ORDER = 13
MELS = 40


def mel_cepstra(wav: torch.Tensor, sample_rate: int) -> np.ndarray:
    """Compute mel cepstra.

    Arguments
    ---------
    wav : torch.Tensor
        Samples of shape [T].
    sample_rate : int
        In Hz.

    Returns
    -------
    np.ndarray
        Coefficients 1 to 13 every 10 ms, shape [F, 13].
    """
    fbank = make_fbank(sample_rate, MELS)
    with torch.no_grad():
        decibels = fbank(wav[None])[0].double().numpy()
    log_amplitude = decibels * math.log(10) / 20
    # scipy's DCT-II is twice the sum of the formula.
    return dct(log_amplitude, type=2, axis=1)[:, 1 : ORDER + 1] / (2 * MELS)


def warp(distances: np.ndarray) -> tuple[float, int]:
    """Find the cheapest path through a matrix of distances.

    Steps go right, down, or both; every cell on the path is paid for once.

    Arguments
    ---------
    distances : np.ndarray
        Shape [F, G].

    Returns
    -------
    cost : float
        Sum along the path.
    steps : int
        Cells on the path.

    Example
    -------
    >>> warp(np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]))
    (0.0, 3)
    """
    rows, columns = distances.shape
    # A frame of infinities, so that the edges need no care.
    cost = np.full((rows + 1, columns + 1), np.inf)
    steps = np.zeros((rows + 1, columns + 1), dtype=np.int64)
    cost[0, 0] = 0.0
    # Cells of an anti-diagonal depend on the two before it only, so each is
    # computed at once.
    for diagonal in range(2, rows + columns + 1):
        i = np.arange(max(1, diagonal - columns), min(rows, diagonal - 1) + 1)
        j = diagonal - i
        before = np.stack([cost[i - 1, j - 1], cost[i - 1, j], cost[i, j - 1]])
        counts = np.stack([steps[i - 1, j - 1], steps[i - 1, j], steps[i, j - 1]])
        best = before.argmin(0)[None]
        cost[i, j] = np.take_along_axis(before, best, 0)[0] + distances[i - 1, j - 1]
        steps[i, j] = np.take_along_axis(counts, best, 0)[0] + 1
    return float(cost[rows, columns]), int(steps[rows, columns])


def mel_cepstral_distortion(
    reference: torch.Tensor, estimate: torch.Tensor, sample_rate: int
) -> float:
    """Compute the mel-cepstral distortion of a recording against another.

    Arguments
    ---------
    reference, estimate : torch.Tensor
        Samples of shape [T], of any two lengths.
    sample_rate : int
        Of both, in Hz.

    Returns
    -------
    float
        dB; 0 for a recording against itself, ``nan`` for one under 25 ms.
    """
    if min(len(reference), len(estimate)) < 0.025 * sample_rate:
        return math.nan
    first = mel_cepstra(reference, sample_rate)
    second = mel_cepstra(estimate, sample_rate)
    difference = first[:, None] - second[None]
    distances = 10 / math.log(10) * np.sqrt(2 * (difference**2).sum(-1))
    cost, steps = warp(distances)
    return cost / steps
