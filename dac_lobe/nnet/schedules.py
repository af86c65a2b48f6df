"""Learning rates as functions of the optimizer step.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

__all__ = ["Cosine", "phased_cosine"]


class Cosine(NamedTuple):
    """One phase: a linear warm-up, then half a cosine.

    Attributes
    ----------
    steps : int
        Length of the phase.
    peak : float
        Highest factor.
    end : float
        Factor at the end.
    warmup : int
        Steps of the warm-up.
    """

    steps: int
    peak: float = 1.0
    end: float = 0.0
    warmup: int = 0

    def factor(self, step: int) -> float:
        """Factor at ``step``, counted from the start of the phase."""
        progress = min(1.0, step / max(1, self.steps))
        cosine = 0.5 * (1 + math.cos(math.pi * progress))
        level = self.end + (self.peak - self.end) * cosine
        return level * min(1.0, (step + 1) / max(1, self.warmup))


def phased_cosine(
    optimizer: Optimizer, phases: Sequence[Cosine | Sequence[float]]
) -> LambdaLR:
    """Follow several cosine phases, one after the other; the last one holds its end.

    Arguments
    ---------
    optimizer : Optimizer
        Its groups' learning rates are multiplied by the factors.
    phases : sequence
        `Cosine`, or its values (steps, peak, end, warmup).

    Returns
    -------
    LambdaLR
        To be stepped once per optimizer step.

    Example
    -------
    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    >>> schedule = phased_cosine(optimizer, [(2, 1.0, 0.5), (4, 0.2, 0.0)])
    >>> rates = []
    >>> for _ in range(4):
    ...     rates.append(round(schedule.get_last_lr()[0], 3))
    ...     optimizer.step(), schedule.step()
    (None, None)
    (None, None)
    (None, None)
    (None, None)
    >>> rates
    [1.0, 0.75, 0.2, 0.171]
    """
    parts = [Cosine(*phase) for phase in phases]

    def factor(step: int) -> float:
        for part in parts[:-1]:
            if step < part.steps:
                return part.factor(step)
            step -= part.steps
        return parts[-1].factor(step)

    return LambdaLR(optimizer, factor)
