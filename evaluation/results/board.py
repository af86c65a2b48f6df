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
from evaluation.results.front import mark_front
from evaluation.results.joining import Joined, Shown, Source, agree, open_runs
from evaluation.results.labels import disputed, join_domains, join_speakers
from evaluation.results.pairs import pairwise
from evaluation.results.statistics import holm, interval
from evaluation.results.taking import ALL, Taken, take

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SIGNIFICANT", "Board", "join"]

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
        recordings with a score of the first metric that has it.
    controls : set of str
        Systems that are no codecs.
    numbers : pandas.DataFrame
        One row per condition, metric and domain: rate, mean, interval and count
        of the recordings with a score, whether it is on the Pareto front, and the
        run that it comes from.
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
    labels = _labels(runs, notes)
    conditions: dict[Condition, float | None] = {}
    controls = _controls(runs)
    rows: list[dict[str, Any]] = []
    tests: list[dict[str, Any]] = []
    for metric in metrics:
        taken = take(runs, metric, labels, notes)
        found = _numbers(taken, metric, conditions, seed)
        codecs = [row for row in found if row["system"] not in controls]
        mark_front(codecs, taken, metric)
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
        pairs=pairs.astype({"num_codebooks": "Int64", "num_codebooks_2": "Int64"}),
        notes=notes,
    )


_PAIR_COLUMNS = [
    "metric", "domain", "system", "num_codebooks", "setting", "system_2",
    "num_codebooks_2", "setting_2", "difference", "p", "p_holm", "n_pairs", "better",
]  # fmt: skip


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
            kbps = one.kbps(np.isfinite(one.scores(metric.name, domain)))
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
    known = sorted(set(table["domain"]) - {""})
    return known if len(known) > 1 else []


def _labels(runs: list[Joined], notes: list[str]) -> pd.DataFrame:
    """Join what the runs know of the recordings: their speakers and domains."""
    import pandas as pd

    changed = disputed(run.clips for run in runs)
    speakers, domains = (
        [
            {clip: said for clip, said in told.items() if clip not in changed}
            for told in (run.evaluation.told(column) for run in runs)
        ]
        for column in ("speaker", "domain")
    )
    joined = join_speakers(speakers)
    if renamed := disputed(speakers):
        notes.append(
            f"{len(renamed)} recordings have several speakers, as {min(renamed)!r}, "
            "who count as one: the runs name different ones"
        )
    if apart := disputed(domains):
        notes.append(
            f"{len(apart)} recordings are in no domain, as {min(apart)!r}: the runs "
            "do not agree on it"
        )
    for run, told in zip(runs, speakers, strict=True):
        known = {clip: joined[clip] for clip in told}
        if _count(known) < _count(told):
            notes.append(
                f"other runs know more speakers of {run.source.label} than it does: "
                "differences count with these, its own intervals without"
            )
    return pd.DataFrame({"speaker": joined, "domain": join_domains(domains)})


def _count(speakers: dict[str, str]) -> int:
    """Count speakers; a recording of an unknown one is its own."""
    return len({speaker or f"\0{clip}" for clip, speaker in speakers.items()})


def _controls(runs: list[Joined]) -> set[str]:
    """Name the systems that are no codecs; a run that says so counts before a guess."""
    found: dict[str, bool] = {}
    for run in runs:
        for name, about in run.evaluation.content["systems"].items():
            if "control" in about or run.names[name] not in found:
                found[run.names[name]] = is_control(name, about)
    return {name for name, control in found.items() if control}


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
    scores = np.array([taken[one].scores(metric.name) for one in shown])
    labels = taken[shown[0]].table  # of all runs, and so in all tables
    speakers, domains = (list(labels[name]) for name in ("speaker", "domain"))
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
