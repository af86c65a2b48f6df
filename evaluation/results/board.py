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
from evaluation.results.taking import Taken, take

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
        Rate in kbps (or None) of each `Condition`, in the order of the runs: over the
        recordings of the first metric that has it.
    controls : set of str
        Systems that are no codecs.
    numbers : pandas.DataFrame
        One row per condition, metric and domain: rate, mean, interval and count
        of the recordings shown, whether it is on the Pareto front, and the run
        that it comes from.
    pairs : pandas.DataFrame
        One row per metric, domain and pair of conditions of different codecs.
    notes : list of str
        What was left out, and why.
    """

    sources: list[Source]
    metrics: list[Shown]
    conditions: dict[Condition, float | None]
    controls: set[str]
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
    controls = _controls(runs)
    rows: list[dict[str, Any]] = []
    tests: list[dict[str, Any]] = []
    for metric in metrics:
        taken = take(runs, metric, notes)
        found = _numbers(taken, metric, conditions, seed)
        codecs = [row for row in found if row["system"] not in controls]
        _mark_front(codecs, metric.higher_is_better)
        tests += _tests(codecs, taken, metric, list(conditions), seed)
        rows += found
    if not rows:
        raise ValueError(f"nothing can be shown: {'; '.join(notes) or 'no scores'}.")
    kept = {row["metric"] for row in rows}
    numbers, pairs = pd.DataFrame(rows), pd.DataFrame(tests, columns=_PAIR_COLUMNS)
    return Board(
        sources=[run.source for run in runs],
        metrics=[metric for metric in metrics if metric.name in kept],
        conditions=conditions,
        controls=controls,
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


def _kbps(part: pd.DataFrame) -> float | None:
    """Compute the rate over the recordings shown; None where it is not known."""
    rates = part["kbps"].dropna()
    if rates.nunique() < 2:  # nominal
        return float(rates.iloc[0]) if len(rates) else None
    return float(np.average(rates, weights=part.loc[rates.index, "seconds"]))


def _numbers(
    taken: dict[Condition, Taken],
    metric: Shown,
    conditions: dict[Condition, float | None],
    seed: int,
) -> list[dict[str, Any]]:
    """Make the rows of one metric."""
    rows: list[dict[str, Any]] = []
    for condition, one in taken.items():
        about, source = one.run.summary[condition], one.run.source
        for domain in (ALL, *_domains(one.table)):
            inside = (domain == ALL) | (one.table["domain"] == domain)
            part = one.table[inside]
            values = part[metric.name].dropna()
            if domain == ALL and one.whole:
                ends = [about[f"{metric.name}_{e}"] for e in ("mean", "low", "high")]
            elif one.weighted:
                continue
            else:
                label = f"{condition} {metric.name}"
                speakers = list(part.loc[values.index, "speaker"])
                ends = list(interval(values, speakers, None, seed, label)[:3])
            if ends[0] is None or math.isnan(ends[0]):
                continue
            kbps = _kbps(part)
            conditions.setdefault(condition, kbps)
            row = {
                **condition._asdict(),
                "kbps": kbps,
                "domain": domain,
                "metric": metric.name,
                **dict(zip(("mean", "low", "high"), ends, strict=True)),
                "n_ok": len(values),
                "recordings": len(part),
                "front": False,
                "run": source.label,
                "signature": source.signature,
                "written": source.written,
                "command": source.command,
            }
            rows.append(row)
    return rows


def _domains(table: pd.DataFrame) -> list[str]:
    """Kinds of recordings, where there are several."""
    known = sorted(set(table["domain"].dropna()))
    return known if len(known) > 1 else []


def _controls(runs: list[Joined]) -> set[str]:
    """Name the systems that are no codecs; a run that says so counts before a guess."""
    found: dict[str, bool] = {}
    for run in runs:
        for name, about in run.evaluation.content["systems"].items():
            if "control" in about or run.names[name] not in found:
                found[run.names[name]] = is_control(name, about)
    return {name for name, control in found.items() if control}


def _mark_front(codecs: list[dict[str, Any]], higher_is_better: bool) -> None:
    """Mark what no codec beats at the same or a lower rate."""
    sign = 1 if higher_is_better else -1
    for domain in {row["domain"] for row in codecs}:
        best = -math.inf
        rated = [
            row
            for row in codecs
            if row["domain"] == domain and row["kbps"] is not None
        ]
        for row in sorted(rated, key=lambda row: (row["kbps"], -sign * row["mean"])):
            row["front"] = sign * row["mean"] > best
            best = max(best, sign * row["mean"])


def _tests(
    codecs: list[dict[str, Any]],
    taken: dict[Condition, Taken],
    metric: Shown,
    order: list[Condition],
    seed: int,
) -> list[dict[str, Any]]:
    """Compare every condition with those of other codecs, and correct for all."""
    shown = sorted({Condition.of(row) for row in codecs}, key=order.index)
    if not shown:
        return []
    tables = [taken[one].table for one in shown]
    scores = np.array([table[metric.name].astype(float) for table in tables])
    speakers, domains = list(tables[0]["speaker"].fillna("")), tables[0]["domain"]
    chosen = [
        (i, j)
        for i in range(len(shown))
        for j in range(i + 1, len(shown))
        if shown[i].system != shown[j].system
    ]
    rows = []
    for domain in dict.fromkeys(row["domain"] for row in codecs):
        inside = np.array([domain in (ALL, one) for one in domains])
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
