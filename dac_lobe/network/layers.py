"""Building blocks of the Descript Audio Codec: convolutions, Snake, residual units.

Adapted from https://github.com/descriptinc/descript-audio-codec
(MIT License, Copyright (c) 2023-present, Descript) and its port in SpeechBrain
(Apache License 2.0); see NOTICE. Paper: https://arxiv.org/abs/2306.06546

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm

from dac_lobe.network.pickling import picklable
from dac_lobe.network.receptive_field import output_length

__all__ = [
    "MaskedSequential",
    "MaskedStack",
    "ResidualUnit",
    "Snake1d",
    "WNConv1d",
    "WNConvTranspose1d",
    "fold_weight_norm",
    "init_weights",
    "keep_valid",
    "snake",
]

AnyModule = TypeVar("AnyModule", bound=nn.Module)


def WNConv1d(*args: Any, **kwargs: Any) -> nn.Conv1d:
    """Make a weight-normalised ``nn.Conv1d``.

    Arguments
    ---------
    *args : tuple
        Positional arguments of ``nn.Conv1d``.
    **kwargs : dict
        Keyword arguments of ``nn.Conv1d``.

    Returns
    -------
    nn.Conv1d
        The convolution, its weight a function of a gain and a direction.

    Example
    -------
    >>> WNConv1d(1, 4, kernel_size=7, padding=3)(torch.zeros(2, 1, 10)).shape
    torch.Size([2, 4, 10])
    """
    layer: nn.Conv1d = weight_norm(nn.Conv1d(*args, **kwargs))
    return picklable(layer)


def WNConvTranspose1d(*args: Any, **kwargs: Any) -> nn.ConvTranspose1d:
    """Make a weight-normalised ``nn.ConvTranspose1d``.

    Arguments
    ---------
    *args : tuple
        Positional arguments of ``nn.ConvTranspose1d``.
    **kwargs : dict
        Keyword arguments of ``nn.ConvTranspose1d``.

    Returns
    -------
    nn.ConvTranspose1d
        The convolution; its gain is per *input* channel, as upstream.

    Example
    -------
    >>> WNConvTranspose1d(4, 2, 4, stride=2, padding=1)(torch.zeros(1, 4, 5)).shape
    torch.Size([1, 2, 10])
    """
    layer: nn.ConvTranspose1d = weight_norm(nn.ConvTranspose1d(*args, **kwargs))
    return picklable(layer)


def init_weights(m: nn.Module) -> None:
    """Draw the weights of a convolution from a truncated normal, std 0.02.

    Upstream's function of this name never reaches a weight-normalised layer:
    there ``module.weight`` is computed on access and the drawn values are lost.
    Here the assignment goes through the parametrization.

    Arguments
    ---------
    m : nn.Module
        Anything; only ``nn.Conv1d`` is changed. Use with ``model.apply``.

    Example
    -------
    >>> layer = WNConv1d(64, 64, kernel_size=7)
    >>> init_weights(layer)
    >>> round(float(layer.weight.detach().std()), 2)
    0.02
    """
    if isinstance(m, nn.Conv1d):
        if any(parameter.is_meta for parameter in m.parameters()):
            return  # No storage to draw into; computing the weight would cost.
        with torch.no_grad():
            weight = torch.empty_like(m.weight)
            m.weight = nn.init.trunc_normal_(weight, std=0.02)
            if m.bias is not None:
                m.bias.zero_()


def fold_weight_norm(module: AnyModule) -> AnyModule:
    """Replace every weight norm inside ``module`` by the plain weight it computes.

    Arguments
    ---------
    module : nn.Module
        Changed in place. State-dict keys become ``weight`` and ``bias``.

    Returns
    -------
    nn.Module
        The same module.

    Example
    -------
    >>> sorted(fold_weight_norm(WNConv1d(1, 1, 1)).state_dict())
    ['bias', 'weight']
    """
    for layer in module.modules():
        if isinstance(
            layer, (nn.Conv1d, nn.ConvTranspose1d)
        ) and parametrize.is_parametrized(layer, "weight"):
            (direction,) = (
                parameter
                for name, parameter in layer.named_parameters()
                if name == "parametrizations.weight.original1"
            )
            weight = nn.Parameter(
                layer.weight.detach().clone(), requires_grad=direction.requires_grad
            )
            # Not remove_parametrizations: it deletes the property from the
            # layer's class, which a deep copy shares, and so breaks the original.
            layer.__class__ = parametrize.type_before_parametrizations(layer)
            del layer.parametrizations
            layer.weight = weight
    return module


def snake(x: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """Apply ``x + sin^2(alpha * x) / alpha``, a periodic activation.

    https://arxiv.org/abs/2006.08195

    Arguments
    ---------
    x : torch.Tensor
        Signals of shape [B, C, ...].
    alpha : torch.Tensor
        Angular frequency per channel, shape [1, C, 1].

    Returns
    -------
    torch.Tensor
        Shape of ``x``. Zero maps to zero, so padding stays padding.

    Example
    -------
    >>> snake(torch.zeros(1, 1, 2), torch.ones(1, 1, 1))
    tensor([[[0., 0.]]])
    """
    shape = x.shape
    x = x.reshape(*shape[:2], math.prod(shape[2:]))
    x = x + (alpha + 1e-9).reciprocal() * torch.sin(alpha * x).pow(2)
    return x.reshape(shape)


class Snake1d(nn.Module):
    """Snake activation with one learned frequency per channel.

    Arguments
    ---------
    channels : int
        Number of channels.

    Example
    -------
    >>> Snake1d(4)(torch.zeros(2, 4, 10)).shape
    torch.Size([2, 4, 10])
    """

    def __init__(self, channels: int):
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Activate ``x`` of shape [B, C, T]."""
        return snake(x, self.alpha)


def keep_valid(x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Zero what lies at or after each item's length.

    Arguments
    ---------
    x : torch.Tensor
        Padded batch of shape [B, C, T].
    lengths : torch.Tensor
        Valid positions per item, shape [B].

    Returns
    -------
    torch.Tensor
        Shape of ``x``.

    Example
    -------
    >>> keep_valid(torch.ones(2, 1, 3), torch.tensor([1, 3]))[:, 0]
    tensor([[1., 0., 0.],
            [1., 1., 1.]])
    """
    positions = torch.arange(x.shape[-1], device=x.device)
    return x.masked_fill(positions >= lengths[:, None, None], 0)


class MaskedSequential(nn.Sequential):
    """A sequential stack that can keep the padding of a batch from leaking in.

    A convolution pads each *batch* with zeros, but inside the batch a short
    item is followed by whatever its own padding has become: the biases of the
    layers below. Zeroing that after every layer gives each item the edge that
    it would have alone:

        alone    |x x x x|0 0            batch, masked  |x x x x 0 0 0 0|
        batch    |x x x x b b b b|       (b: bias of the layer below)

    State-dict keys are those of ``nn.Sequential``.

    Example
    -------
    >>> stack = MaskedSequential(torch.nn.Conv1d(1, 1, 3, padding=1))
    >>> stack(torch.zeros(2, 1, 6), torch.tensor([4, 6])).shape
    torch.Size([2, 1, 6])
    """

    def forward(
        self, x: torch.Tensor, lengths: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Apply the layers to ``x`` [B, C, T], of which ``lengths`` [B] are valid."""
        if lengths is None:
            for layer in self:
                x = layer(x)
            return x
        x = keep_valid(x, lengths)
        for layer in self:
            x = layer(x, lengths) if isinstance(layer, MaskedStack) else layer(x)
            lengths = output_length(layer, lengths)
            x = keep_valid(x, lengths)
        return x


class MaskedStack(nn.Module):
    """A module whose whole computation is ``self.block``, a `MaskedSequential`."""

    block: MaskedSequential

    def forward(
        self, x: torch.Tensor, lengths: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Apply the block to ``x`` [B, C, T], of which ``lengths`` [B] are valid."""
        y: torch.Tensor = self.block(x, lengths)
        return y


class ResidualUnit(nn.Module):
    """Snake, dilated convolution, Snake, pointwise convolution, and a skip.

    Arguments
    ---------
    dim : int
        Number of channels.
    dilation : int
        Dilation of the first convolution (kernel 7).

    Example
    -------
    >>> ResidualUnit(dim=8, dilation=3)(torch.zeros(1, 8, 20)).shape
    torch.Size([1, 8, 20])
    """

    def __init__(self, dim: int = 16, dilation: int = 1):
        super().__init__()
        self.block = nn.Sequential(
            Snake1d(dim),
            WNConv1d(dim, dim, kernel_size=7, dilation=dilation, padding=3 * dilation),
            Snake1d(dim),
            WNConv1d(dim, dim, kernel_size=1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add the block's output to ``x`` of shape [B, C, T].

        Where the convolutions were made to crop (upstream's unpadded chunks
        set their padding to 0), the skip is cropped alike.
        """
        y: torch.Tensor = self.block(x)
        crop = (x.shape[-1] - y.shape[-1]) // 2
        return (x[..., crop:-crop] if crop > 0 else x) + y
