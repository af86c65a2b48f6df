"""What a machine could do at best, to compare with what was done.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple

from dac_lobe import DAC
from dac_lobe.execution.native.library import find_native
from dac_lobe.execution.plan import Convolve, Residual, Step, Upsample, make_plan

__all__ = ["Cost", "cost_per_second", "peak_gflops", "step_cost"]

Clock = Callable[..., tuple[float, Any]]

# Multiplications per output, of Winograd's filtering and of the direct sum.
F47 = 10 / 4
F32 = 4 / 3


class Cost(NamedTuple):
    """Floating-point operations that a second of audio takes, in 10^9.

    Attributes
    ----------
    direct : float
        All convolutions as sums of products.
    winograd : float
        k=7 filters of residual units by F(4, 7), strided ones by F(3, 2).
    """

    direct: float
    winograd: float


def cost_per_second(codec: DAC) -> dict[str, Cost]:
    """Count the operations of the encoder and of the decoder.

    Arguments
    ---------
    codec : DAC
        The codec.

    Returns
    -------
    dict
        `Cost` of 'encode' and of 'decode'.
    """
    return {
        "encode": _cost(make_plan(codec.encoder), codec.sample_rate),
        "decode": _cost(make_plan(codec.decoder), codec.frame_rate),
    }


def step_cost(step: Step) -> Cost:
    """Count the operations of a step, per output (of a transposed convolution: input).

    Arguments
    ---------
    step : Step
        The step.

    Returns
    -------
    Cost

    Example
    -------
    >>> conv = Upsample(torch.ones(4), torch.ones(4, 2, 6), torch.ones(2), 3, 2)
    >>> [round(1e9 * cost) for cost in step_cost(conv)]
    [96, 64]
    """
    products = 2e-9 * step.channels[0] * step.channels[1]
    if isinstance(step, Residual):
        return Cost(products * (7 + 1), products * (F47 + 1))
    taps = step.weight.shape[2]
    strided = isinstance(step, Upsample) or taps == 2 * step.stride > 2
    return Cost(products * taps, products * (taps * F32 / 2 if strided else taps))


def _cost(plan: list[Step], rate: float) -> Cost:
    """Sum the cost of the steps; ``rate`` is the input's positions a second."""
    direct = winograd = 0.0
    for step in plan:
        if isinstance(step, Convolve):
            rate /= step.stride
        cost = step_cost(step)
        direct += rate * cost.direct
        winograd += rate * cost.winograd
        if isinstance(step, Upsample):
            rate *= step.stride
    return Cost(direct, winograd)


def peak_gflops(threads: int, clock: Clock) -> float | None:
    """Measure how many fused multiply-adds the processor can do.

    Arguments
    ---------
    threads : int
        Threads to keep busy.
    clock : callable
        Calls a function with arguments; returns seconds and its result.

    Returns
    -------
    float or None
        10^9 operations a second (two per multiply-add), in float32; None if the
        native kernel, whose vectors this takes, is not built.
    """
    library = find_native().library
    if library is None:
        return None
    run = library.dac_lobe_multiply_adds
    run.argtypes = [ctypes.c_long, ctypes.c_int]
    run.restype = ctypes.c_double
    run(1_000, threads)  # wakes the threads
    best = 0.0
    for _ in range(5):
        seconds, operations = clock(run, 400_000, threads)
        best = max(best, threads * operations / seconds)
    return best / 1e9
