"""Outcomes as tables: one row per utterance, one row per operating point.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.runner import Cell, Run
from evaluation.scoring import FACTS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["summary_markdown", "summary_table", "utterance_table", "write"]


def utterance_table(run: Run) -> pd.DataFrame:
    """Make the table with one row per utterance, system and operating point.

    Arguments
    ---------
    run : Run
        Executed.

    Returns
    -------
    pandas.DataFrame
        ``utterance, system, num_codebooks, kbps``, the metrics, what was
        counted, and ``status`` ('ok', or 'failed' if any score is missing that
        should be there) with its ``reason``.
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
        failed = any(outcome.status == "failed" for outcome in cells.values())
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
            "status": "failed" if failed else "ok",
            "reason": _reasons(cells),
        }
        rows.append(row)
    table = pd.DataFrame(rows)
    whole = ["num_codebooks", "len_ref", "len_out", "lag_samples", "delay_samples"]
    numbers = ["kbps", *metrics, "kbps_emitted", "kbps_file", "seconds"]
    return table.astype(dict.fromkeys(whole, "Int64") | dict.fromkeys(numbers, "float"))


def _kbps(facts: dict, key: str) -> float | None:
    bits = facts.get(key)
    return None if bits is None else bits / facts["seconds"] / 1000


def _reasons(cells: dict) -> str:
    """Join the reasons for missing scores; one that is common to all is said once."""
    missing = {
        name: outcome.reason if outcome.status != "n/a" else f"n/a: {outcome.reason}"
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


def summary_table(run: Run, utterances: pd.DataFrame) -> pd.DataFrame:
    """Make the table with one row per system and operating point.

    Arguments
    ---------
    run : Run
        Executed.
    utterances : pandas.DataFrame
        From `utterance_table`.

    Returns
    -------
    pandas.DataFrame
        ``system, num_codebooks, setting, kbps``, of each metric ``_mean`` and
        ``_n_ok``, and ``n_ok, n_total``: utterances without a failure, and all.
    """
    import pandas as pd

    rows = []
    for system in run.systems:
        for point in run.points[system.name]:
            chosen = utterances["system"] == system.name
            chosen &= utterances["setting"] == point.setting
            if point.num_codebooks is not None:
                chosen &= utterances["num_codebooks"] == point.num_codebooks
            part = utterances[chosen]
            nominal = system.kbps(point, run.sample_rate)
            emitted = _overall(part, "kbps_emitted")
            row = {
                "system": system.name,
                "num_codebooks": point.num_codebooks,
                "setting": point.setting,
                "kbps": emitted if nominal is None else nominal,
            }
            for metric in run.metrics:
                valid = part[metric.name].dropna()
                row[f"{metric.name}_mean"] = valid.mean() if len(valid) else None
                row[f"{metric.name}_n_ok"] = len(valid)
            row["kbps_emitted"] = emitted
            row["kbps_file"] = _overall(part, "kbps_file")
            row["delay_samples"] = run.delays[system.name]
            row["n_ok"] = int((part["status"] == "ok").sum())
            row["n_total"] = len(part)
            rows.append(row)
    return pd.DataFrame(rows).astype({"num_codebooks": "Int64"})


def _overall(part: pd.DataFrame, column: str) -> float | None:
    """Bits in all over seconds in all, of the rows that have both."""
    known = part[part[column].notna() & part["seconds"].notna()]
    seconds = known["seconds"].sum()
    return (known[column] * known["seconds"]).sum() / seconds if seconds else None


def write(table: pd.DataFrame, path: Path) -> None:
    """Write CSV with six decimals, whole or not at all."""
    temporary = path.with_name(f".{path.name}.part")
    table.to_csv(temporary, index=False, float_format="%.6f", lineterminator="\n")
    temporary.replace(path)


def summary_markdown(run: Run, summary: pd.DataFrame) -> str:
    """Write the summary for people: means with their counts, then the definitions."""
    heads = ["System", "Codebooks", "kbps"]
    heads += [
        f"{metric.title}{f', {metric.unit}' if metric.unit else ''} "
        f"{'↑' if metric.higher_is_better else '↓'}"
        for metric in run.metrics
    ]
    heads.append("ok / all")
    lines = [_line(heads), _line(["---"] + ["---:"] * (len(heads) - 1))]
    for row in summary.to_dict("records"):
        codebooks = row["num_codebooks"]
        cells = [
            " ".join(part for part in (row["system"], row["setting"]) if part),
            "" if codebooks != codebooks or codebooks is None else str(codebooks),
            _number(row["kbps"], 2),
        ]
        for metric in run.metrics:
            cell = _number(row[f"{metric.name}_mean"], metric.decimals)
            if row[f"{metric.name}_n_ok"] not in (0, row["n_total"]):
                cell += f" (n={row[f'{metric.name}_n_ok']})"
            cells.append(cell)
        cells.append(f"{row['n_ok']} / {row['n_total']}")
        lines.append(_line(cells))
    lines += ["", f"Scored at {run.sample_rate} Hz. Definitions:", ""]
    lines += [
        f"- `{metric.name}` ({metric.version}): {metric.definition} {metric.source}."
        for metric in run.metrics
    ]
    return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float | None, decimals: int) -> str:
    if value is None or value != value:
        return "n/a"
    return f"{value:.{decimals}f}"
