"""CPU minutes of a run, all its starts together.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import time
from pathlib import Path

from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)

__all__ = ["CPUTime"]


@register_checkpoint_hooks
class CPUTime:
    """What a process has spent since this was made, and what a checkpoint had before.

    Example
    -------
    >>> CPUTime().minutes < 1
    True
    """

    def __init__(self) -> None:
        self._before, self._since = 0.0, time.process_time()

    @property
    def minutes(self) -> float:
        """Minutes up to now, those of the starts before included."""
        return self._before + (time.process_time() - self._since) / 60

    @mark_as_saver
    def save(self, path: str | Path) -> None:
        """Write the minutes."""
        Path(path).write_text(f"{self.minutes}\n", encoding="utf-8")

    @mark_as_loader
    def load(self, path: str | Path, end_of_epoch: bool) -> None:
        """Go on from the minutes of a checkpoint."""
        self._before = float(Path(path).read_text(encoding="utf-8"))
        self._since = time.process_time()
