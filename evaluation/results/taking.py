"""From which run each row of a board is taken, and what may not stand beside it.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.results.conditions import Condition
from evaluation.results.joining import Joined, Shown

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ALL", "Taken", "take"]

ALL = "all"  # the domain that holds every recording


@dataclass(frozen=True)
class Taken:
    """A condition's scores of the recordings that are shown, and the run they are of.

    Attributes
    ----------
    run : Joined
        Where it is from.
    table : pandas.DataFrame
        One row per recording.
    whole : bool
        Whether these are all recordings of the run: its own means and intervals hold.
    weighted : bool
        Whether recordings count for different amounts in the run's means.
    """

    run: Joined
    table: pd.DataFrame
    whole: bool
    weighted: bool

    def kbps(self, among: np.ndarray) -> float | None:
        """Compute the rate over some of the recordings; None where it is not known."""
        rates = self.table["kbps"].to_numpy(float)
        known = among & np.isfinite(rates)
        if not known.any():
            return None
        if np.ptp(rates[known]) == 0:  # nominal
            return float(rates[known][0])
        seconds = self.table["seconds"].to_numpy(float)
        return float(np.average(rates[known], weights=seconds[known]))

    def scores(self, metric: str, domain: str = ALL) -> np.ndarray:
        """Return the scores of the recordings [C]; NaN where there is none."""
        scores: np.ndarray = self.table[metric].to_numpy(float)
        if domain == ALL:
            return scores
        return np.where(self.table["domain"] == domain, scores, np.nan)


def take(
    runs: list[Joined], metric: Shown, labels: pd.DataFrame, notes: list[str]
) -> dict[Condition, Taken]:
    """Take each condition from the first run that has it.

    Arguments
    ---------
    runs : list of Joined
        All of the board.
    metric : Shown
        What is shown.
    labels : pandas.DataFrame
        Speaker and domain of each recording, whichever run knows them.
    notes : list of str
        What is left out is added, with its reason.

    Returns
    -------
    dict
        By condition.
    """
    taken: dict[Condition, Taken] = {}
    delays: dict[str, tuple[int, str]] = {}
    for run in runs:
        if metric.name not in run.metrics:
            continue
        whole = run.is_whole and set(run.clips) == set(metric.clips)
        weighted = run.is_weighted(metric.name)
        if weighted and not whole:
            notes.append(
                f"{metric.name} of {run.source.label} is left out: its means are "
                "weighted, and can only be shown on all of its recordings"
            )
            continue
        new = [condition for condition in run.tables if condition not in taken]
        if metric.definition["aligned"]:
            new = _aligned_alike(new, run, metric, delays, notes)
        for condition in new:
            shown = run.tables[condition].reindex(metric.clips)
            shown = shown.assign(**labels.reindex(metric.clips))
            taken[condition] = Taken(run, shown, whole, weighted)
    return taken


def _aligned_alike(
    new: list[Condition],
    run: Joined,
    metric: Shown,
    delays: dict[str, tuple[int, str]],
    notes: list[str],
) -> list[Condition]:
    """Keep conditions of systems that had the same delay taken out in earlier runs."""
    for name in dict.fromkeys(condition.system for condition in new):
        delay, label = run.delays[name], run.source.label
        first, where = delays.setdefault(name, (delay, label))
        if delay != first:
            new = [condition for condition in new if condition.system != name]
            notes.append(
                f"{metric.name} of {name} in {label} is left out: a delay of {delay} "
                f"samples is taken out, in {where} {first}"
            )
    return new
