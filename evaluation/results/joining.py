"""Runs side by side: read, told apart, and agreed on what their numbers mean.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.results.compare import Evaluation, load, other_meaning
from evaluation.results.conditions import Condition
from evaluation.results.labels import disputed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Joined", "Shown", "Source", "agree", "open_runs"]


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
class Joined:
    """An evaluation, and what of it takes part in a board.

    Attributes
    ----------
    evaluation : Evaluation
        As it was read.
    source : Source
        For the record.
    names : dict
        What its systems are called on the board.
    metrics : list of str
        Those that mean the same as in the other runs.
    """

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

    @property
    def delays(self) -> dict[str, int]:
        """Samples that aligned metrics take out of each system's output."""
        found = self.evaluation.content["systems"]
        return {
            self.names[name]: about["delay_samples"] for name, about in found.items()
        }

    @cached_property
    def tables(self) -> dict[Condition, pd.DataFrame]:
        """All scores of each condition by recording."""
        groups = self.evaluation.utterances.groupby(
            list(Condition._fields), dropna=False, sort=False
        )
        return {
            self._condition(part.iloc[0]): part.set_index("utterance")
            for _, part in groups
        }

    @cached_property
    def summary(self) -> dict[Condition, dict[str, Any]]:
        """Rows of the run's own summary."""
        return {self._condition(row): row for row in self.evaluation.content["summary"]}

    def _condition(self, row: Mapping[str, Any]) -> Condition:
        return Condition.of(row)._replace(system=self.names[row["system"]])

    def wants(self, metric: str) -> bool:
        """Whether a metric looks at transcripts, as far as the run says."""
        about = self.evaluation.content["definitions"]["metrics"][metric]
        return bool(about.get("wants_transcript"))

    def is_weighted(self, metric: str) -> bool:
        """Whether a metric's means are not those of its scores: words count, say.

        Results of version 0.2 and before do not say so; their numbers do.
        """
        said = self.evaluation.content["definitions"]["metrics"][metric].get("weighted")
        if said is not None:
            return bool(said)
        pairs = (
            (table[metric].mean(), self.summary[condition][f"{metric}_mean"])
            for condition, table in self.tables.items()
        )
        return any(
            not math.isclose(plain, mean, rel_tol=1e-5, abs_tol=2e-6)
            for plain, mean in pairs
            if mean is not None and not math.isnan(plain)
        )


def open_runs(folders: Sequence[str | Path]) -> list[Joined]:
    """Read the runs, see that they are scored alike, and tell systems apart."""
    runs: list[Joined] = []
    prints: dict[str, str] = {}  # fingerprints by the name shown
    for folder in folders:
        one = load(folder)
        for other in runs:
            _same_scoring(other.evaluation, one)
        names = {}
        for name, about in one.content["systems"].items():
            shown, trial = name, 1
            while (
                prints.setdefault(shown, about["fingerprint"]) != about["fingerprint"]
            ):
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
        runs.append(
            Joined(one, source, names, list(one.content["definitions"]["metrics"]))
        )
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


def agree(runs: list[Joined], notes: list[str]) -> list[Shown]:
    """Agree on definitions and recordings, metric by metric."""
    definitions: dict[str, tuple[dict[str, Any], str]] = {}
    for run in runs:
        for name in list(run.metrics):
            ours = run.evaluation.content["definitions"]["metrics"][name]
            theirs, label = definitions.setdefault(name, (ours, run.source.label))
            if other := other_meaning(ours, theirs):
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
        # Runs of version 0.2 and before say neither what is wanted nor what was said.
        heard = [run.evaluation.transcripts for run in having if run.wants(name)]
        if reworded := common & disputed(heard):
            common -= reworded
            notes.append(
                f"{name}: {len(reworded)} recordings are left out, as "
                f"{min(reworded)!r}: the runs have different transcripts of them"
            )
        if not common:
            notes.append(f"{name} is left out: {', '.join(labels)} share no recording")
            continue
        most = max(len(run.clips) for run in having)
        if len(common) < most:
            notes.append(
                f"{name}: {len(common)} of up to {most} recordings, those that "
                f"{', '.join(labels)} share"
            )
        shown.append(
            Shown(name, definition["title"], definition, sorted(common), labels)
        )
    return shown


def _changed(runs: list[Joined], notes: list[str]) -> set[str]:
    """Find recordings that have one name and several contents."""
    changed = disputed(run.clips for run in runs)
    if changed:
        notes.append(
            f"{len(changed)} recordings are left out, as {min(changed)!r}: the runs "
            "have different files under one name"
        )
    return changed
