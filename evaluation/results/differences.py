"""Systems against systems, as tables: paired on recordings, and curve against curve.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.metrics import Metric
from evaluation.results.curves import Bjontegaard, Curve, bd_metric, bd_rate
from evaluation.results.rates import overall_kbps
from evaluation.running.run import Run
from evaluation.results.statistics import holm, paired_difference
from evaluation.results.tables import Scores, scores
from evaluation.systems import Point, System
from evaluation.systems.controls import Identity, Reference

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["bd_table", "paired_table"]


def paired_table(run: Run, seed: int = 0) -> pd.DataFrame:
    """Compare every operating point with the first system at its highest rate.

    For metrics that look at the output alone, compare it with the recordings too,
    where they are among the systems.

    Arguments
    ---------
    run : Run
        Executed.
    seed : int
        Of intervals and permutations.

    Returns
    -------
    pandas.DataFrame
        One row per metric, ``reference`` and operating point: mean difference
        (this one minus the reference) on the ``n_pairs`` clips that both have, its
        interval, and p-values, corrected by Holm's method within each metric. Two
        names of one system have none, and do not count in the correction.
    """
    import pandas as pd

    first = run.systems[0]
    recordings = [one for one in run.systems if isinstance(one, Reference)]
    codecs = [one for one in run.systems if one not in recordings]
    speakers = [clip.speaker for clip in run.clips]
    rows = []
    for metric in run.metrics:
        family = []
        for reference in (first, *([] if metric.intrusive else recordings)):
            top = run.points[reference.name][-1]
            base = scores(run, reference, top, metric).values
            for system, point in _points(run, codecs):
                if (system, point) == (reference, top):
                    continue
                found = scores(run, system, point, metric).values
                label = f"{system.name} {point} - {reference.name} {metric.name}"
                result = paired_difference(found, base, speakers, seed, label)
                same = point == top and _is_same(run, system, reference)
                row: dict[str, Any] = {
                    "metric": metric.name,
                    "system": system.name,
                    "num_codebooks": point.num_codebooks,
                    "setting": point.setting,
                    "reference": f"{reference.name} {top}".strip(),
                    "difference": result.difference.mean,
                    "low": result.difference.low,
                    "high": result.difference.high,
                    "p": math.nan if same else result.p,
                    "n_pairs": result.pairs,
                    "n_clusters": result.difference.clusters,
                }
                family.append(row)
        for row, corrected in zip(family, holm([r["p"] for r in family]), strict=True):
            row["p_holm"] = corrected
        rows += family
    columns = [
        "metric", "system", "num_codebooks", "setting", "reference", "difference",
        "low", "high", "p", "p_holm", "n_pairs", "n_clusters",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns).astype({"num_codebooks": "Int64"})


def _is_same(run: Run, first: System, second: System) -> bool:
    """Whether two systems have one output by construction."""
    copies = type(first) is Identity and isinstance(second, Reference)
    return copies or run.fingerprints[first.name] == run.fingerprints[second.name]


def _points(run: Run, systems: list[System]) -> Iterator[tuple[System, Point]]:
    for system in systems:
        for point in run.points[system.name]:
            yield system, point


def bd_table(run: Run, anchor: str) -> pd.DataFrame:
    """Make the table of Bjøntegaard differences from one system.

    Both curves are of the same clips: those with a score at every point of both, and
    their rates there. Points without any score are no part of a curve.

    Arguments
    ---------
    run : Run
        Executed.
    anchor : str
        Name of the system to compare to.

    Returns
    -------
    pandas.DataFrame
        One row per metric and system with two rates or more, of ``n`` clips; empty
        values come with their ``reason``.
    """
    import pandas as pd

    (base,) = (system for system in run.systems if system.name == anchor)
    rows = []
    for metric in run.metrics:
        theirs = _scored(run, base, metric)
        for system in run.systems:
            if system is base or len(run.points[system.name]) < 2:
                continue
            ours = _scored(run, system, metric)
            both = np.zeros(len(run.clips), bool)
            rate = score = Bjontegaard(None, reason="no clip is scored at every point")
            if ours and theirs:
                found = (*ours.values(), *theirs.values())
                both = np.all([one.known for one in found], axis=0)
            if both.any():
                test = _curve(run, system, ours, both)
                other = _curve(run, base, theirs, both)
                rate, score = bd_rate(test, other), bd_metric(test, other)
            rows.append(
                {
                    "metric": metric.name,
                    "system": system.name,
                    "anchor": anchor,
                    "bd_rate_percent": rate.value,
                    "from_score": rate.low,
                    "to_score": rate.high,
                    "bd_metric": score.value,
                    "from_kbps": score.low,
                    "to_kbps": score.high,
                    "n": int(both.sum()),
                    "reason": "; ".join(
                        f"{name}: {result.reason}"
                        for name, result in (("rate", rate), ("metric", score))
                        if result.reason
                    ),
                }
            )
    columns = [
        "metric", "system", "anchor", "bd_rate_percent", "from_score", "to_score",
        "bd_metric", "from_kbps", "to_kbps", "n", "reason",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _scored(run: Run, system: System, metric: Metric) -> dict[Point, Scores]:
    """Collect the points of a system that have any score, with their scores."""
    found = {
        point: scores(run, system, point, metric) for point in run.points[system.name]
    }
    return {point: one for point, one in found.items() if one.known.any()}


def _curve(
    run: Run, system: System, found: dict[Point, Scores], among: np.ndarray
) -> Curve:
    """Average scores, and rates, over the clips that count."""
    means = [one.mean(among) for one in found.values()]
    return Curve([overall_kbps(run, system, p, among) for p in found], means)
