"""What an evaluation found, and the files that it becomes.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from evaluation.results import writers
from evaluation.results.definitions import environment
from evaluation.running.run import Run

__all__ = ["Results", "write"]


@dataclass
class Results:
    """What an evaluation found.

    Attributes
    ----------
    utterances : pandas.DataFrame
        One row per utterance, system and operating point.
    summary : pandas.DataFrame
        One row per system and operating point.
    codebooks : pandas.DataFrame
        One row per codebook: entropy, perplexity, dead codes.
    paired : pandas.DataFrame
        Differences from the first system at its highest rate.
    bd : pandas.DataFrame
        Bjøntegaard differences from the anchor; empty without one.
    worst : pandas.DataFrame
        Worst utterances of the first system at its highest rate.
    definitions : dict
        What every number means.
    signature : str
        Every choice that changes a number, in one line.
    run : Run
        All outcomes, with their reasons.
    seed : int
        Of the draws.
    output : Path or None
        The folder with the files.
    """

    utterances: pd.DataFrame
    summary: pd.DataFrame
    codebooks: pd.DataFrame
    paired: pd.DataFrame
    bd: pd.DataFrame
    worst: pd.DataFrame
    definitions: dict[str, Any]
    signature: str
    run: Run
    seed: int = 0
    output: Path | None = None

    @property
    def folder(self) -> Path:
        """The folder with the files; a ValueError if there is none."""
        if self.output is None:
            raise ValueError("these results have no folder. Evaluate with output=...")
        return self.output

    @property
    def failed_share(self) -> float:
        """Failed scores as a share of those that were to be computed."""
        states = [outcome.status for outcome in self.run.outcomes.values()]
        wanted = [state for state in states if state in ("ok", "failed")]
        return wanted.count("failed") / len(wanted) if wanted else 0.0

    @property
    def commonest_failure(self) -> str:
        """The reason that most failed scores share; empty if none failed."""
        outcomes = self.run.outcomes.values()
        reasons = Counter(one.reason for one in outcomes if one.status == "failed")
        return max(sorted(reasons), key=reasons.__getitem__, default="")


def write(results: Results, command: str = "") -> None:
    """Write all tables into ``results.output``.

    Arguments
    ---------
    results : Results
        With an output folder.
    command : str
        How the run was started, for the record.
    """
    output, run = results.folder, results.run
    for name in ("utterances", "summary", "codebooks", "paired", "bd", "worst"):
        table = getattr(results, name)
        if len(table):
            writers.write_table(output / f"{name}.csv", table)
        else:  # of an earlier run with other systems
            for suffix in (".csv", ".parquet"):
                (output / f"{name}{suffix}").unlink(missing_ok=True)
    arguments = (run, results.summary, results.signature)
    writers.write_text(output / "summary.md", writers.markdown(*arguments))
    writers.write_text(output / "summary.tex", writers.latex(*arguments))
    writers.write_json(output / "definitions.json", results.definitions)
    content = {
        "signature": results.signature,
        "command": command,
        "environment": environment(),
        "definitions": results.definitions,
        "systems": {
            system.name: {
                "fingerprint": run.fingerprints[system.name],
                "description": run.descriptions.get(system.name, ""),
                "control": system.control,
                "device": getattr(system, "device", "cpu"),
                "points": [str(point) for point in run.points[system.name]],
                "delay_samples": run.delays[system.name],
                "lags": dict(sorted(run.lags[system.name].items())),
            }
            for system in run.systems
        },
        "source": run.source,
        "data_root": run.data_root,
        "cache": run.cache,
        "clips": {clip.name: clip.sha256 for clip in run.clips},
        "transcripts": {
            clip.name: hashlib.sha256(clip.transcript.encode()).hexdigest()
            for clip in run.clips
            if clip.transcript
        },
        "failed_share": results.failed_share,
        "summary": writers.records(results.summary),
        "codebooks": writers.records(results.codebooks),
        "paired": writers.records(results.paired),
        "bd": writers.records(results.bd),
        "worst": writers.records(results.worst),
    }
    writers.write_json(output / "results.json", content)
