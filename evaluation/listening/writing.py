"""Findings of a listening test as files, in the shape of an evaluation's.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evaluation.listening.findings import Findings
from evaluation.listening.measures import MEASURES, Measure
from evaluation.results.conditions import Condition, is_control
from evaluation.results.definitions import environment
from evaluation.results.statistics import CONFIDENCE, LEAST_CLUSTERS, RESAMPLES
from evaluation.results.writers import records, write_json, write_table, write_text

__all__ = ["write_findings"]


def write_findings(findings: Findings, folder: str | Path) -> None:
    """Write tables, and ``results.json`` as an evaluation has it.

    Arguments
    ---------
    findings : Findings
        From `find`.
    folder : str or Path
        Made if it is not there.
    """
    folder, key = Path(folder), findings.key
    folder.mkdir(parents=True, exist_ok=True)
    measure = MEASURES[key["test"]]
    people = len(findings.kept)
    asked = people + len(findings.excluded)
    signature = (
        f"listening:{key['test']}|page:{key['page']}|assessors:{people}of{asked}|"
        f"clips:{len(key['clips'])}|seconds:{key['seconds']:g}|ci:BCa{CONFIDENCE:.0%}"
        f"x{RESAMPLES}/assessor|of:[{key['signature']}]"
    )
    definition = {
        "title": measure.title,
        "definition": measure.definition,
        "source": measure.source,
        "version": f"page {key['page']}, {people} assessors",
        "unit": measure.unit,
        "higher_is_better": measure.higher_is_better,
        "domain": "any",
        "aligned": True,
        "weighted": False,  # every recording has as many answers
        "kind": "listening",
        "decimals": 1,
    }
    systems: dict[str, Any] = {}
    for one in key["conditions"]:
        about = {
            "fingerprint": one["fingerprint"],
            "control": is_control(one["system"], one),
            "points": [],
            "delay_samples": 0,
        }
        point = Condition("", one["num_codebooks"], one["setting"])
        systems.setdefault(one["system"], about)["points"].append(str(point))
    content = {
        "signature": signature,
        "command": f"dac-lobe-evaluate listen --collect ({asked} answers)",
        "environment": environment(),
        "definitions": {
            "format": 1,
            "scoring": key["scoring"],
            "metrics": {measure.name: definition},
        },
        "systems": systems,
        "clips": {name: facts["sha256"] for name, facts in key["clips"].items()},
        "assessors": [one.assessor for one in findings.kept],
        "excluded": findings.excluded,
        "failed_share": 0.0,
        "summary": records(findings.summary),
        "pairs": records(findings.pairs),
    }
    for name in ("utterances", "summary", "ratings", "pairs"):
        write_table(folder / f"{name}.csv", getattr(findings, name))
    write_text(folder / "summary.md", _markdown(findings, measure, signature))
    write_json(folder / "results.json", content)


def _markdown(findings: Findings, measure: Measure, signature: str) -> str:
    unit = f", {measure.unit}" if measure.unit else ""
    lines = [
        f"| Condition | kbps | {measure.title}{unit} | 95 % interval | Answers |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for row in records(findings.summary):
        condition = Condition.of(row)
        kbps = "" if row["kbps"] is None else f"{row['kbps']:.2f}"
        mean, low, high = (row[f"{measure.name}_{e}"] for e in ("mean", "low", "high"))
        ends = f"n/a: fewer than {LEAST_CLUSTERS} assessors"
        if low is not None:
            ends = f"{low:.1f} to {high:.1f}"
        lines.append(
            f"| {condition} | {kbps} | {mean:.1f} | {ends} | {row['answers']} |"
        )
    lines += ["", f"{measure.definition} {measure.source}.", ""]
    if findings.key["test"] != "mushra":
        (row,) = records(findings.pairs)
        p = "n/a" if row["p"] is None else f"{row['p']:.3g}"
        lines += [f"Exact binomial test over {row['n']} answers: p = {p}.", ""]
    lines += [f"{name} is left out: {why}." for name, why in findings.excluded.items()]
    return "\n".join([*lines, "", f"`{signature}`"]) + "\n"
