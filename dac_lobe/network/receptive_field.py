"""How far one sample reaches: geometry of convolutional stacks, from their layers.

Every number that exact chunking, streaming and padding-invariant batches rely
on (lengths, reaches, delays) is computed here from the real layers, so that it
holds for any rates, odd strides included, and cannot go stale.

A position ``j`` of the output of a layer depends on a closed interval of
positions of its input. Both ends are affine in ``j``, so a stack of layers is
a pair of affine maps, kept exact as fractions:

    Conv1d           [j*s - p,               j*s - p + d*(k - 1)]
    ConvTranspose1d  [ceil((j + p - d*(k - 1)) / s),  floor((j + p) / s)]

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple, TypeVar

import torch
from torch import nn

Length = TypeVar("Length", int, torch.Tensor)
Convolution = nn.Conv1d | nn.ConvTranspose1d

__all__ = [
    "Convolution",
    "ReceptiveField",
    "convolutions",
    "output_length",
    "receptive_field",
    "reported_delay",
]


class ReceptiveField(NamedTuple):
    """Which inputs an output of a stack may depend on.

    Exact for a stack that only shortens (encoder) or only lengthens (decoder);
    an upper bound, less than one position too wide at each end of each change
    of direction, for a stack that does both.

    Attributes
    ----------
    step : Fraction
        Input positions per output position.
    first : Fraction
        Output ``j`` sees no input before ``j * step + first``.
    last : Fraction
        Output ``j`` sees no input after ``j * step + last``.
    """

    step: Fraction
    first: Fraction
    last: Fraction

    @property
    def size(self) -> int:
        """Number of input positions that one output position sees at most."""
        return floor(self.last - self.first) + 1

    def inputs(self, start: int, stop: int) -> range:
        """Input positions that the outputs ``start`` to ``stop - 1`` see together.

        Positions before 0 and after the end are the padding of the edges.

        Example
        -------
        >>> field = receptive_field(torch.nn.Conv1d(1, 1, 4, stride=2, padding=1))
        >>> field.inputs(0, 3)
        range(-1, 7)
        """
        return range(
            ceil(start * self.step + self.first),
            floor((stop - 1) * self.step + self.last) + 1,
        )


def convolutions(module: nn.Module) -> Iterator[Convolution]:
    """Yield the convolutions on the main path of ``module``, in order.

    Residual units contribute their two convolutions: the identity beside them
    reaches nowhere further.
    """
    for layer in module.modules():
        if isinstance(layer, (nn.Conv1d, nn.ConvTranspose1d)):
            yield layer


def output_length(module: nn.Module, length: Length) -> Length:
    """Length after ``module`` of a signal that is ``length`` long before it.

    Arguments
    ---------
    module : nn.Module
        A convolution, an activation, or a stack of such layers.
    length : int or torch.Tensor
        Number of positions, one or many. Never returns less than 0.

    Returns
    -------
    int or torch.Tensor
        As many as were given.

    Example
    -------
    >>> upsample = torch.nn.ConvTranspose1d(4, 2, 10, stride=5, padding=3)
    >>> output_length(upsample, 4)
    19
    """
    for layer in convolutions(module):
        kernel, stride = layer.kernel_size[0], layer.stride[0]
        padding, dilation = _padding(layer), layer.dilation[0]
        if isinstance(layer, nn.ConvTranspose1d):
            length = (
                (length - 1) * stride
                - 2 * padding
                + dilation * (kernel - 1)
                + layer.output_padding[0]
                + 1
            )
        else:
            length = (length + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
        length = length.clamp(min=0) if torch.is_tensor(length) else max(length, 0)
    return length


def receptive_field(module: nn.Module) -> ReceptiveField:
    """Compose the dependency intervals of all convolutions of ``module``.

    Arguments
    ---------
    module : nn.Module
        An encoder, a decoder, or any stack of one-dimensional convolutions.

    Returns
    -------
    ReceptiveField
        Affine bounds on the inputs that each output sees.

    Example
    -------
    >>> stack = torch.nn.Sequential(
    ...     torch.nn.Conv1d(1, 1, 7, padding=3),
    ...     torch.nn.Conv1d(1, 1, 4, stride=2, padding=1),
    ... )
    >>> field = receptive_field(stack)
    >>> int(field.step), int(field.first), int(field.last)
    (2, -4, 5)
    """
    step, first, last = Fraction(1), Fraction(0), Fraction(0)
    for layer in reversed(list(convolutions(module))):
        kernel, stride = layer.kernel_size[0], layer.stride[0]
        padding, reach = _padding(layer), layer.dilation[0] * (kernel - 1)
        if isinstance(layer, nn.ConvTranspose1d):
            step = step / stride
            first = (first + padding - reach) / stride
            last = (last + padding) / stride
        else:
            step = step * stride
            first = first * stride - padding
            last = last * stride - padding + reach
    return ReceptiveField(step, first, last)


def _padding(layer: Convolution) -> int:
    """Zeros at each end of a layer's input."""
    if isinstance(layer.padding, str):
        raise ValueError(f"padding={layer.padding!r}: a number of zeros is needed.")
    return layer.padding[0]


def reported_delay(decoder: nn.Module) -> int:
    """Count the samples that odd strides shift upstream's checkpoints by.

    A transposed convolution of stride ``s`` and kernel ``2s`` makes ``s`` positions
    too many, which cropping removes. Upstream crops ``ceil(s / 2)`` on each side;
    for an odd stride that is one too many, and the output is one short::

        uncropped      |a b c d e f g h i j k l m n o|    2 inputs, stride 5
        floor(s / 2)       |c d e f g h i j k l m|        one over: cut at the end
        ceil(s / 2)          |d e f g h i j k l|          one short

    The two begin one position apart. Weights that were trained with the first and
    run with the second give their output one position early, times the strides
    that follow: 8 samples for rates [8, 5, 4, 2], none where all strides are even.

    That upstream's 16 and 24 kHz weights are so is reported, not proven here; see
    docs/delay.md. Weights trained with the layers of this package have no delay.

    Arguments
    ---------
    decoder : nn.Module
        A stack with transposed convolutions.

    Returns
    -------
    int
        Samples at the output rate.

    Example
    -------
    >>> reported_delay(torch.nn.ConvTranspose1d(1, 1, 10, stride=5, padding=3))
    1
    """
    delay = 0
    for layer in convolutions(decoder):
        if isinstance(layer, nn.ConvTranspose1d):
            stride = layer.stride[0]
            delay = delay * stride + stride % 2
    return delay
