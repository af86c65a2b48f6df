"""Encoder of the Descript Audio Codec: waveform [B, 1, T] to latents [B, D, F].

Adapted from https://github.com/descriptinc/descript-audio-codec
(MIT License, Copyright (c) 2023-present, Descript); see NOTICE.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from dac_lobe.network.layers import (
    MaskedSequential,
    MaskedStack,
    ResidualUnit,
    Snake1d,
    WNConv1d,
)

__all__ = ["Encoder", "EncoderBlock"]


class EncoderBlock(MaskedStack):
    """Three residual units, then a strided convolution that doubles the channels.

    Arguments
    ---------
    dim : int
        Channels after the block; ``dim // 2`` before it.
    stride : int
        Factor by which the block shortens the signal.

    Example
    -------
    >>> import torch
    >>> EncoderBlock(dim=16, stride=4)(torch.zeros(1, 8, 40)).shape
    torch.Size([1, 16, 10])
    """

    def __init__(self, dim: int = 16, stride: int = 1):
        super().__init__()
        self.block = MaskedSequential(
            ResidualUnit(dim // 2, dilation=1),
            ResidualUnit(dim // 2, dilation=3),
            ResidualUnit(dim // 2, dilation=9),
            Snake1d(dim // 2),
            WNConv1d(
                dim // 2,
                dim,
                kernel_size=2 * stride,
                stride=stride,
                padding=math.ceil(stride / 2),
            ),
        )


class Encoder(MaskedStack):
    """Encode a waveform into latents, one per ``prod(strides)`` samples.

    Arguments
    ---------
    d_model : int
        Channels after the first convolution; doubled by every block.
    strides : sequence of int
        Stride of each block.
    d_latent : int
        Channels of the latents.

    Attributes
    ----------
    enc_dim : int
        Channels before the last convolution.

    Example
    -------
    >>> import torch
    >>> encoder = Encoder(d_model=4, strides=[2, 4], d_latent=6)
    >>> encoder(torch.zeros(2, 1, 80)).shape
    torch.Size([2, 6, 10])
    """

    def __init__(
        self,
        d_model: int = 64,
        strides: Sequence[int] = (2, 4, 8, 8),
        d_latent: int = 64,
    ):
        super().__init__()
        layers: list[nn.Module] = [WNConv1d(1, d_model, kernel_size=7, padding=3)]
        for stride in strides:
            d_model *= 2
            layers.append(EncoderBlock(d_model, stride=stride))
        layers += [
            Snake1d(d_model),
            WNConv1d(d_model, d_latent, kernel_size=3, padding=1),
        ]
        self.block = MaskedSequential(*layers)
        self.enc_dim = d_model
