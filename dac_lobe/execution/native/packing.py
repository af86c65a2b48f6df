"""Weights in the order in which the native kernel reads them.

The kernel multiplies rows by panels: up to 32 output channels side by side, all
input channels (and taps, or Winograd points) below each other. Channel counts
are rounded up to a multiple of 8 with zeros, which stay zeros all the way.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from dac_lobe.execution import pages
from dac_lobe.execution.eager import two_taps
from dac_lobe.execution.native.winograd import F32, F47, Filtering, filter_transform
from dac_lobe.execution.plan import Convolve, Residual, Upsample

__all__ = [
    "Held",
    "pack_convolution",
    "pack_residual",
    "pack_snake",
    "pack_strided",
    "padded",
    "rounded_up",
]

QUANTUM = 8
PANEL = 32


class Held:
    """Tensors that live as long as this does, for a kernel that has addresses only."""

    def __init__(self) -> None:
        self._tensors: list[torch.Tensor] = []

    def address(self, tensor: torch.Tensor) -> int:
        """Keep a tensor, or a contiguous copy of it, and give its address."""
        tensor = tensor.contiguous()
        self._tensors.append(tensor)
        return tensor.data_ptr()


def rounded_up(channels: int) -> int:
    """Round a channel count up to the kernel's quantum.

    Example
    -------
    >>> rounded_up(24), rounded_up(1)
    (24, 8)
    """
    return -(-channels // QUANTUM) * QUANTUM


def padded(vector: torch.Tensor, length: int) -> torch.Tensor:
    """Copy a vector, with zeros up to ``length``."""
    result = vector.new_zeros(length)
    result[: len(vector)] = vector
    return result


def pack_snake(alpha: torch.Tensor, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Make the two coefficients per channel of the kernel's Snake.

    Arguments
    ---------
    alpha : torch.Tensor
        Frequencies, shape [C].
    width : int
        Channels with padding.

    Returns
    -------
    rate : torch.Tensor
        alpha / pi, shape [width].
    inverse : torch.Tensor
        1 / alpha, shape [width].
    """
    rate = (alpha.double() / math.pi).to(alpha.dtype)
    return padded(rate, width), padded((alpha + 1e-9).reciprocal(), width)


def pack_convolution(
    step: Convolve | Upsample, inputs: int, single: bool = False
) -> torch.Tensor:
    """Pack the weights of a convolution, [panel][tap][inputs][width].

    Arguments
    ---------
    step : Convolve or Upsample
        The step.
    inputs : int
        Width of its input rows.
    single : bool
        Whether its one output channel is computed by dot products.

    Returns
    -------
    torch.Tensor
        One-dimensional; for dot products the order is [tap][inputs].
    """
    if isinstance(step, Upsample):
        taps = two_taps(step, rounded_up(step.weight.shape[1]))
    else:
        taps = step.weight
    outputs, channels, count = taps.shape
    if single:
        weights = taps.new_zeros(count, inputs)
        weights[:, :channels] = taps[0].t()
        return weights.reshape(-1)

    def panel(begin: int, end: int, into: torch.Tensor) -> None:
        into = into.view(count, inputs, -1)
        into[:, :channels, : end - begin] = taps[begin:end].permute(2, 1, 0)

    padding = (inputs, rounded_up(outputs)) != (channels, outputs)
    return _panels(taps, outputs, count * inputs, panel, padding)


def pack_strided(step: Convolve | Upsample, inputs: int) -> torch.Tensor:
    """Pack the weights of a convolution whose kernel is twice its stride.

    Arguments
    ---------
    step : Convolve or Upsample
        The step.
    inputs : int
        Width of its input rows.

    Returns
    -------
    torch.Tensor
        At Winograd's points, [panel][point][rows of a stride][inputs][width].
    """
    if isinstance(step, Upsample):
        taps = two_taps(step, rounded_up(step.weight.shape[1]))
    else:
        taps = step.weight
    outputs, channels, count = taps.shape

    def panel(begin: int, end: int, into: torch.Tensor) -> None:
        # [first or second tap, row of the stride, channels, columns]
        pairs = taps[begin:end].reshape(end - begin, channels, 2, count // 2)
        pairs = pairs.permute(2, 3, 1, 0)
        into = into.view(F32.points, count // 2, inputs, -1)
        into[:, :, :channels, : end - begin] = _at_points(F32, pairs)

    depth = F32.points * count // 2 * inputs
    padding = (inputs, rounded_up(outputs)) != (channels, outputs)
    return _panels(taps, outputs, depth, panel, padding)


def pack_residual(step: Residual) -> tuple[torch.Tensor, torch.Tensor]:
    """Pack the weights of a residual unit.

    Arguments
    ---------
    step : Residual
        The step; its kernel has 7 taps.

    Returns
    -------
    weights : torch.Tensor
        The dilated convolution's, at Winograd's points:
        [panel][point][channels][width].
    inner_weights : torch.Tensor
        The pointwise convolution's, [panel][channels][width].
    """
    channels = step.weight.shape[0]
    width = rounded_up(channels)

    def outer(begin: int, end: int, into: torch.Tensor) -> None:
        into = into.view(F47.points, width, -1)
        taps = step.weight[begin:end].permute(2, 1, 0)
        into[:, :channels, : end - begin] = _at_points(F47, taps)

    def inner(begin: int, end: int, into: torch.Tensor) -> None:
        values = step.inner_weight[begin:end]
        into.view(width, -1)[:channels, : end - begin] = values.t()

    return (
        _panels(step.weight, channels, F47.points * width, outer, width != channels),
        _panels(step.inner_weight, channels, width, inner, width != channels),
    )


def _at_points(filtering: Filtering, taps: torch.Tensor) -> torch.Tensor:
    """Values of filters [taps, ...] at the points, [points, ...].

    In double: rounded once, the filter's side adds nothing to the error.
    """
    flat = taps.reshape(len(taps), -1).double()
    return (filter_transform(filtering) @ flat).view(-1, *taps.shape[1:])


def _panels(
    like: torch.Tensor,
    columns: int,
    depth: int,
    fill: Callable[[int, int, torch.Tensor], None],
    padding: bool,
) -> torch.Tensor:
    """Allocate panels and have each one filled, so that no copy of all is made."""
    width = rounded_up(columns)
    packed = pages.empty(depth * width).to(like)
    if padding:
        packed.zero_()
    for begin in range(0, width, PANEL):
        stop = min(begin + PANEL, width)
        fill(begin, min(stop, columns), packed[depth * begin : depth * stop])
    return packed
