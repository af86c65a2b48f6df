"""A step of a plan, described to the native kernel and run by it.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import ctypes

import torch

from dac_lobe.execution.native import packing
from dac_lobe.execution.native.winograd import F32, F47
from dac_lobe.execution.plan import Convolve, Residual, Step, Upsample, geometry
from dac_lobe.network.threads import thread_count

__all__ = ["NativeKernel", "supports"]

# Winograd's F(3, 2) saves a third of the products and doubles the weights. Weights
# of more than these floats come from memory each time, which costs more.
LARGEST = 10 * 1024 * 1024

_FLOATS = ctypes.c_void_p
_LONG = ctypes.c_long


class _ResidualUnit(ctypes.Structure):
    """`ResidualUnit` of native/residual.h."""

    _fields_ = (
        ("rows", _FLOATS),
        ("out", _FLOATS),
        ("outputs", _LONG),
        ("channels", _LONG),
        ("dilation", _LONG),
        ("rate", _FLOATS),
        ("inverse", _FLOATS),
        ("weights", _FLOATS),
        ("bias", _FLOATS),
        ("inner_rate", _FLOATS),
        ("inner_inverse", _FLOATS),
        ("inner_weights", _FLOATS),
        ("inner_bias", _FLOATS),
    )


class _Convolution(ctypes.Structure):
    """`Convolution` of native/convolution.h."""

    _fields_ = (
        ("rows", _FLOATS),
        ("out", _FLOATS),
        ("outputs", _LONG),
        ("inputs", _LONG),
        ("columns", _LONG),
        ("taps", _LONG),
        ("stride", _LONG),
        ("rate", _FLOATS),
        ("inverse", _FLOATS),
        ("weights", _FLOATS),
        ("bias", _FLOATS),
        ("tanh", ctypes.c_bool),
    )


def supports(step: Step) -> bool:
    """Tell whether the kernel can run a step."""
    if isinstance(step, Residual):
        return step.weight.shape[2] == F47.taps
    return isinstance(step, Upsample) or step.dilation == 1


class NativeKernel:
    """A step in the native kernel; see `dac_lobe.execution.flow.Kernel`.

    Arguments
    ---------
    step : Step
        The step; `supports` tells whether it can be run.
    library : ctypes.CDLL
        The kernel.
    first : bool
        Whether it is the first step, whose input rows are as wide as they are;
        others are rounded up.
    """

    def __init__(self, step: Step, library: ctypes.CDLL, first: bool = False):
        self.step = geometry(step)
        inputs, outputs = step.channels
        exact = first and not isinstance(step, Residual) and step.alpha is None
        before = inputs if exact else packing.rounded_up(inputs)
        single = isinstance(step, Convolve) and outputs == 1 and before % 8 == 0
        after = 1 if single else packing.rounded_up(outputs)
        self.widths = before, after
        self._held = packing.Held()
        self._fields: _ResidualUnit | _Convolution
        if isinstance(step, Residual):
            self.kind = "residual"
            self._fields = self._residual(step, after)
        else:
            strided = self._strided(step)
            self.kind = "strided" if strided else "convolution"
            self._fields = self._convolution(step, strided)
        self._function = getattr(library, f"dac_lobe_{self.kind}")

    @property
    def unit(self) -> int:
        """Address of the kernel's description of the step, without rows."""
        return ctypes.addressof(self._fields)

    def __call__(self, rows: torch.Tensor, out: torch.Tensor) -> None:
        """Compute ``out`` [N, width after] from ``rows`` [R, width before]."""
        positions = self.step.stride if isinstance(self.step, Upsample) else 1
        fields = type(self._fields)()
        ctypes.pointer(fields)[0] = self._fields
        fields.rows = rows.data_ptr()
        fields.out = out.data_ptr()
        fields.outputs = len(out) // positions
        if self._function(ctypes.byref(fields), thread_count()):
            raise MemoryError("the native kernel ran out of memory")

    def _residual(self, step: Residual, width: int) -> _ResidualUnit:
        """Describe a residual unit to the kernel."""
        weights, inner_weights = packing.pack_residual(step)
        rate, inverse = packing.pack_snake(step.alpha, width)
        inner_rate, inner_inverse = packing.pack_snake(step.inner_alpha, width)
        return _ResidualUnit(
            channels=width,
            dilation=step.dilation,
            rate=self._held.address(rate),
            inverse=self._held.address(inverse),
            weights=self._held.address(weights),
            bias=self._held.address(packing.padded(step.bias, width)),
            inner_rate=self._held.address(inner_rate),
            inner_inverse=self._held.address(inner_inverse),
            inner_weights=self._held.address(inner_weights),
            inner_bias=self._held.address(packing.padded(step.inner_bias, width)),
        )

    def _strided(self, step: Convolve | Upsample) -> bool:
        """Tell whether to compute a convolution by Winograd's F(3, 2)."""
        inputs, outputs = self.widths
        if isinstance(step, Convolve) and (
            step.weight.shape[2] != 2 * step.stride
            or step.alpha is None
            or step.tanh
            or outputs == 1
        ):
            return False
        return F32.points * step.stride * inputs * outputs <= LARGEST

    def _convolution(self, step: Convolve | Upsample, strided: bool) -> _Convolution:
        """Describe a convolution, or a transposed one, to the kernel."""
        before, after = self.widths
        if strided:
            weights = packing.pack_strided(step, before)
        else:
            weights = packing.pack_convolution(step, before, single=after == 1)
        bias = step.bias if after == 1 else packing.padded(step.bias, after)
        if isinstance(step, Upsample):
            bias, after = bias.repeat(step.stride), after * step.stride
        fields = _Convolution(
            inputs=before,
            columns=after,
            taps=2 if isinstance(step, Upsample) else step.weight.shape[2],
            stride=1 if isinstance(step, Upsample) else step.stride,
            weights=self._held.address(weights),
            bias=self._held.address(bias),
            tanh=isinstance(step, Convolve) and step.tanh,
        )
        if step.alpha is not None:
            rate, inverse = packing.pack_snake(step.alpha, before)
            fields.rate, fields.inverse = (
                self._held.address(rate),
                self._held.address(inverse),
            )
        return fields
