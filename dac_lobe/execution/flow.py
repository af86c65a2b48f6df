"""Run a plan over a signal of any length in bounded memory, computing nothing twice.

Every step is computed as a *valid* convolution, without padding of its own. The
zeros at the two ends of the signal are rows like others: they are what a step
has in hand before the first chunk, and what it is given after the last one.
Between chunks a step keeps the rows that later outputs still need:

    chunk 1   |0 0 0 x x x x x x x|            0: left padding
                         |kept    |
    chunk 2              |x x x x x x x x x|
                                   |kept   |
    the end                        |x x x x 0 0 0|    0: right padding

So the result is that of the whole signal, whatever the chunks, and the memory
is that of one chunk. Signals are rows: [T, C], the channels of one position
side by side, which is the layout that the convolutions like best.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch

from dac_lobe.execution import pages
from dac_lobe.execution.plan import Convolve, Residual, Step, Upsample

__all__ = ["Kernel", "run_batch", "run_plan"]


class Kernel(Protocol):
    """One step, made ready for execution.

    Attributes
    ----------
    step : Step
        What it computes.
    widths : tuple of int
        Columns of the rows before and after: channels, possibly rounded up.
    """

    step: Step
    widths: tuple[int, int]

    def __call__(self, rows: torch.Tensor, out: torch.Tensor) -> None:
        """Compute ``out`` [N, width after] from ``rows`` [R, width before]."""


class _Workspace:
    """Two buffers that the steps write to in turn; they only ever grow."""

    def __init__(self) -> None:
        self._buffers = [pages.empty(0), pages.empty(0)]
        self._turn = 0

    def rows(self, count: int, width: int) -> torch.Tensor:
        """Give [count, width] of the buffer that was not given last."""
        self._turn = 1 - self._turn
        if self._buffers[self._turn].numel() < count * width:
            self._buffers[self._turn] = pages.empty(0)  # frees it first
            self._buffers[self._turn] = pages.empty(count * width)
        return self._buffers[self._turn][: count * width].view(count, width)


class _Stage:
    """A kernel, and the rows that it keeps between chunks."""

    def __init__(self, kernel: Kernel):
        self.kernel = kernel
        step = kernel.step
        upsample = isinstance(step, Upsample)
        # A transposed convolution of kernel 2s makes s outputs of 2 neighbours;
        # what it calls padding are outputs to drop at each end.
        self.padding = 1 if upsample else step.padding
        self.crop = step.padding if upsample else 0
        width = kernel.widths[0]
        self.kept = pages.empty(self.padding * width).view(-1, width).zero_()
        self._begun = False

    def run(
        self,
        rows: torch.Tensor,
        after: _Stage | None,
        workspace: _Workspace,
        last: bool,
    ) -> torch.Tensor:
        """Compute all outputs that ``rows`` suffice for, as input of the next stage.

        Outputs to crop at the head lie where the next stage's kept rows belong,
        which therefore are laid down last:

            written        |h h y y y y y y t|
            returned   |k k k k y y y y y y 0 0 0|
        """
        outputs = self._outputs(len(rows))
        head = self.crop if outputs and not self._begun else 0
        tail = self.crop if outputs and last else 0
        kept = len(after.kept) if after else 0
        padding = after.padding if after and last else 0
        end = kept + outputs - tail
        buffer = workspace.rows(end + max(tail, padding), self.kernel.widths[1])
        if outputs:
            self.kernel(rows, buffer[kept : kept + outputs])
            self._begun = True
        self.kept = rows[self._consumed(outputs) :].clone()
        if after is not None:
            buffer[head : head + kept] = after.kept
            buffer[end : end + padding] = 0.0
        return buffer[head : end + padding]

    def _outputs(self, rows: int) -> int:
        """Count the outputs that ``rows`` rows suffice for."""
        step = self.kernel.step
        if isinstance(step, Residual):
            return max(rows - 2 * step.padding, 0)
        if isinstance(step, Upsample):
            return max(rows - 1, 0) * step.stride
        return max((rows - step.reach) // step.stride + 1, 0)

    def _consumed(self, outputs: int) -> int:
        """Count the rows that nothing after ``outputs`` outputs needs."""
        step = self.kernel.step
        if isinstance(step, Upsample):
            return outputs // step.stride
        return outputs * (step.stride if isinstance(step, Convolve) else 1)


def run_plan(
    kernels: Sequence[Kernel], signal: torch.Tensor, chunk: int
) -> Iterator[torch.Tensor]:
    """Run a signal through the steps.

    Arguments
    ---------
    kernels : sequence of Kernel
        The steps.
    signal : torch.Tensor
        Rows of shape [T, C].
    chunk : int
        Rows to take up at a time.

    Yields
    ------
    torch.Tensor
        Rows of output, in order, at the last step's width. Each is valid until
        the next one is asked for.
    """
    stages = [_Stage(kernel) for kernel in kernels]
    first, workspace = stages[0], _Workspace()
    for start in range(0, len(signal), chunk):
        piece = signal[start : start + chunk]
        last = start + chunk >= len(signal)
        kept = len(first.kept)
        padding = first.padding if last else 0
        rows = workspace.rows(kept + len(piece) + padding, first.kernel.widths[0])
        rows[:kept] = first.kept
        rows[kept:] = 0.0
        rows[kept : kept + len(piece), : piece.shape[1]] = piece
        for stage, after in zip(stages, [*stages[1:], None], strict=True):
            rows = stage.run(rows, after, workspace, last)
        yield rows


def run_batch(
    kernels: Sequence[Kernel],
    x: torch.Tensor,
    lengths: torch.Tensor,
    chunk: int,
    out: torch.Tensor,
) -> None:
    """Run each item of a batch alone.

    Side by side they would take as long on a CPU, and an item's end would need
    masking.

    Arguments
    ---------
    kernels : sequence of Kernel
        The steps.
    x : torch.Tensor
        Input of shape [B, C, T].
    lengths : torch.Tensor
        Valid positions per item, shape [B].
    chunk : int
        Positions to take up at a time.
    out : torch.Tensor
        Written to, shape [B, C after, T after]; zeros where there is no output.
    """
    for item, length, result in zip(x, lengths.tolist(), out, strict=True):
        begin = 0
        for rows in run_plan(kernels, item[:, :length].t(), chunk):
            end = begin + len(rows)
            result[:, begin:end] = rows[:, : len(result)].t()
            begin = end
