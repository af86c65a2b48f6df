"""Measure each layer of the native kernel against what the processor can do at most.

    python benchmarks/layers.py                      16khz and 44khz, one thread
    python benchmarks/layers.py --threads 2          wall clock instead of the processor's
    python benchmarks/layers.py --models 16khz-small

Each layer runs on the rows that two seconds of audio give it, and just before it the
multiply-adds of `limits.peak_gflops`, round by round; the least time of each counts.
Operations are those of Winograd's sums, so that a layer which computes its sums
directly, as large ones do to spare memory, shows a rate of useful operations. Snake,
Winograd's additions and moving memory count as none: they are what is lost.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from benchmarks import machine  # noqa: E402
from benchmarks.limits import peak_gflops, step_cost  # noqa: E402
from benchmarks.report import table  # noqa: E402
from benchmarks.speed import Clock, load_codec  # noqa: E402
from dac_lobe import DAC  # noqa: E402
from dac_lobe.execution.engine import CHUNK_SECONDS  # noqa: E402
from dac_lobe.execution.native.kernel import NativeKernel  # noqa: E402
from dac_lobe.execution.native.library import find_native  # noqa: E402
from dac_lobe.execution.pages import empty  # noqa: E402
from dac_lobe.execution.plan import (  # noqa: E402
    Residual,
    Step,
    Upsample,
    make_plan,
)


class Layer(NamedTuple):
    """A layer, and what it does with a chunk.

    Attributes
    ----------
    name : str
        What it is.
    kernel : NativeKernel
        Runs it.
    rows, out : torch.Tensor
        Its input and its output.
    gflop : float
        Useful operations, in 10^9.
    """

    name: str
    kernel: NativeKernel
    rows: torch.Tensor
    out: torch.Tensor
    gflop: float


def layers(plan: list[Step], positions: int) -> list[Layer]:
    """Prepare the layers of a network for ``positions`` positions of its input."""
    library = find_native().library
    if library is None:
        raise SystemExit(f"layers.py measures the kernel: {find_native().reason}.")
    found: list[Layer] = []
    for step in plan:
        kernel = NativeKernel(step, library, first=not found)
        inputs, outputs = step.channels
        if isinstance(step, Residual):
            rows, count = positions + 2 * step.padding, positions
            name = f"residual unit {inputs}, dilation {step.dilation}"
        elif isinstance(step, Upsample):
            rows, count = positions + 1, positions * step.stride
            name = f"up {inputs} to {outputs}, stride {step.stride}"
        else:
            count = positions // step.stride
            rows = (count - 1) * step.stride + step.reach
            name = f"convolution {inputs} to {outputs}"
            name += f", stride {step.stride}" if step.stride > 1 else ""
        calls = positions if isinstance(step, Upsample) else count
        found.append(
            Layer(
                name,
                kernel,
                memory(rows, kernel.widths[0]).normal_(),
                memory(count, kernel.widths[1]),
                calls * step_cost(step).winograd,
            )
        )
        positions = count
    return found


def memory(rows: int, width: int) -> torch.Tensor:
    """Allocate rows as the engine does."""
    return empty(rows * width).view(rows, width)


def measure(
    found: list[Layer], threads: int, rounds: int, clock: Clock
) -> tuple[list[float], float]:
    """Least seconds of each layer, and the peak in GFLOP/s."""
    least = [float("inf")] * len(found)
    peak = 0.0
    for _ in range(rounds):
        peak = max(peak, peak_gflops(threads, clock) or 0.0)
        for number, layer in enumerate(found):
            taken, _ = clock(layer.kernel, layer.rows, layer.out)
            least[number] = min(least[number], taken)
    return least, peak


def report(codec: DAC, threads: int, rounds: int, clock: Clock) -> list[str]:
    """Measure both networks of a codec; lines of Markdown."""
    frames = round(CHUNK_SECONDS * codec.frame_rate)
    seconds = frames / codec.frame_rate
    lines = []
    for what, network, positions in (
        ("encoder", codec.encoder, frames * codec.hop_length),
        ("decoder", codec.decoder, frames),
    ):
        found = layers(make_plan(network), positions)
        least, peak = measure(found, threads, rounds, clock)
        total, work = sum(least), sum(layer.gflop for layer in found)
        rows = [[what, "share", "ms", "GFLOP/s", "limit", "reached"]]
        for layer, taken in zip(found, least, strict=True):
            rows.append(_row(layer.name, taken, total, layer.gflop, peak))
        rows.append(_row(f"all, {seconds / total:.1f}x", total, total, work, peak))
        lines += ["", *table(rows)]
    return lines


def _row(name: str, taken: float, total: float, gflop: float, peak: float) -> list[str]:
    """One layer's row of a table."""
    rate = gflop / taken
    return [
        name,
        f"{100 * taken / total:.1f} %",
        f"{1000 * taken:.2f}",
        f"{rate:.0f}",
        f"{peak:.0f}",
        f"{100 * rate / peak:.0f} %",
    ]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", default="16khz,44khz", help="names, by commas")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--require-idle", action="store_true")
    options = parser.parse_args()
    if options.require_idle and (problem := machine.busy()):
        parser.error(problem)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    # The processor's clock leaves out what others take of it, on one thread.
    clock = Clock("cpu" if options.threads == 1 else "wall")
    load = machine.load()
    for model in options.models.split(","):
        codec = load_codec(model)
        lines = report(codec, options.threads, options.rounds, clock)
        print("\n".join([f"\n**{model}, {options.threads} thread(s)**", *lines]))
    print(
        f"\n{machine.processor()}, {find_native().isa}, torch {torch.__version__}; "
        f"least of {options.rounds} rounds, load "
        f"{'unknown' if load is None else f'{load:.1f}'} at the start."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
