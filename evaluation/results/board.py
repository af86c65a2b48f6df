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
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evaluation.errors import ArgumentError
from evaluation.results.compare import Evaluation, load
from evaluation.results.pairs import pairwise
from evaluation.results.statistics import holm, interval

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ALL", "Board", "Condition", "Shown", "Source", "is_control", "join"]

ALL = "all"  # the domain that holds every recording
CONTROLS = ("anchor", "identity", "reference", "resample")
SIGNIFICANT = 0.05
SAME_MEANING = ("definition", "version", "unit", "higher_is_better")


class Condition(NamedTuple):
    """A system at an operating point: a row of the board.

    Attributes
    ----------
    system : str
        Its name; with its run's where two runs call different systems the same.
    num_codebooks : int or None
        Codebooks decoded.
    setting : str
        What else chooses the rate.
    """

    system: str
    num_codebooks: int | None
    setting: str

    def __str__(self) -> str:
        codebooks = "" if self.num_codebooks is None else f"K={self.num_codebooks}"
        return " ".join(part for part in (self.system, codebooks, self.setting) if part)


@dataclass(frozen=True)
class Source:
    """A run that numbers come from.

    Attributes
    ----------
    label : str
        Its folder, as it was given.
    signature : str
        Every choice that changes its numbers.
    command : str
        How it was started; empty if it was called from Python.
    written : str
        When its results were written, in UTC.
    environment : dict
        What ran.
    """

    label: str
    signature: str
    command: str
    written: str
    environment: dict[str, str]


@dataclass(frozen=True)
class Shown:
    """A metric of the board.

    Attributes
    ----------
    name : str
        Column name.
    title : str
        For people.
    definition : dict
        As in definitions.json.
    clips : list of str
        The recordings that it is shown on.
    runs : list of str
        Labels of the runs that it comes from.
    """

    name: str
    title: str
    definition: dict[str, Any]
    clips: list[str]
    runs: list[str]

    @property
    def higher_is_better(self) -> bool:
        """Which direction is better."""
        return bool(self.definition["higher_is_better"])


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


def is_control(system: str) -> bool:
    """Whether a system is a limit to look at, and no codec.

    Example
    -------
    >>> is_control("resample-12000"), is_control("opus")
    (True, False)
    """
    return system.partition("-")[0] in CONTROLS


@dataclass
class _Run:
    """An evaluation, and what of it takes part."""

    evaluation: Evaluation
    source: Source
    names: dict[str, str]
    metrics: list[str]

    @property
    def clips(self) -> dict[str, str]:
        """Digests of the recordings that could be read."""
        found = self.evaluation.content["clips"]
        return {name: digest for name, digest in found.items() if digest}

    @property
    def is_whole(self) -> bool:
        """Whether every recording could be read."""
        return len(self.clips) == len(self.evaluation.content["clips"])


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
    runs = _open(folders)
    notes: list[str] = []
    metrics = _metrics(runs, notes)
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


def _open(folders: Sequence[str | Path]) -> list[_Run]:
    """Read the runs, see that they are scored alike, and tell systems apart."""
    runs: list[_Run] = []
    prints: dict[str, str] = {}  # fingerprints by the name shown
    for folder in folders:
        one = load(folder)
        for other in runs:
            _same_scoring(other.evaluation, one)
        names = {}
        for name, about in one.content["systems"].items():
            shown, trial = name, 1
            while prints.setdefault(shown, about["fingerprint"]) != about["fingerprint"]:
                shown = f"{name} ({one.folder.name}{f' {trial}' if trial > 1 else ''})"
                trial += 1
            names[name] = shown
        stamp = (one.folder / "results.json").stat().st_mtime
        written = datetime.fromtimestamp(stamp, timezone.utc)
        source = Source(
            str(folder),
            one.content["signature"],
            one.content["command"],
            f"{written:%Y-%m-%d %H:%M} UTC",
            one.content["environment"],
        )
        runs.append(_Run(one, source, names, list(one.content["definitions"]["metrics"])))
    return runs


def _same_scoring(first: Evaluation, second: Evaluation) -> None:
    a, b = (one.content["definitions"]["scoring"] for one in (first, second))
    for key in sorted({*a, *b}):
        if a.get(key) != b.get(key):
            raise ValueError(
                f"{first.folder} and {second.folder} cannot be joined: scoring.{key} is "
                f"{a.get(key)!r} and {b.get(key)!r}. Evaluate both with the same "
                "version and --sample-rate."
            )


def _metrics(runs: list[_Run], notes: list[str]) -> list[Shown]:
    """Agree on definitions and recordings, metric by metric."""
    definitions: dict[str, tuple[dict[str, Any], str]] = {}
    for run in runs:
        for name in list(run.metrics):
            ours = run.evaluation.content["definitions"]["metrics"][name]
            theirs, label = definitions.setdefault(name, (ours, run.source.label))
            other = [key for key in SAME_MEANING if ours.get(key) != theirs.get(key)]
            if other:
                run.metrics.remove(name)
                key = other[0]
                notes.append(
                    f"{name} of {run.source.label} is left out: its {key} is "
                    f"{ours.get(key)!r}, in {label} {theirs.get(key)!r}"
                )
    changed = _changed(runs, notes)
    shown = []
    for name, (definition, _) in definitions.items():
        having = [run for run in runs if name in run.metrics]
        labels = [run.source.label for run in having]
        common = set.intersection(*(set(run.clips) for run in having)) - changed
        if not common:
            notes.append(
                f"{name} is left out: {', '.join(labels)} share no recording"
            )
            continue
        most = max(len(run.clips) for run in having)
        if len(common) < most:
            notes.append(
                f"{name}: {len(common)} of up to {most} recordings, those that "
                f"{', '.join(labels)} share"
            )
        shown.append(Shown(name, definition["title"], definition, sorted(common), labels))
    return shown


def _changed(runs: list[_Run], notes: list[str]) -> set[str]:
    """Find recordings that have one name and several contents."""
    contents: dict[str, set[str]] = {}
    for run in runs:
        for name, digest in run.clips.items():
            contents.setdefault(name, set()).add(digest)
    changed = {name for name, found in contents.items() if len(found) > 1}
    if changed:
        notes.append(
            f"{len(changed)} recordings are left out, as {min(changed)!r}: the runs "
            "have different files under one name"
        )
    return changed


def _scores(run: _Run, metric: str) -> dict[Condition, pd.DataFrame]:
    """Scores of each condition of a run by recording."""
    import pandas as pd

    table = run.evaluation.utterances
    found = {}
    for key, part in table.groupby(
        ["system", "num_codebooks", "setting"], dropna=False, sort=False
    ):
        system, codebooks, setting = key
        number = None if pd.isna(codebooks) else int(codebooks)
        part = part.set_index("utterance")
        columns = part[[metric, "speaker", "domain"]]
        found[Condition(run.names[system], number, setting)] = columns
    return found


def _summary(run: _Run) -> dict[Condition, dict[str, Any]]:
    return {
        Condition(run.names[row["system"]], row["num_codebooks"], row["setting"]): row
        for row in run.evaluation.content["summary"]
    }


def _numbers(
    runs: list[_Run],
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
        summary = _summary(run)
        whole = run.is_whole and set(run.clips) == set(metric.clips)
        for condition, table in _scores(run, metric.name).items():
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
    runs: list[_Run],
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
            for condition, table in _scores(run, metric.name).items():
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
