"""Outcomes as tables: of utterances, operating points, codebooks, the worst.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evaluation.metrics import Metric
from evaluation.metrics.columns import AFTER, BEFORE
from evaluation.recordings.clips import Clip
from evaluation.results.rates import CodebookUse, counted_kbps, overall_kbps
from evaluation.results.statistics import interval
from evaluation.running.jobs import FACTS, Outcome
from evaluation.running.run import Cell, Run
from evaluation.systems import CodebookSystem, Point, System

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Scores",
    "codebook_table",
    "scores",
    "summary_table",
    "utterance_table",
    "worst_first",
    "worst_table",
]

WORST = 5


class Scores(NamedTuple):
    """One metric at one operating point, clip by clip; NaN where there is no score."""

    values: np.ndarray
    weights: np.ndarray
    failed: int

    @property
    def known(self) -> np.ndarray:
        """Which clips have a score."""
        known: np.ndarray = np.isfinite(self.values)
        return known

    def mean(self, among: np.ndarray) -> float:
        """Average the scores of some clips, each by its weight."""
        weights = self.weights[among]
        return float(self.values[among] @ weights / weights.sum())


def scores(run: Run, system: System, point: Point, metric: Metric) -> Scores:
    """Collect a metric's outcomes in the order of ``run.clips``."""
    outcomes = [
        run.outcomes[Cell(clip.name, system.name, point, metric.name)]
        for clip in run.clips
    ]
    return Scores(
        np.array([math.nan if o.value is None else o.value for o in outcomes]),
        np.array([o.weight for o in outcomes]),
        sum(o.status == "failed" for o in outcomes),
    )


def worst_first(run: Run, system: System, point: Point, metric: Metric) -> list[int]:
    """Order the clips that have a score, the worst first; ties in their own order."""
    values = scores(run, system, point, metric).values
    order = np.argsort(values if metric.higher_is_better else -values, kind="stable")
    return [int(index) for index in order if np.isfinite(values[index])]


def utterance_table(run: Run) -> pd.DataFrame:
    """Make the table with one row per utterance, system and operating point.

    Arguments
    ---------
    run : Run
        Executed.

    Returns
    -------
    pandas.DataFrame
        ``utterance, system, num_codebooks, setting, kbps``, the metrics, what
        was counted, and ``status`` ('ok', or 'failed' if any score is missing
        that should be there) with its ``reason``.
    """
    import pandas as pd

    metrics = [metric.name for metric in run.metrics]
    rows = []
    for clip, system, point in run.rows():
        cells = {
            name: run.outcomes[Cell(clip.name, system.name, point, name)]
            for name in (FACTS, *metrics)
        }
        facts = cells[FACTS].value or {}
        nominal = system.kbps(point, run.sample_rate)
        emitted = _kbps(facts, "emitted_bits")
        row = {
            "utterance": clip.name,
            "system": system.name,
            "num_codebooks": point.num_codebooks,
            "setting": point.setting,
            "kbps": emitted if nominal is None else nominal,
            **{name: cells[name].value for name in metrics},
            "kbps_emitted": emitted,
            "kbps_file": _kbps(facts, "file_bits"),
            "seconds": facts.get("seconds"),
            "len_ref": facts.get("len_ref"),
            "len_out": facts.get("len_out"),
            "lag_samples": facts.get("lag"),
            "delay_samples": run.delays[system.name],
            "speaker": clip.speaker,
            "domain": clip.domain,
            "domain_from": clip.domain_from,
            "status": "failed" if _has_failed(run, clip, system, point) else "ok",
            "reason": _reasons(cells),
        }
        rows.append(row)
    table = pd.DataFrame(rows, columns=[*BEFORE, *metrics, *AFTER])
    whole = ["num_codebooks", "len_ref", "len_out", "lag_samples", "delay_samples"]
    numbers = ["kbps", *metrics, "kbps_emitted", "kbps_file", "seconds"]
    return table.astype(dict.fromkeys(whole, "Int64") | dict.fromkeys(numbers, "float"))


def _kbps(facts: dict[str, float | None], key: str) -> float | None:
    bits, seconds = facts.get(key), facts.get("seconds")
    return None if bits is None or seconds is None else bits / seconds / 1000


def _reasons(cells: dict[str, Outcome]) -> str:
    """Join the reasons for missing scores; one that is common to all is said once."""
    missing = {
        name: outcome.reason
        if outcome.status == "failed"
        else f"{outcome.status}: {outcome.reason}"
        for name, outcome in cells.items()
        if outcome.status != "ok"
    }
    if len(missing) == len(cells) and len(set(missing.values())) == 1:
        return next(iter(missing.values()))
    by_reason: dict[str, list[str]] = {}
    for name, reason in missing.items():
        if name != FACTS:
            by_reason.setdefault(reason, []).append(name)
    return "; ".join(
        f"{', '.join(names)}: {reason}" for reason, names in by_reason.items()
    )


def summary_table(
    run: Run, uses: dict[str, list[CodebookUse]] | None = None, seed: int = 0
) -> pd.DataFrame:
    """Make the table with one row per system and operating point.

    Arguments
    ---------
    run : Run
        Executed.
    uses : dict, optional
        Use of the codebooks, by system name.
    seed : int
        Of the intervals.

    Returns
    -------
    pandas.DataFrame
        ``system, num_codebooks, setting``; the rates ``kbps`` (nominal, or what
        was emitted where there is no nominal rate, over all utterances that have
        an output), ``kbps_emitted``, ``kbps_entropy``, ``kbps_file``; of each
        metric ``_mean``, ``_low`` and ``_high`` (95 %), ``_n_ok`` and ``_n_failed``;
        and ``n_ok, n_total``: utterances without a failure, and all.
    """
    import pandas as pd

    speakers = [clip.speaker for clip in run.clips]
    rows = []
    for system in run.systems:
        for point in run.points[system.name]:
            row = {
                "system": system.name,
                "num_codebooks": point.num_codebooks,
                "setting": point.setting,
                "kbps": overall_kbps(run, system, point),
            }
            for metric in run.metrics:
                found = scores(run, system, point, metric)
                valid = found.known
                mean = interval(
                    found.values[valid],
                    [name for name, keep in zip(speakers, valid, strict=True) if keep],
                    found.weights[valid],
                    seed,
                    f"{system.name} {point} {metric.name}",
                )
                row[f"{metric.name}_mean"] = mean.mean
                row[f"{metric.name}_low"] = mean.low
                row[f"{metric.name}_high"] = mean.high
                row[f"{metric.name}_n_ok"] = int(valid.sum())
                row[f"{metric.name}_n_failed"] = found.failed
            use = (uses or {}).get(system.name)
            row["kbps_emitted"] = counted_kbps(run, system, point, "emitted_bits")
            row["kbps_entropy"] = (
                system.entropy_kbps(point, [one.held_out_bits for one in use])
                if use and isinstance(system, CodebookSystem)
                else None
            )
            row["kbps_file"] = counted_kbps(run, system, point, "file_bits")
            row["delay_samples"] = run.delays[system.name]
            row["n_ok"] = sum(
                not _has_failed(run, clip, system, point) for clip in run.clips
            )
            row["n_total"] = len(run.clips)
            rows.append(row)
    table = pd.DataFrame(rows)
    rates = ["kbps", "kbps_emitted", "kbps_entropy", "kbps_file"]
    return table.astype({"num_codebooks": "Int64"} | dict.fromkeys(rates, "float"))


def _has_failed(run: Run, clip: Clip, system: System, point: Point) -> bool:
    """Whether the output or a score is missing that should be there."""
    names = (FACTS, *(metric.name for metric in run.metrics))
    cells = (Cell(clip.name, system.name, point, name) for name in names)
    return any(run.outcomes[cell].status == "failed" for cell in cells)


def codebook_table(uses: dict[str, list[CodebookUse]]) -> pd.DataFrame:
    """Make the table with one row per system and codebook (see `CodebookUse`)."""
    import pandas as pd

    rows = [
        {"system": name, **asdict(one)} for name, use in uses.items() for one in use
    ]
    names = list(CodebookUse.__dataclass_fields__)
    return pd.DataFrame(rows, columns=["system", *names])


def worst_table(run: Run, count: int = WORST) -> pd.DataFrame:
    """List the worst utterances of the first system at its highest rate.

    Arguments
    ---------
    run : Run
        Executed.
    count : int
        How many for each metric.

    Returns
    -------
    pandas.DataFrame
        ``metric, rank, utterance, value``, worst first; ties by name.
    """
    import pandas as pd

    system = run.systems[0]
    point = run.points[system.name][-1]
    rows = []
    for metric in run.metrics:
        values = scores(run, system, point, metric).values
        order = worst_first(run, system, point, metric)
        rows += [
            {
                "metric": metric.name,
                "rank": rank + 1,
                "utterance": run.clips[index].name,
                "value": values[index],
            }
            for rank, index in enumerate(order[:count])
        ]
    return pd.DataFrame(rows, columns=["metric", "rank", "utterance", "value"])
