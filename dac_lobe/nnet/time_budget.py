"""Training that ends when its time is over, with its schedule complete.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import nn

__all__ = ["TimeBudget"]


class TimeBudget(nn.Module):
    """Follow a schedule by the clock, on a machine that is lent for minutes.

    How fast a machine is shows when it runs, so the steps that fit are not known
    before. Each step moves the schedule on by its share of the time that is left.
    Compilation, which is no training, moves it by `longest_step` at most; the
    steps that are left make up for it. The share that is behind belongs to the
    checkpoint: several calls, each with its own minutes, share one schedule.

    The clock starts when the object is made. Runs are not repeatable step by step.

    Arguments
    ---------
    minutes : float
        From now until training ends.
    until : float
        Share of the schedule that is behind then, at most 1.
    longest_step : float
        Seconds that one step counts at most.
    clock : callable
        Returns seconds.

    Example
    -------
    >>> ticks = iter([0.0, 30.0, 45.0, 60.0])
    >>> budget = TimeBudget(1.0, longest_step=60.0, clock=lambda: next(ticks))
    >>> positions = []
    >>> while not budget.spent:
    ...     budget.advance()
    ...     positions.append(budget.position(1000))
    >>> positions
    [500, 750, 1000]
    """

    share: torch.Tensor

    def __init__(
        self,
        minutes: float,
        until: float = 1.0,
        longest_step: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ):
        super().__init__()
        if minutes <= 0:
            raise ValueError(f"minutes: {minutes}. Give a time above 0.")
        if not 0 < until <= 1:
            raise ValueError(f"until: {until}. Give a share above 0, up to 1.")
        self.until = until
        self.longest_step = longest_step
        self._clock = clock
        self._now = clock()
        self._end = self._now + 60 * minutes
        self.register_buffer("share", torch.zeros((), dtype=torch.float64))

    @property
    def spent(self) -> bool:
        """Whether the time is over, or the schedule has come as far as it should."""
        return self.minutes_left <= 0 or float(self.share) >= self.until

    @property
    def minutes_left(self) -> float:
        """Minutes that were left at the last step."""
        return max(0.0, self._end - self._now) / 60

    def advance(self) -> None:
        """Move on after a step."""
        before, self._now = self._now, self._clock()
        ahead = self.until - float(self.share)
        if self._now >= self._end or ahead <= 0:
            self.share.fill_(max(self.until, float(self.share)))
            return
        counted = min(self._now - before, self.longest_step)
        self.share += ahead * counted / (self._end - before)

    def position(self, steps: int) -> int:
        """Return where a schedule of so many steps stands."""
        return round(float(self.share) * steps)
