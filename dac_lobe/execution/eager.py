"""The steps of a plan in plain torch, on rows (channels last).

What makes it faster than the modules: no weight norm to compute, no transposes
around the convolutions, Snake in place and in pieces that stay in the cache.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from dac_lobe.execution.plan import Convolve, Residual, Step, Upsample, geometry

__all__ = ["TorchKernel", "two_taps"]

# Values that Snake works on at a time: 256 KB in float32, and as much again.
PIECE = 65536


class TorchKernel:
    """A step in plain torch; see `dac_lobe.execution.flow.Kernel`.

    Arguments
    ---------
    step : Step
        The step. Its weights are copied only where their layout must change.

    Example
    -------
    >>> from dac_lobe.network.encoder import Encoder
    >>> from dac_lobe.execution.plan import make_plan
    >>> step = make_plan(Encoder(d_model=4, strides=[2], d_latent=6))[1]
    >>> out = torch.empty(10, 4)
    >>> TorchKernel(step)(torch.zeros(16, 4), out)
    >>> out.shape
    torch.Size([10, 4])
    """

    def __init__(self, step: Step):
        self.step = geometry(step)
        self.widths = step.channels
        if isinstance(step, Upsample):
            self._compute = self._upsample
            self._weight = _flat(two_taps(step))
            self._bias = step.bias.repeat(step.stride)
            self._snake = _Snake(step.alpha)
        elif isinstance(step, Residual):
            self._compute = self._residual
            self._weight = _flat(step.weight)
            self._inner_weight = _flat(step.inner_weight[:, :, None])
            self._snake = _Snake(step.alpha)
            self._inner_snake = _Snake(step.inner_alpha)
        else:
            self._compute = self._convolve
            self._weight = _flat(step.weight)
            self._snake = None if step.alpha is None else _Snake(step.alpha)

    @torch.no_grad()
    def __call__(self, rows: torch.Tensor, out: torch.Tensor) -> None:
        """Compute ``out`` [N, O] from ``rows`` [R, I]."""
        self._compute(rows, out)

    def _convolve(self, rows: torch.Tensor, out: torch.Tensor) -> None:
        """Snake if there is one, convolution, tanh if wanted."""
        step: Convolve = self.step
        if self._snake is not None:
            rows = self._snake(rows)
        y = F.conv2d(
            _image(rows),
            self._weight,
            step.bias,
            stride=(1, step.stride),
            dilation=(1, step.dilation),
        )
        if step.tanh:
            y.tanh_()
        _image(out).copy_(y)

    def _residual(self, rows: torch.Tensor, out: torch.Tensor) -> None:
        """Residual unit."""
        step: Residual = self.step
        y = F.conv2d(
            _image(self._snake(rows)),
            self._weight,
            step.bias,
            dilation=(1, step.dilation),
        )
        y = _rows(y)
        y = self._inner_snake(y, out=y)
        # Dilating a single tap changes nothing but torch's choice: oneDNN, which
        # on one thread it would pass over.
        y = F.conv2d(_image(y), self._inner_weight, step.inner_bias, dilation=2)
        middle = rows[step.padding : len(rows) - step.padding]
        torch.add(_rows(y), middle, out=out)

    def _upsample(self, rows: torch.Tensor, out: torch.Tensor) -> None:
        """Transposed convolution as one of two taps that makes whole strides."""
        y = F.conv2d(_image(self._snake(rows)), self._weight, self._bias)
        out.copy_(_rows(y).reshape(out.shape))


class _Snake:
    """Snake on rows."""

    def __init__(self, alpha: torch.Tensor):
        self.alpha = alpha
        self.scale = (alpha + 1e-9).reciprocal()

    def __call__(
        self, rows: torch.Tensor, out: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Activate rows [T, C], into ``out`` if given (which may be ``rows``)."""
        if out is None:
            out = torch.empty_like(rows)
        size = max(1, PIECE // rows.shape[1])
        y = rows.new_empty(min(size, len(rows)), rows.shape[1])
        for start in range(0, len(rows), size):
            x = rows[start : start + size]
            z = torch.mul(x, self.alpha, out=y[: len(x)])
            z.sin_().square_()
            torch.addcmul(x, z, self.scale, out=out[start : start + size])
        return out


def two_taps(step: Upsample, width: int | None = None) -> torch.Tensor:
    """Weights of the convolution with two taps that equals a transposed one.

    Output block q (s positions) sees the inputs q - 1 and q, through the second
    and the first half of the kernel.

    Arguments
    ---------
    step : Upsample
        The step, of stride s.
    width : int, optional
        Channels to round its O outputs up to, with zeros.

    Returns
    -------
    torch.Tensor
        Shape [s * width, I, 2].
    """
    inputs, outputs, _ = step.weight.shape
    first, second = step.weight.split(step.stride, dim=2)
    taps = torch.stack([second, first], dim=-1).permute(2, 1, 0, 3)  # [s, O, I, 2]
    if width is not None and width > outputs:
        taps = F.pad(taps, (0, 0, 0, 0, 0, width - outputs))
    return taps.reshape(-1, inputs, 2)


def _flat(weight: torch.Tensor) -> torch.Tensor:
    """Weights [O, I, k] of a convolution over images of height 1, channels last."""
    return weight[:, :, None].contiguous(memory_format=torch.channels_last)


def _image(rows: torch.Tensor) -> torch.Tensor:
    """View rows [T, C] as an image [1, C, 1, T], channels last.

    The strides of the two dimensions of size 1 matter: where they are not those
    of a whole image, a convolution takes it for channels first and copies it.
    """
    length, channels = rows.shape
    whole = length * channels
    return rows.as_strided((1, channels, 1, length), (whole, 1, whole, channels))


def _rows(image: torch.Tensor) -> torch.Tensor:
    """View an image [1, C, 1, T] as rows [T, C]."""
    return image[0, :, 0].t()
