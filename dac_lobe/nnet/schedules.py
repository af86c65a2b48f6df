"""Learning rates as functions of the optimizer step.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

__all__ = ["Cosine", "load_schedule", "phased_cosine"]

# What torch's OneCycleLR makes of `total_steps`.
LENGTH = ("total_steps", "_schedule_phases")


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


def load_schedule(scheduler: Any, path: str | Path, end_of_epoch: bool) -> None:
    """Go on at a checkpoint's place in a schedule of this run's length.

    A hook of SpeechBrain's ``Checkpointer``. torch's own loading takes the length of the
    run that was saved, too, and raises an error where this one goes on for longer.

    Arguments
    ---------
    scheduler : torch.optim.lr_scheduler.LRScheduler
        Made with this run's ``total_steps``.
    path : str or Path
        File of the checkpoint.
    end_of_epoch : bool
        Not used.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> def begin(steps):
    ...     optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])
    ...     return torch.optim.lr_scheduler.OneCycleLR(optimizer, 1.0, steps)
    >>> with TemporaryDirectory() as folder:
    ...     torch.save(begin(10).state_dict(), Path(folder) / "scheduler.ckpt")
    ...     longer = begin(20)
    ...     load_schedule(longer, Path(folder) / "scheduler.ckpt", end_of_epoch=True)
    >>> longer.total_steps
    20
    """
    state = torch.load(path, map_location="cpu")
    own = {name: vars(scheduler)[name] for name in LENGTH if name in state}
    scheduler.load_state_dict({**state, **own})
