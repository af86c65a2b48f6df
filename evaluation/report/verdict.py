"""The main result in sentences: what was scored, and whether it beats the baseline.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from typing import Any

from evaluation.metrics import Metric
from evaluation.report.players import nearest_baseline
from evaluation.report.rendering import number
from evaluation.results.board import SIGNIFICANT
from evaluation.results.rates import overall_kbps
from evaluation.results.results import Results
from evaluation.results.tables import scores
from evaluation.results.writers import records

__all__ = ["headline", "verdict"]


def headline(results: Results) -> str:
    """Say what the first system scores at its highest rate.

    Arguments
    ---------
    results : Results
        With its summary.

    Returns
    -------
    str
        With the rate over the recordings that the scores are of; two ends of it where
        metrics have scores of different recordings.
    """
    run = results.run
    system = run.systems[0]
    first, point = system.name, run.points[system.name][-1]
    row = records(results.summary[results.summary["system"] == first])[-1]
    parts, rates = [], []
    for metric in run.metrics[:4]:
        mean, low, high = (
            row[f"{metric.name}_{end}"] for end in ("mean", "low", "high")
        )
        if mean is None:
            continue
        unit = f" {metric.unit}" if metric.unit else ""
        text = f"{metric.title} {number(mean, metric.decimals)}{unit}"
        if low is not None:
            ends = (number(end, metric.decimals) for end in (low, high))
            text += f" ({' to '.join(ends)})"
        parts.append(text)
        known = scores(run, system, point, metric).known
        rates.append(overall_kbps(run, system, point, known))
    codebooks = row["num_codebooks"]
    used = f" with {codebooks} codebooks" if codebooks is not None else ""
    sure = [kbps for kbps in rates or [row["kbps"]] if kbps is not None]
    range_ = dict.fromkeys(f"{end(sure):.2f}" for end in (min, max) if sure)
    rate = f" at {' to '.join(range_)} kbps" if range_ else ""
    return f"{first}{rate}{used}: {', '.join(parts) or 'no scores'}."


def verdict(results: Results) -> str:
    """Say in which metrics the first system is better or worse than the baseline.

    The baseline is the first other codec at the rate nearest to the first system's
    highest, over the recordings that both have a score of: where rates vary, metrics
    of different recordings may have different points. Controls are no rivals.

    Arguments
    ---------
    results : Results
        With its paired table.

    Returns
    -------
    str
        Empty if there is no other codec.
    """
    run = results.run
    first = run.systems[0].name
    ours = f"{first} {run.points[first][-1]}".strip()
    rivals: dict[str, list[dict[str, Any]]] = {}
    for metric in run.metrics:
        baseline = nearest_baseline(run, metric.name)
        if baseline is None or baseline[0].control:
            return ""
        system, point = baseline
        rivals.setdefault(f"{system.name} {point}".rstrip(), []).extend(
            row
            for row in records(results.paired[results.paired["metric"] == metric.name])
            if row["reference"] == ours
            and row["system"] == system.name
            and row["num_codebooks"] == point.num_codebooks
            and (row["setting"] or "") == point.setting
            and row["p_holm"] is not None
        )
    rivals = {name: rows for name, rows in rivals.items() if rows}
    if not rivals:
        return ""
    metrics = {metric.name: metric for metric in run.metrics}
    said = [_against(name, rows, metrics) for name, rows in rivals.items()]
    everything = [row for rows in rivals.values() for row in rows]
    return " ".join(said) + _too_few(everything, results)


def _against(rival: str, rows: list[dict[str, Any]], metrics: dict[str, Metric]) -> str:
    """Say in which metrics the first system is better or worse than one point."""
    found: dict[str, list[str]] = {"better": [], "worse": [], "": []}
    for row in rows:
        metric = metrics[row["metric"]]
        # The table has the baseline minus the first system.
        ahead = -row["difference"] * (1 if metric.higher_is_better else -1)
        clear = row["p_holm"] < SIGNIFICANT and ahead != 0
        found["" if not clear else "better" if ahead > 0 else "worse"].append(
            metric.title.replace(",", "")
        )
    parts = [
        f"significantly {word} in {_listed(found[word])}"
        for word in ("better", "worse")
        if found[word]
    ]
    text = f"Against {rival}"
    text += f" it is {' and '.join(parts)}" if parts else ""
    if even := found[""]:
        many = f"the other {len(even)}" if parts else f"any of {len(rows)}"
        where = even[0] if len(even) == 1 else f"{many} metrics"
        text += "; " if parts else " "
        text += f"there is no significant difference in {where}"
    return f"{text} (paired, Holm's correction, p < {SIGNIFICANT:g})."


def _listed(names: list[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _too_few(rows: list[dict[str, Any]], results: Results) -> str:
    """Warn where even differences that all agree could not be significant."""
    family = results.paired.groupby("metric")["p"].count()
    # Of all ways to flip the signs of speakers, two are the most extreme.
    least = [2.0 ** (1 - row["n_clusters"]) * family[row["metric"]] for row in rows]
    if min(least) < SIGNIFICANT:
        return ""
    clusters = max(row["n_clusters"] for row in rows)
    return f" So few speakers ({clusters}) could hardly show one: give more recordings."
