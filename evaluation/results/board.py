"""A board: any number of evaluations as one table, where their numbers mean the same.

Runs may have other systems, other metrics and other recordings. A metric is shown
on the recordings that all runs with it share; a run whose definition of it differs
is left out of it, and the board says so.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.errors import ArgumentError
from evaluation.results.conditions import Condition, is_control
from evaluation.results.joining import Joined, Shown, Source, agree, open_runs
from evaluation.results.pairs import pairwise
from evaluation.results.statistics import holm, interval

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ALL", "SIGNIFICANT", "Board", "join"]

ALL = "all"  # the domain that holds every recording
SIGNIFICANT = 0.05


@dataclass
class Board:
    """Joined evaluations.

    Attributes
    ----------
    sources : list of Source
        The runs.
    metrics : list of Shown
        The metrics.
    conditions : dict
        Rate in kbps (or None) of each `Condition`, in the order of the runs.
    numbers : pandas.DataFrame
        One row per condition, metric and domain: mean, interval, count, whether
        it is on the Pareto front, and the run that it comes from.
    pairs : pandas.DataFrame
        One row per metric, domain and pair of conditions of different codecs.
    notes : list of str
        What was left out, and why.
    """

    sources: list[Source]
    metrics: list[Shown]
    conditions: dict[Condition, float | None]
    numbers: pd.DataFrame
    pairs: pd.DataFrame
    notes: list[str] = field(default_factory=list)

    @property
    def domains(self) -> list[str]:
        """Domains that there are numbers of; 'all' first."""
        return list(dict.fromkeys(self.numbers["domain"]))


def join(folders: Sequence[str | Path], seed: int = 0) -> Board:
    """Join evaluations.

    Arguments
    ---------
    folders : sequence of str or Path
        Output folders of dac-lobe-evaluate, of its listening tests too.
    seed : int
        Of intervals and permutations.

    Returns
    -------
    Board
        With what was left out in its notes.

    Raises
    ------
    ValueError
        If a folder holds no evaluation, two are scored in different ways, or
        nothing is left to show.
    """
    import pandas as pd

    if len({Path(folder).resolve() for folder in folders}) < len(folders):
        raise ArgumentError("a run is given twice. Give each folder once.")
    runs = open_runs(folders)
    notes: list[str] = []
    metrics = agree(runs, notes)
    conditions: dict[Condition, float | None] = {}
    rows: list[dict[str, Any]] = []
    tests: list[dict[str, Any]] = []
    for metric in metrics:
        found = _numbers(runs, metric, conditions, notes, seed)
        rows += found
        tests += _tests(runs, metric, found, conditions, seed)
    if not rows:
        raise ValueError(f"nothing can be shown: {'; '.join(notes) or 'no scores'}.")
    kept = {row["metric"] for row in rows}
    numbers, pairs = pd.DataFrame(rows), pd.DataFrame(tests, columns=_PAIR_COLUMNS)
    return Board(
        sources=[run.source for run in runs],
        metrics=[metric for metric in metrics if metric.name in kept],
        conditions=conditions,
        numbers=numbers.astype({"num_codebooks": "Int64"}),
        pairs=pairs.astype(
            {"num_codebooks": "Int64", "num_codebooks_2": "Int64"}
        ),
        notes=notes,
    )


_PAIR_COLUMNS = [
    "metric", "domain", "system", "num_codebooks", "setting", "system_2",
    "num_codebooks_2", "setting_2", "difference", "p", "p_holm", "n_pairs", "better",
]  # fmt: skip


def _numbers(
    runs: list[Joined],
    metric: Shown,
    conditions: dict[Condition, float | None],
    notes: list[str],
    seed: int,
) -> list[dict[str, Any]]:
    """Make the rows of one metric; of each condition, the first run's with it."""
    rows: list[dict[str, Any]] = []
    taken: set[Condition] = set()
    for run in runs:
        if metric.name not in run.metrics:
            continue
        summary = run.summary()
        whole = run.is_whole and set(run.clips) == set(metric.clips)
        for condition, table in run.scores(metric.name).items():
            about = summary[condition]
            if condition in taken:
                continue
            weighted = _is_weighted(table[metric.name], about[f"{metric.name}_mean"])
            if weighted and not whole:
                notes.append(
                    f"{metric.name} of {run.source.label} is left out: its means are "
                    "weighted, and can only be shown on all of its recordings"
                )
                break
            taken.add(condition)
            conditions.setdefault(condition, about["kbps"])
            table = table.reindex(metric.clips)
            known = table["domain"].dropna()
            domains = sorted(set(known)) if len(set(known)) > 1 else []
            for domain in (ALL, *domains):
                part = table if domain == ALL else table[table["domain"] == domain]
                values = part[metric.name].dropna()
                if domain == ALL and whole:
                    ends = [about[f"{metric.name}_{e}"] for e in ("mean", "low", "high")]
                elif weighted or not len(values):
                    continue
                else:
                    label = f"{condition} {metric.name}"
                    speakers = list(part.loc[values.index, "speaker"])
                    ends = list(interval(values, speakers, None, seed, label)[:3])
                if ends[0] is None or math.isnan(ends[0]):
                    continue
                row = {
                    **condition._asdict(),
                    "kbps": conditions[condition],
                    "domain": domain,
                    "metric": metric.name,
                    **dict(zip(("mean", "low", "high"), ends, strict=True)),
                    "n_ok": len(values),
                    "recordings": len(part),
                    "front": False,
                    "run": run.source.label,
                    "signature": run.source.signature,
                    "written": run.source.written,
                    "command": run.source.command,
                }
                rows.append(row)
    _mark_front(rows, metric.higher_is_better)
    return rows


def _is_weighted(values: pd.Series, mean: float | None) -> bool:
    """Whether a run's mean is not that of its scores: words count, not recordings."""
    plain = values.mean()
    if mean is None or math.isnan(plain):
        return False
    return not math.isclose(plain, mean, rel_tol=1e-5, abs_tol=2e-6)


def _mark_front(rows: list[dict[str, Any]], higher_is_better: bool) -> None:
    """Mark what no codec beats at the same or a lower rate."""
    sign = 1 if higher_is_better else -1
    for domain in {row["domain"] for row in rows}:
        best = -math.inf
        codecs = [
            row
            for row in rows
            if row["domain"] == domain
            and row["kbps"] is not None
            and not is_control(row["system"])
        ]
        for row in sorted(codecs, key=lambda row: (row["kbps"], -sign * row["mean"])):
            row["front"] = sign * row["mean"] > best
            best = max(best, sign * row["mean"])


def _tests(
    runs: list[Joined],
    metric: Shown,
    numbers: list[dict[str, Any]],
    conditions: dict[Condition, float | None],
    seed: int,
) -> list[dict[str, Any]]:
    """Compare every condition with those of other codecs, and correct for all."""
    wanted = {
        Condition(row["system"], row["num_codebooks"], row["setting"])
        for row in numbers
        if not is_control(row["system"])
    }
    tables: dict[Condition, pd.DataFrame] = {}
    for run in runs:
        if metric.name in run.metrics:
            for condition, table in run.scores(metric.name).items():
                tables.setdefault(condition, table.reindex(metric.clips))
    shown = [one for one in conditions if one in wanted]
    if not shown:
        return []
    scores = np.array([tables[one][metric.name].astype(float) for one in shown])
    first = tables[shown[0]]
    speakers, domains = list(first["speaker"].fillna("")), first["domain"]
    chosen = [
        (i, j)
        for i in range(len(shown))
        for j in range(i + 1, len(shown))
        if shown[i].system != shown[j].system
    ]
    rows = []
    for domain in dict.fromkeys(row["domain"] for row in numbers):
        inside = np.ones(len(speakers), bool) if domain == ALL else domains == domain
        inside = np.asarray(inside)
        results = pairwise(
            scores[:, inside],
            chosen,
            [name for name, keep in zip(speakers, inside, strict=True) if keep],
            seed,
            f"board {metric.name} {domain}",
        )
        corrected = holm([one.p for one in results])
        for one, p in zip(results, corrected, strict=True):
            a, b = shown[one.first], shown[one.second]
            ahead = one.difference * (1 if metric.higher_is_better else -1)
            row = [metric.name, domain, *a, *b, one.difference, one.p, p, one.pairs]
            better = ""
            if p < SIGNIFICANT and ahead:
                better = str(a if ahead > 0 else b)
            rows.append(dict(zip(_PAIR_COLUMNS, [*row, better], strict=True)))
    return rows
