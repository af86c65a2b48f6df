"""A network on windows of one fixed shape, for compilers and CUDA graphs.

What is compiled or captured once must always see the same shape. So a signal is
cut into windows of equal width, with context as in `dac_lobe.execution.windows`; what a
window lacks at the end is masked after every step, exactly as the modules mask
the padding of a batch.

    frames    |. . . . . . . . . . . . . . . . . .|
    windows   |x x x x x x c c|
                       |c c x x x x c c|
                                       |c c x x - -|     - masked

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from dac_lobe.execution.eager import two_taps
from dac_lobe.execution.plan import Convolve, Residual, Step, Upsample
from dac_lobe.network.context import Context, Window
from dac_lobe.network.layers import keep_valid

__all__ = ["Body", "FixedNetwork", "equal_windows", "run_windows"]

Body = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def equal_windows(frames: int, width: int, context: Context) -> Iterator[Window]:
    """Cut ``frames`` frames into windows of at most ``width``, the last one shorter.

    Arguments
    ---------
    frames : int
        Frames in the whole signal.
    width : int
        Frames to read at a time; more than the context.
    context : Context
        Of these, frames beside those to keep.

    Yields
    ------
    Window
        The windows, in order; together they keep every frame once.

    Raises
    ------
    ValueError
        If the width is not more than the context.

    Example
    -------
    >>> for window in equal_windows(10, 6, Context(left=1, right=2)):
    ...     print(*window)
    0 0 4 6
    3 4 7 9
    6 7 10 10
    """
    if width <= context.left + context.right:
        raise ValueError(f"width={width} leaves nothing beside {context}; enlarge it.")
    start = 0
    while start < frames:
        first = max(start - context.left, 0)
        last = min(first + width, frames)
        stop = frames if last == frames else last - context.right
        yield Window(first, start, stop, last)
        start = stop


def run_windows(
    body: Body,
    x: torch.Tensor,
    lengths: torch.Tensor,
    width: int,
    context: Context,
    hops: tuple[int, int],
    out: torch.Tensor,
) -> None:
    """Run a body over a batch, window by window.

    Arguments
    ---------
    body : callable
        Takes [B, C, width * hop before] and valid lengths [B]; returns the output.
    x : torch.Tensor
        Input of shape [B, C, T].
    lengths : torch.Tensor
        Valid positions per item, shape [B], whole frames.
    width : int
        Frames in a window.
    context : Context
        Frames of context within it.
    hops : tuple of int
        Positions per frame before and after.
    out : torch.Tensor
        Written to; zeros where there is no output.
    """
    before, after = hops
    for window in equal_windows(x.shape[-1] // before, width, context):
        piece = x[..., window.first * before : window.last * before]
        missing = width * before - piece.shape[-1]
        valid = (lengths - window.first * before).clamp(0, piece.shape[-1])
        y = body(F.pad(piece, (0, missing)), valid)
        begin, end = window.start * after, out.shape[-1]
        if window.stop * before < x.shape[-1]:
            end = window.stop * after
        skipped = (window.start - window.first) * after
        out[..., begin:end] = y[..., skipped : skipped + end - begin]


class FixedNetwork(nn.Module):
    """The steps of a plan on padded batches, made for compilers.

    Arguments
    ---------
    plan : list of Step
        The steps.
    dtype : torch.dtype
        Of the convolutions; everything between them is as the input is.
    channels_last : bool
        Whether the weights lie channels last, as the input then should.

    Example
    -------
    >>> from dac_lobe.network.encoder import Encoder
    >>> from dac_lobe.execution.plan import make_plan
    >>> network = FixedNetwork(make_plan(Encoder(d_model=4, strides=[2], d_latent=6)))
    >>> network(torch.zeros(2, 1, 8), torch.tensor([8, 4])).shape
    torch.Size([2, 6, 4])
    """

    def __init__(
        self,
        plan: list[Step],
        dtype: torch.dtype = torch.float32,
        channels_last: bool = True,
    ):
        super().__init__()
        kinds = {Convolve: _Convolve, Residual: _Residual, Upsample: _Upsample}
        self.steps = nn.ModuleList(
            kinds[type(step)](step, dtype, channels_last) for step in plan
        )
        self.layout = torch.channels_last if channels_last else torch.contiguous_format

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Run the steps on ``x`` [B, C, T], of which ``lengths`` [B] are valid."""
        x = x[:, :, None].contiguous(memory_format=self.layout)
        lengths = lengths[:, None]
        x = keep_valid(x, lengths)
        for step in self.steps:
            x, lengths = step(x, lengths)
            x = keep_valid(x, lengths)
        return x[:, :, 0]


class _Filter(nn.Module):
    """Snake if there is one, and a convolution of images of height 1."""

    def __init__(
        self,
        alpha: torch.Tensor | None,
        weight: torch.Tensor,
        bias: torch.Tensor,
        dtype: torch.dtype,
        channels_last: bool,
        **geometry: Any,
    ):
        super().__init__()
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.weight: torch.Tensor
        self.bias: torch.Tensor
        self.alpha: torch.Tensor | None
        weight = weight[:, :, None].to(dtype).contiguous(memory_format=layout)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias.to(dtype))
        self.register_buffer("alpha", alpha if alpha is None else alpha.view(-1, 1, 1))
        self.geometry = geometry

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Filter ``x`` [B, C, 1, T]."""
        dtype = x.dtype
        if self.alpha is not None:
            scale = (self.alpha + 1e-9).reciprocal()
            x = x + scale * torch.sin(self.alpha * x).square()
        x = x.to(self.weight.dtype)
        return F.conv2d(x, self.weight, self.bias, **self.geometry).to(dtype)


class _Convolve(nn.Module):
    def __init__(self, step: Convolve, dtype: torch.dtype, channels_last: bool):
        super().__init__()
        self.filter = _Filter(
            step.alpha,
            step.weight,
            step.bias,
            dtype,
            channels_last,
            stride=(1, step.stride),
            padding=(0, step.padding),
            dilation=(1, step.dilation),
        )
        self.tanh = step.tanh
        self.stride = step.stride
        self.lost = step.reach - 2 * step.padding

    def forward(self, x, lengths):
        x = self.filter(x)
        lengths = ((lengths - self.lost) // self.stride + 1).clamp(min=0)
        return (torch.tanh(x) if self.tanh else x), lengths


class _Residual(nn.Module):
    def __init__(self, step: Residual, dtype: torch.dtype, channels_last: bool):
        super().__init__()
        self.outer = _Filter(
            step.alpha,
            step.weight,
            step.bias,
            dtype,
            channels_last,
            padding=(0, step.padding),
            dilation=(1, step.dilation),
        )
        self.inner = _Filter(
            step.inner_alpha,
            step.inner_weight[:, :, None],
            step.inner_bias,
            dtype,
            channels_last,
        )

    def forward(self, x, lengths):
        return x + self.inner(self.outer(x)), lengths


class _Upsample(nn.Module):
    def __init__(self, step: Upsample, dtype: torch.dtype, channels_last: bool):
        super().__init__()
        bias = step.bias.repeat(step.stride)
        self.filter = _Filter(
            step.alpha, two_taps(step), bias, dtype, channels_last, padding=(0, 1)
        )
        self.stride = step.stride
        self.crop = step.padding

    def forward(self, x, lengths):
        # [B, s * O, 1, T + 1]: s outputs side by side; channels last, a mere view.
        y = self.filter(x)
        y = y.unflatten(1, (self.stride, -1)).permute(0, 2, 3, 4, 1).flatten(3)
        y = y[..., self.crop : y.shape[-1] - self.crop]
        lengths = (lengths + 1) * self.stride - 2 * self.crop
        # A window with nothing valid in it stays without.
        return y, lengths * (lengths > 2 * self.stride - 2 * self.crop - 1)
