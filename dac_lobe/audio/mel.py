"""Mel filters: what turns a spectrum into the bands of losses and of metrics.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

__all__ = ["mel_filters"]


@lru_cache(maxsize=64)
def mel_filters(sample_rate: int, n_fft: int, n_mels: int) -> np.ndarray:
    """Make triangular mel filters, Slaney scale, area-normalised.

    Linear below 1 kHz (200/3 Hz per mel), logarithmic above (27 mels per
    factor 6.4): M. Slaney, Auditory Toolbox, 1998.

    Arguments
    ---------
    sample_rate : int
        In Hz.
    n_fft : int
        FFT length.
    n_mels : int
        Number of filters.

    Returns
    -------
    np.ndarray
        Shape [n_mels, n_fft // 2 + 1], read-only: all callers share it. Narrow
        filters between two bins are 0.

    Example
    -------
    >>> mel_filters(16000, 512, 40).shape
    (40, 257)
    """
    knee, per_mel, log_step = 1000.0, 200.0 / 3.0, np.log(6.4) / 27.0
    top = sample_rate / 2
    top_mel = (
        knee / per_mel + np.log(top / knee) / log_step if top > knee else top / per_mel
    )
    mels = np.linspace(0.0, top_mel, n_mels + 2)
    edges = np.where(
        mels < knee / per_mel,
        mels * per_mel,
        knee * np.exp(log_step * (mels - knee / per_mel)),
    )
    # The last bin is half the rate where the window is even, and just below else.
    bins = np.linspace(0.0, n_fft // 2 * sample_rate / n_fft, n_fft // 2 + 1)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    filters: np.ndarray = triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None]
    filters.flags.writeable = False
    return filters
