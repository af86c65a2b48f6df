"""Decoder of the Descript Audio Codec: latents [B, D, F] to waveform [B, 1, T].

Adapted from https://github.com/descriptinc/descript-audio-codec
(MIT License, Copyright (c) 2023-present, Descript); see NOTICE.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from dac_lobe.network.layers import (
    MaskedSequential,
    MaskedStack,
    ResidualUnit,
    Snake1d,
    WNConv1d,
    WNConvTranspose1d,
)

__all__ = ["Decoder", "DecoderBlock"]


class DecoderBlock(MaskedStack):
    """A transposed convolution, then three residual units.

    For an odd stride the transposed convolution (kernel ``2s``, padding
    ``ceil(s/2)``) gives ``s*n - 1`` positions from ``n``: upstream's layout,
    kept because its weights expect it.

    Arguments
    ---------
    input_dim : int
        Channels before the block.
    output_dim : int
        Channels after it.
    stride : int
        Factor by which the block lengthens the signal.

    Example
    -------
    >>> DecoderBlock(input_dim=8, output_dim=4, stride=2)(torch.zeros(1, 8, 5)).shape
    torch.Size([1, 4, 10])
    """

    def __init__(self, input_dim: int = 16, output_dim: int = 8, stride: int = 1):
        super().__init__()
        self.block = MaskedSequential(
            Snake1d(input_dim),
            WNConvTranspose1d(
                input_dim,
                output_dim,
                kernel_size=2 * stride,
                stride=stride,
                padding=math.ceil(stride / 2),
            ),
            ResidualUnit(output_dim, dilation=1),
            ResidualUnit(output_dim, dilation=3),
            ResidualUnit(output_dim, dilation=9),
        )


class Decoder(nn.Module):
    """Decode latents into a waveform in (-1, 1).

    Arguments
    ---------
    input_channel : int
        Channels of the latents.
    channels : int
        Channels after the first convolution; halved by every block.
    rates : sequence of int
        Stride of each block.
    d_out : int
        Channels of the waveform.

    Example
    -------
    >>> decoder = Decoder(input_channel=6, channels=16, rates=[4, 2])
    >>> decoder(torch.zeros(2, 6, 10)).shape
    torch.Size([2, 1, 80])
    """

    def __init__(
        self,
        input_channel: int,
        channels: int,
        rates: Sequence[int],
        d_out: int = 1,
    ):
        super().__init__()
        layers: list[nn.Module] = [
            WNConv1d(input_channel, channels, kernel_size=7, padding=3)
        ]
        for stride in rates:
            layers.append(DecoderBlock(channels, channels // 2, stride))
            channels //= 2
        layers += [
            Snake1d(channels),
            WNConv1d(channels, d_out, kernel_size=7, padding=3),
            nn.Tanh(),
        ]
        self.model = MaskedSequential(*layers)

    def forward(
        self, x: torch.Tensor, lengths: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Decode latents.

        Arguments
        ---------
        x : torch.Tensor
            Latents of shape [B, D, F].
        lengths : torch.Tensor, optional
            Valid frames per item, shape [B].

        Returns
        -------
        torch.Tensor
            Waveform of shape [B, d_out, T].
        """
        wav: torch.Tensor = self.model(x, lengths)
        return wav
