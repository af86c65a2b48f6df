"""The main result in sentences: what was scored, and whether it beats the baseline.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from typing import Any

from evaluation.report.players import nearest_baseline
from evaluation.report.rendering import number
from evaluation.results.board import SIGNIFICANT
from evaluation.results.results import Results
from evaluation.results.writers import records

__all__ = ["headline", "verdict"]


def headline(results: Results) -> str:
    """Say what the first system scores at its highest rate."""
    first = results.run.systems[0].name
    row = records(results.summary[results.summary["system"] == first])[-1]
    parts = []
    for metric in results.run.metrics[:4]:
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
    codebooks = row["num_codebooks"]
    used = f" with {codebooks} codebooks" if codebooks is not None else ""
    rate = "" if row["kbps"] is None else f" at {row['kbps']:.2f} kbps"
    return f"{first}{rate}{used}: {', '.join(parts) or 'no scores'}."


def verdict(results: Results) -> str:
    """Say in which metrics the first system is better or worse than the baseline.

    The baseline is the operating point that the report plays: of the first other
    codec, at the rate nearest to the first system's highest. Controls are no rivals.

    Arguments
    ---------
    results : Results
        With its paired table.

    Returns
    -------
    str
        Empty if there is no other codec.
    """
    baseline = nearest_baseline(results.run)
    if baseline is None or baseline[0].control:
        return ""
    system, point = baseline
    first = results.run.systems[0].name
    ours = f"{first} {results.run.points[first][-1]}".strip()
    rows = [
        row
        for row in records(results.paired)
        if row["reference"] == ours
        and row["system"] == system.name
        and row["num_codebooks"] == point.num_codebooks
        and (row["setting"] or "") == point.setting
        and row["p_holm"] is not None
    ]
    if not rows:
        return ""
    metrics = {metric.name: metric for metric in results.run.metrics}
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
    text = f"Against {system.name} {point}".rstrip()
    text += f" it is {' and '.join(parts)}" if parts else ""
    if even := found[""]:
        many = f"the other {len(even)}" if parts else f"any of {len(rows)}"
        where = even[0] if len(even) == 1 else f"{many} metrics"
        text += "; " if parts else " "
        text += f"there is no significant difference in {where}"
    text += f" (paired, Holm's correction, p < {SIGNIFICANT:g})."
    return text + _too_few(rows, results)


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
