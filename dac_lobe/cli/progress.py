"""Progress on stderr, results on stdout: a bar for each running file, and the sum.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from threading import Event
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from dac_lobe.cli.tasks import Outcome

__all__ = ["Report"]


class Report:
    """What a person sees of a run over files.

    Arguments
    ---------
    total : int
        Number of files.
    verb : str
        What is done to them, like 'encoded'.
    quiet : bool
        Whether to show failures only.
    left_out : str
        What was found and is not looked at, for the summary.
    """

    def __init__(self, total: int, verb: str, quiet: bool, left_out: str = ""):
        self.verb, self.quiet, self.left_out = verb, quiet, left_out
        self.total = total
        self.counts: Counter[str] = Counter()
        self.stop = Event()
        console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[state]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
        )
        self._sum: TaskID | None = None
        if total > 1:
            self._sum = self._bars.add_task("files", total=total, state=f"0/{total}")

    def __enter__(self) -> Report:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def file(self, name: str) -> Callable[[float, float], None]:
        """Open a bar for one file; call the result with seconds done and in all.

        The call ends the work on the file where the run has been stopped.
        """
        bar = self._bars.add_task(name, total=None, state="")

        def update(done: float, total: float) -> None:
            if self.stop.is_set():
                raise KeyboardInterrupt
            self._bars.update(
                bar,
                completed=done,
                total=total,
                visible=done < total,
                state=f"{done:.0f}/{total:.0f} s",
            )

        return update

    def collect(self, outcomes: Iterable[Outcome]) -> int:
        """Count outcomes as they come, print failures; return the exit code."""
        for outcome in outcomes:
            self.counts[outcome.status] += 1
            if outcome.status == "failed":
                # Above the bars, and plain: a path may hold rich's brackets.
                print(f"dac-lobe: {outcome.reason}", file=sys.stderr)
            if self._sum is not None:
                done = self.counts.total()
                state = f"{done}/{self.total}"
                self._bars.update(self._sum, completed=done, state=state)
        self._bars.stop()
        if not self.quiet:
            print(self.summary(), file=sys.stderr)
        return 1 if self.counts["failed"] else 0

    def summary(self) -> str:
        """Say in one line what happened."""
        parts = [f"{self.counts['done']} {self.verb}"]
        if self.counts["skipped"]:
            parts.append(f"{self.counts['skipped']} already there")
        if self.counts["failed"]:
            parts.append(f"{self.counts['failed']} failed")
        if self.left_out:
            parts.append(self.left_out)
        return ", ".join(parts)
