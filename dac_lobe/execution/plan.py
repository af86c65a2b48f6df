"""What a network computes, as a short list of steps with plain weights.

An encoder or a decoder becomes a flat sequence of three kinds of step. Weight
norm is folded, the Snake in front of a convolution belongs to its step, and
nothing refers back to the modules, which stay as they are.

    encoder   Convolve, (Residual x 3, Convolve) per stride, Convolve
    decoder   Convolve, (Upsample, Residual x 3) per stride, Convolve

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from dac_lobe.execution.layer_kinds import is_known
from dac_lobe.network.decoder import Decoder
from dac_lobe.network.layers import (
    MaskedSequential,
    MaskedStack,
    ResidualUnit,
    Snake1d,
)
from dac_lobe.network.receptive_field import Convolution

__all__ = [
    "Convolve",
    "Residual",
    "Step",
    "UnusualNetworkError",
    "Upsample",
    "geometry",
    "make_plan",
    "output_positions",
]


class UnusualNetworkError(ValueError):
    """A network that the fast path does not know; the modules themselves run it."""


class Convolve(NamedTuple):
    """Snake if there is one, a convolution, tanh if wanted.

    Attributes
    ----------
    alpha : torch.Tensor or None
        Frequencies of the Snake, shape [I].
    weight : torch.Tensor
        Shape [O, I, k].
    bias : torch.Tensor
        Shape [O].
    stride : int
        Input positions per output.
    dilation : int
        Distance of the taps.
    padding : int
        Zeros at each end of the signal.
    tanh : bool
        Whether tanh ends the step.
    """

    alpha: torch.Tensor | None
    weight: torch.Tensor
    bias: torch.Tensor
    stride: int
    dilation: int
    padding: int
    tanh: bool

    @property
    def channels(self) -> tuple[int, int]:
        """Channels before and after."""
        return self.weight.shape[1], self.weight.shape[0]

    @property
    def reach(self) -> int:
        """Input positions that one output sees."""
        return self.dilation * (self.weight.shape[2] - 1) + 1


class Residual(NamedTuple):
    """A residual unit: x + conv1(snake2(conv7(snake1(x)))).

    Attributes
    ----------
    alpha : torch.Tensor
        Frequencies of the first Snake, shape [C].
    weight : torch.Tensor
        Dilated convolution, shape [C, C, k] with odd k.
    bias : torch.Tensor
        Shape [C].
    dilation : int
        Distance of the taps.
    inner_alpha : torch.Tensor
        Frequencies of the second Snake, shape [C].
    inner_weight : torch.Tensor
        Pointwise convolution, shape [C, C].
    inner_bias : torch.Tensor
        Shape [C].
    """

    alpha: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor
    dilation: int
    inner_alpha: torch.Tensor
    inner_weight: torch.Tensor
    inner_bias: torch.Tensor

    @property
    def channels(self) -> tuple[int, int]:
        """Channels before and after."""
        return self.weight.shape[1], self.weight.shape[0]

    @property
    def padding(self) -> int:
        """Zeros at each end of the signal."""
        return self.dilation * (self.weight.shape[2] - 1) // 2


class Upsample(NamedTuple):
    """Snake and a transposed convolution whose kernel is twice its stride.

    Attributes
    ----------
    alpha : torch.Tensor
        Frequencies of the Snake, shape [I].
    weight : torch.Tensor
        Shape [I, O, 2 * stride].
    bias : torch.Tensor
        Shape [O].
    stride : int
        Output positions per input.
    padding : int
        Outputs cropped at each end.
    """

    alpha: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor
    stride: int
    padding: int

    @property
    def channels(self) -> tuple[int, int]:
        """Channels before and after."""
        return self.weight.shape[0], self.weight.shape[1]


Step = Convolve | Residual | Upsample


def geometry(step: Step) -> Step:
    """Return a step whose weights have shapes, but no values and no memory.

    It is what remains of a step when its weights have been copied in another
    order. Folded weights are as large as the network, and nobody else holds them.

    Example
    -------
    >>> step = Upsample(torch.ones(4), torch.ones(4, 2, 6), torch.ones(2), 3, 2)
    >>> geometry(step).weight.device, geometry(step).channels
    (device(type='meta'), (4, 2))
    """
    fields = ("weight", "inner_weight") if isinstance(step, Residual) else ("weight",)
    return step._replace(**{name: getattr(step, name).to("meta") for name in fields})


@torch.no_grad()
def make_plan(network: nn.Module) -> list[Step]:
    """Read the steps of a network, and their present weights.

    Arguments
    ---------
    network : nn.Module
        A `dac_lobe.network.encoder.Encoder` or `dac_lobe.network.decoder.Decoder`, with weight
        norm or without.

    Returns
    -------
    list of Step
        In order. Weights without weight norm are the network's own storage.

    Raises
    ------
    UnusualNetworkError
        If the network holds anything else than these steps.

    Example
    -------
    >>> from dac_lobe.network.encoder import Encoder
    >>> plan = make_plan(Encoder(d_model=4, strides=[2], d_latent=6))
    >>> [type(step).__name__ for step in plan]
    ['Convolve', 'Residual', 'Residual', 'Residual', 'Convolve', 'Convolve']
    """
    plan: list[Step] = []
    alpha = None
    for layer in _layers(network):
        if is_known(layer, Snake1d) and alpha is None:
            alpha = layer.alpha.detach().reshape(-1)
        elif is_known(layer, ResidualUnit) and alpha is None:
            plan.append(_residual(layer))
        elif is_known(layer, nn.ConvTranspose1d) and alpha is not None:
            plan.append(_upsample(alpha, layer))
            alpha = None
        elif is_known(layer, nn.Conv1d):
            plan.append(_convolve(alpha, layer))
            alpha = None
        elif is_known(layer, nn.Tanh) and plan and isinstance(plan[-1], Convolve):
            plan[-1] = plan[-1]._replace(tanh=True)
        else:
            raise UnusualNetworkError(f"unexpected {type(layer).__name__}")
    if alpha is not None:
        raise UnusualNetworkError("a Snake without a convolution after it")
    return plan


def output_positions(plan: Sequence[Step], positions: int) -> int:
    """Count the positions that steps make of ``positions`` positions.

    It is `output_length` of the network, without a walk through its modules: this is
    asked for each block of a stream.

    Example
    -------
    >>> up = Upsample(torch.ones(4), torch.ones(4, 2, 10), torch.ones(2), 5, 3)
    >>> output_positions([up], 4)
    19
    """
    for step in plan:
        if isinstance(step, Upsample):
            positions = (positions + 1) * step.stride - 2 * step.padding
        elif isinstance(step, Convolve):
            positions = (positions + 2 * step.padding - step.reach) // step.stride + 1
        positions = max(positions, 0)
    return positions


def _layers(network: nn.Module) -> list[nn.Module]:
    """Layers of a stack of stacks, residual units whole."""
    if is_known(network, Decoder):
        stack: nn.Module = network.model
    elif is_known(network, MaskedStack):
        stack = network.block
    else:
        raise UnusualNetworkError(f"unexpected {type(network).__name__}")
    if not is_known(stack, MaskedSequential):
        raise UnusualNetworkError(f"unexpected {type(stack).__name__}")
    layers: list[nn.Module] = []
    for layer in stack:
        layers.extend(_layers(layer) if isinstance(layer, MaskedStack) else [layer])
    return layers


def _bias(layer: Convolution, channels: int) -> torch.Tensor:
    """Bias of a layer, zeros if it has none."""
    if layer.bias is None:
        return layer.weight.new_zeros(channels)
    return layer.bias.detach()


def _convolve(alpha: torch.Tensor | None, layer: nn.Conv1d) -> Convolve:
    """Read a convolution."""
    if layer.groups != 1 or layer.padding_mode != "zeros":
        raise UnusualNetworkError("a grouped convolution, or other padding than zeros")
    if isinstance(layer.padding, str):
        raise UnusualNetworkError(f"padding={layer.padding!r}")
    return Convolve(
        alpha,
        layer.weight.detach(),
        _bias(layer, layer.out_channels),
        layer.stride[0],
        layer.dilation[0],
        layer.padding[0],
        tanh=False,
    )


def _residual(unit: ResidualUnit) -> Residual:
    """Read a residual unit."""
    if not is_known(unit.block, nn.Sequential) or len(unit.block) != 4:
        raise UnusualNetworkError("a residual unit of another stack")
    first, dilated, second, pointwise = unit.block
    if not (
        is_known(first, Snake1d)
        and is_known(dilated, nn.Conv1d)
        and is_known(second, Snake1d)
        and is_known(pointwise, nn.Conv1d)
    ):
        raise UnusualNetworkError("a residual unit of other layers")
    outer = _convolve(first.alpha.detach().reshape(-1), dilated)
    inner = _convolve(second.alpha.detach().reshape(-1), pointwise)
    channels, kernel = outer.weight.shape[1:]
    if (
        outer.weight.shape[0] != channels
        or inner.weight.shape != (channels, channels, 1)
        or kernel % 2 == 0
        or (outer.stride, inner.stride) != (1, 1)
        or (outer.padding, inner.padding) != (outer.dilation * (kernel // 2), 0)
    ):
        raise UnusualNetworkError("a residual unit that changes the shape")
    assert outer.alpha is not None
    assert inner.alpha is not None
    return Residual(
        outer.alpha,
        outer.weight,
        outer.bias,
        outer.dilation,
        inner.alpha,
        inner.weight[:, :, 0],
        inner.bias,
    )


def _upsample(alpha: torch.Tensor, layer: nn.ConvTranspose1d) -> Upsample:
    """Read a transposed convolution."""
    stride, padding = layer.stride[0], layer.padding[0]
    if (
        isinstance(padding, str)
        or layer.kernel_size[0] != 2 * stride
        or layer.dilation[0] != 1
        or layer.output_padding[0] != 0
        or padding > stride
        or layer.groups != 1
    ):
        raise UnusualNetworkError("a transposed convolution of another geometry")
    weight = layer.weight.detach()
    return Upsample(alpha, weight, _bias(layer, layer.out_channels), stride, padding)
