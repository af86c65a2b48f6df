"""Run the native kernels of a network over signals, without Python between two steps.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch

from dac_lobe.execution.native.kernel import NativeKernel
from dac_lobe.execution.plan import Residual, Upsample, output_positions
from dac_lobe.network.threads import one_thread, thread_count

__all__ = ["NativeFlow"]

# Chunks of a signal in one call. Between two calls Ctrl-C is heard.
CHUNKS = 5

_FLOATS = ctypes.c_void_p
_LONG = ctypes.c_long
_KINDS = {"residual": 0, "convolution": 1, "strided": 2}


class _Step(ctypes.Structure):
    """`Step` of native/flow.h."""

    _fields_ = (
        ("kind", _LONG),
        ("unit", ctypes.c_void_p),
        ("before", _LONG),
        ("after", _LONG),
        ("padding", _LONG),
        ("crop", _LONG),
        ("reach", _LONG),
        ("stride", _LONG),
        ("rate", _LONG),
    )


class _Samples(ctypes.Structure):
    """`Samples` of native/flow.h."""

    _fields_ = (
        ("first", _FLOATS),
        ("channels", _LONG),
        ("channel_step", _LONG),
        ("step", _LONG),
    )

    @classmethod
    def of(cls, signal: torch.Tensor) -> _Samples:
        """Describe a signal [C, T], which must outlive what comes of it."""
        return cls(signal.data_ptr(), len(signal), *signal.stride())


class _Signal(ctypes.Structure):
    """`Signal` of native/flow.h."""

    _fields_ = (
        ("samples", _Samples),
        ("position", _LONG),
        ("stop", _LONG),
        ("ends", ctypes.c_bool),
        ("kept", _FLOATS),
        ("counts", ctypes.c_void_p),
        ("out", _FLOATS),
        ("out_channels", _LONG),
        ("out_step", _LONG),
        ("written", _LONG),
    )


class _Needed(ctypes.Structure):
    """`Needed` of native/flow.h."""

    _fields_ = (
        ("first", _LONG),
        ("stop", _LONG),
        ("before", _LONG),
        ("after", _LONG),
    )


class _Place(ctypes.Structure):
    """`Place` of native/flow.h."""

    _fields_ = (
        ("samples", _Samples),
        ("needed", ctypes.c_void_p),
        ("out", _FLOATS),
    )


class NativeFlow:
    """All steps of a network; `dac_lobe.execution.flow` for native kernels.

    Arguments
    ---------
    kernels : sequence of NativeKernel
        The steps.
    library : ctypes.CDLL
        The kernel.

    Attributes
    ----------
    steps : list of Step
        What they compute.
    """

    def __init__(self, kernels: Sequence[NativeKernel], library: ctypes.CDLL):
        self.kernels = kernels
        self.steps = [kernel.step for kernel in kernels]
        self._library = library
        self._steps = (_Step * len(kernels))(*map(_describe, kernels))
        # Rows that a step may keep between two chunks.
        self._room = [max(step.reach - 1, step.padding) for step in self._steps]

    @one_thread()
    def run_batch(
        self, x: torch.Tensor, lengths: torch.Tensor, chunk: int, out: torch.Tensor
    ) -> None:
        """Run each item of a batch alone, several at once; see `flow.run_batch`."""
        steps, totals = self._steps, lengths.tolist()
        room = sum(
            rows * step.before for rows, step in zip(self._room, steps, strict=True)
        )
        kept = x.new_zeros(len(x), room)
        start = [value for step in steps for value in (step.padding, 0)]
        counts = [(_LONG * len(start))(*start) for _ in x]
        signals = (_Signal * len(x))(
            *(
                _Signal(
                    samples=_Samples.of(item),
                    kept=kept[number].data_ptr(),
                    counts=ctypes.addressof(counts[number]),
                    out=result.data_ptr(),
                    out_channels=result.shape[0],
                    out_step=result.stride(0),
                )
                for number, (item, result) in enumerate(zip(x, out, strict=True))
            )
        )
        for position in range(0, max(totals, default=0), CHUNKS * chunk):
            for signal, length in zip(signals, totals, strict=True):
                signal.position = min(position, length)
                signal.stop = min(position + CHUNKS * chunk, length)
                signal.ends = signal.stop == length
            self._call("signals", signals, len(x), _LONG(chunk))

    @one_thread()
    def run_positions(
        self, signals: Sequence[torch.Tensor], positions: Sequence[int]
    ) -> list[torch.Tensor]:
        """Compute one position of the output of each of several signals, and no other.

        A step is computed where later ones need it, which is less and less:

            signal    |. . x x x x x x x x x x x . .|
                              |x x x x x x x|
            position                |x|

        Arguments
        ---------
        signals : sequence of torch.Tensor
            Each of shape [C, T].
        positions : sequence of int
            Which position of each one's output.

        Returns
        -------
        list of torch.Tensor
            Of shape [C after], with columns that the kernel has added. What comes out
            for a signal does not depend on the others.
        """
        width = self._steps[-1].after
        results = [signal.new_empty(width) for signal in signals]
        needed = [
            self._needed(signal.shape[1], position)
            for signal, position in zip(signals, positions, strict=True)
        ]
        places = (_Place * len(results))(
            *(
                _Place(_Samples.of(signal), ctypes.addressof(rows), result.data_ptr())
                for signal, rows, result in zip(signals, needed, results, strict=True)
            )
        )
        self._call("places", places, len(results))
        return results

    def _needed(self, length: int, position: int) -> ctypes.Array[_Needed]:
        """Rows of each step's input that an output position needs, and the position."""
        lengths = [length]
        for step in self.steps:
            lengths.append(output_positions([step], lengths[-1]))
        first, stop = position, position + 1
        needed = [_Needed(first, stop)]
        for step, within in zip(reversed(self._steps), lengths[-2::-1], strict=True):
            assert step.rate == 1  # an encoder's
            first = first * step.stride - step.padding
            stop = (stop - 1) * step.stride - step.padding + step.reach
            before, after = max(-first, 0), max(stop - within, 0)
            first, stop = first + before, stop - after
            needed.append(_Needed(first, stop, before, after))
        return (_Needed * len(needed))(*reversed(needed))

    def _call(self, name: str, items: ctypes.Array, count: int, *more: _LONG) -> None:
        """Call a function of the kernel with all steps."""
        function = getattr(self._library, f"dac_lobe_{name}")
        failed = function(
            self._steps,
            _LONG(len(self._steps)),
            items,
            _LONG(count),
            *more,
            thread_count(),
        )
        if failed:
            raise MemoryError("the native kernel ran out of memory")


def _describe(kernel: NativeKernel) -> _Step:
    """Describe a step to the kernel."""
    step = kernel.step
    if isinstance(step, Residual):
        padding, crop, reach, stride, rate = step.padding, 0, 2 * step.padding + 1, 1, 1
    elif isinstance(step, Upsample):
        padding, crop, reach, stride, rate = 1, step.padding, 2, 1, step.stride
    else:
        padding, crop, reach, stride, rate = step.padding, 0, step.reach, step.stride, 1
    return _Step(
        kind=_KINDS[kernel.kind],
        unit=kernel.unit,
        before=kernel.widths[0],
        after=kernel.widths[1],
        padding=padding,
        crop=crop,
        reach=reach,
        stride=stride,
        rate=rate,
    )
