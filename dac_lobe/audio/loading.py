"""Audio as the codec takes it: one channel at its rate, [1, 1, T].

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import torch

from dac_lobe.audio.reader import Segment, Source, read_audio

__all__ = ["load_audio"]


def load_audio(
    source: Source, sample_rate: int, segment: Segment | None = None
) -> torch.Tensor:
    """Read audio of any kind, rate and channels as ``codec.encode`` takes it.

    Arguments
    ---------
    source : Source
        A path, an open binary file, bytes, ``(samples, rate)``, or the
        ``{"array", "sampling_rate"}`` of datasets.
    sample_rate : int
        Rate to resample to, in Hz: ``codec.sample_rate``.
    segment : Segment, optional
        The part to read; all by default.

    Returns
    -------
    torch.Tensor
        The mean of the channels, float32 of shape [1, 1, T].

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    AudioError
        If it is not audio, or holds what no codec can code.
    ValueError
        If ``sample_rate`` is no whole number of Hz, or out of range.

    Example
    -------
    >>> load_audio((torch.zeros(2, 44100), 44100), 16000).shape
    torch.Size([1, 1, 16000])
    """
    wav = read_audio(source, sample_rate, segment).mean(axis=0)
    return torch.from_numpy(wav)[None, None]
