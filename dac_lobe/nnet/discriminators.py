"""Discriminators that the Descript Audio Codec is trained against.

Adapted from https://github.com/descriptinc/descript-audio-codec
(MIT License, Copyright (c) 2023-present, Descript); see NOTICE. State-dict keys
are upstream's, so published discriminator weights load. Neither class holds a
buffer: two passes before one backward would otherwise break under DDP.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from dac_lobe.network.pickling import picklable

__all__ = ["Discriminator", "MultiBandSTFT", "Period"]

BANDS = ((0.0, 0.1), (0.1, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0))
PERIOD_CHANNELS = (32, 128, 512, 1024, 1024)
SLOPE = 0.1


def _conv(
    inputs: int,
    outputs: int,
    kernel: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    *,
    padding: tuple[int, int],
    activate: bool = True,
) -> nn.Module:
    """Weight-normalised 2-d convolution, with a leaky ReLU if asked for."""
    layer: nn.Conv2d = weight_norm(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=padding)
    )
    layer = picklable(layer)
    return nn.Sequential(layer, nn.LeakyReLU(SLOPE)) if activate else layer


class Period(nn.Module):
    """Judge a waveform folded at one period (MPD; https://arxiv.org/abs/2010.05646).

    Arguments
    ---------
    period : int
        Samples per row.
    channels : sequence of int
        Of the layers; the paper's by default.

    Example
    -------
    >>> maps = Period(3)(torch.randn(2, 1, 3000))
    >>> len(maps), maps[-1].shape[1]
    (6, 1)
    """

    def __init__(self, period: int, channels: Sequence[int] = PERIOD_CHANNELS):
        super().__init__()
        self.period = period
        widths = (1, *channels)
        strides = ((3, 1),) * (len(channels) - 1) + ((1, 1),)
        self.convs = nn.ModuleList(
            _conv(i, o, (5, 1), stride, padding=(2, 0))
            for i, o, stride in zip(widths, widths[1:], strides, strict=False)
        )
        self.conv_post = _conv(widths[-1], 1, (3, 1), padding=(1, 0), activate=False)

    def forward(self, wav: torch.Tensor) -> list[torch.Tensor]:
        """Return all feature maps of ``wav`` [B, 1, T]; the last holds the scores."""
        # Upstream pads a whole extra period where T is a multiple already.
        wav = F.pad(wav, (0, self.period - wav.shape[-1] % self.period), "reflect")
        x = wav.unflatten(-1, (-1, self.period))
        maps = []
        for layer in self.convs:
            x = layer(x)
            maps.append(x)
        maps.append(self.conv_post(x))
        return maps


class MultiBandSTFT(nn.Module):
    """Judge a complex spectrogram, one stack of convolutions per frequency band.

    Arguments
    ---------
    window_length : int
        Window of the spectrogram in samples.
    hop_factor : float
        Hop over window length.
    sample_rate : int
        Kept for upstream's signature; bands are relative to it.
    bands : sequence of (float, float)
        Band edges as shares of the spectrum.
    channels : int
        Of every layer; the paper's by default.

    Example
    -------
    >>> maps = MultiBandSTFT(256)(torch.randn(2, 1, 2048))
    >>> len(maps), maps[-1].shape[1:3]
    (26, torch.Size([1, 32]))
    """

    def __init__(
        self,
        window_length: int,
        hop_factor: float = 0.25,
        sample_rate: int = 44100,
        bands: Sequence[tuple[float, float]] = BANDS,
        channels: int = 32,
    ):
        super().__init__()
        self.window_length = window_length
        self.hop_length = int(window_length * hop_factor)
        self.sample_rate = sample_rate
        bins = window_length // 2 + 1
        self.bands = [(int(low * bins), int(high * bins)) for low, high in bands]
        self.band_convs = nn.ModuleList(
            nn.ModuleList(
                [
                    _conv(2, channels, (3, 9), (1, 1), padding=(1, 4)),
                    _conv(channels, channels, (3, 9), (1, 2), padding=(1, 4)),
                    _conv(channels, channels, (3, 9), (1, 2), padding=(1, 4)),
                    _conv(channels, channels, (3, 9), (1, 2), padding=(1, 4)),
                    _conv(channels, channels, (3, 3), (1, 1), padding=(1, 1)),
                ]
            )
            for _ in self.bands
        )
        self.conv_post = _conv(channels, 1, (3, 3), padding=(1, 1), activate=False)

    def spectrogram(self, wav: torch.Tensor) -> torch.Tensor:
        """Complex spectrogram of [B, 1, T] as [B, 2, frames, bins], frames = T / hop.

        The signal is reflected so that frames do not hang over its ends, and
        the two frames that lie in the padding on either side are dropped.
        """
        hop, window_length = self.hop_length, self.window_length
        samples = wav.shape[-1]
        right = -samples % hop
        pad = (window_length - hop) // 2
        wav = F.pad(wav, (pad, pad + right), "reflect")
        spectrum = torch.stft(
            wav.flatten(0, 1),
            window_length,
            hop,
            window=torch.hann_window(window_length, device=wav.device),
            center=True,
            return_complex=True,
        )[..., 2:-2]
        return torch.view_as_real(spectrum).permute(0, 3, 2, 1)

    def forward(self, wav: torch.Tensor) -> list[torch.Tensor]:
        """Return all feature maps of ``wav`` [B, 1, T]; the last holds the scores."""
        spectrum = self.spectrogram(wav)
        maps, outputs = [], []
        for (low, high), stack in zip(self.bands, self.band_convs, strict=True):
            x = spectrum[..., low:high]
            for layer in cast(nn.ModuleList, stack):
                x = layer(x)
                maps.append(x)
            outputs.append(x)
        maps.append(self.conv_post(torch.cat(outputs, dim=-1)))
        return maps


class Discriminator(nn.Module):
    """All of the codec's discriminators together.

    Arguments
    ---------
    rates : sequence of int
        Upstream's multi-scale discriminators; none of its configurations uses
        them, so only an empty sequence is allowed.
    periods : sequence of int
        Periods of the multi-period discriminator.
    fft_sizes : sequence of int
        Windows of the multi-band spectrogram discriminators.
    sample_rate : int
        In Hz.
    bands : sequence of (float, float)
        Bands of the latter.
    period_channels, stft_channels : sequence of int, int
        Their widths; the paper's by default.

    Example
    -------
    >>> judge = Discriminator(periods=[2], fft_sizes=[256])
    >>> [len(maps) for maps in judge(torch.randn(1, 1, 2048))]
    [6, 26]
    """

    def __init__(
        self,
        rates: Sequence[int] = (),
        periods: Sequence[int] = (2, 3, 5, 7, 11),
        fft_sizes: Sequence[int] = (2048, 1024, 512),
        sample_rate: int = 44100,
        bands: Sequence[tuple[float, float]] = BANDS,
        period_channels: Sequence[int] = PERIOD_CHANNELS,
        stft_channels: int = 32,
    ):
        super().__init__()
        if rates:
            raise ValueError(
                f"rates={list(rates)}: multi-scale discriminators are not part of the "
                "released configurations. Leave rates empty."
            )
        self.discriminators = nn.ModuleList(
            [
                *(Period(period, period_channels) for period in periods),
                *(
                    MultiBandSTFT(
                        size,
                        sample_rate=sample_rate,
                        bands=bands,
                        channels=stft_channels,
                    )
                    for size in fft_sizes
                ),
            ]
        )

    def forward(self, wav: torch.Tensor) -> list[list[torch.Tensor]]:
        """Judge ``wav`` [B, 1, T]; returns the maps of every discriminator."""
        wav = wav - wav.mean(dim=-1, keepdim=True)
        wav = 0.8 * wav / (wav.abs().amax(dim=-1, keepdim=True) + 1e-9)
        return [discriminator(wav) for discriminator in self.discriminators]
