"""Results as files: CSV, Parquet, JSON, Markdown, LaTeX.

Every file is written under a temporary name and then given its own, so that
what stands under its name is whole. Numbers have nine significant digits, however
small they are: the last bits of a sum do not depend on luck.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import json
import math
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.running.replacing import replacing
from evaluation.running.run import Run

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "latex",
    "markdown",
    "number",
    "records",
    "write_json",
    "write_table",
    "write_text",
]

DIGITS = 9


def write_text(path: Path, text: str) -> None:
    """Write a text, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV and, where pyarrow is installed, as Parquet beside it."""
    rounded = table.copy()
    for name, kind in table.dtypes.items():
        if kind in (float, object):
            rounded[name] = table[name].map(_rounded)
    with replacing(path) as temporary:
        rounded.to_csv(temporary, index=False, lineterminator="\n")
    parquet = path.with_suffix(".parquet")
    if find_spec("pyarrow") is not None:
        with replacing(parquet) as temporary:
            rounded.to_parquet(temporary, index=False)
    else:  # of a run that had it
        parquet.unlink(missing_ok=True)


def _rounded(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def write_json(path: Path, content: Any) -> None:
    """Write JSON; what is not a number becomes null."""
    text = json.dumps(_clean(content), indent=1, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def _clean(content: Any) -> Any:
    if isinstance(content, dict):
        return {str(key): _clean(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_clean(value) for value in content]
    if isinstance(content, float):
        return _rounded(content) if math.isfinite(content) else None
    return content


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as plain values; what is missing is None."""
    plain = table.astype(object).where(table.notna(), None)
    rows: list[dict[str, Any]] = plain.to_dict("records")
    return rows


def _cells(run: Run, summary: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the summary for reading."""
    head = ["System", "Codebooks", "kbps"]
    for metric in run.metrics:
        unit = f", {metric.unit}" if metric.unit else ""
        head.append(f"{metric.title}{unit} {'↑' if metric.higher_is_better else '↓'}")
    head.append("ok / all")
    rows = []
    for record in records(summary):
        codebooks = record["num_codebooks"]
        row = [
            " ".join(part for part in (record["system"], record["setting"]) if part),
            "" if codebooks is None else str(codebooks),
            number(record["kbps"], 2),
        ]
        for metric in run.metrics:
            cell = number(record[f"{metric.name}_mean"], metric.decimals)
            if record[f"{metric.name}_n_ok"] not in (0, record["n_total"]):
                cell += f" (n={record[f'{metric.name}_n_ok']})"
            row.append(cell)
        rows.append([*row, f"{record['n_ok']} / {record['n_total']}"])
    return head, rows


def number(
    value: float | None, decimals: int, sign: str = "", missing: str = "n/a"
) -> str:
    """Write a number with its decimals; ``sign`` '+' writes that of positive ones too.

    Example
    -------
    >>> number(0.5, 2), number(0.5, 1, "+"), number(None, 2)
    ('0.50', '+0.5', 'n/a')
    """
    if value is None or not math.isfinite(value):
        return missing
    return f"{value:{sign}.{decimals}f}"


def markdown(run: Run, summary: pd.DataFrame, signature: str) -> str:
    """Write the summary in Markdown: table, signature, definitions.

    Arguments
    ---------
    run : Run
        Executed.
    summary : pandas.DataFrame
        From `evaluation.results.tables.summary_table`.
    signature : str
        From `evaluation.results.definitions.signature`.

    Returns
    -------
    str
        The first block, up to an empty line, is the table.
    """
    head, rows = _cells(run, summary)
    rule = ["---"] + ["---:"] * (len(head) - 1)
    escaped = ([cell.replace("|", r"\|") for cell in cells] for cells in (head, *rows))
    lines = [f"| {' | '.join(cells)} |" for cells in escaped]
    lines.insert(1, f"| {' | '.join(rule)} |")
    lines += ["", "Means over the clips with a score; `n=` where some have none."]
    lines += [
        "",
        f"`{signature}`",
        "",
        f"Scored at {run.sample_rate} Hz. Definitions:",
        "",
    ]
    lines += [
        f"- `{metric.name}` ({metric.version}): {metric.definition} {metric.source}."
        for metric in run.metrics
    ]
    return "\n".join(lines) + "\n"


def latex(run: Run, summary: pd.DataFrame, signature: str) -> str:
    """Write the summary as a LaTeX table (booktabs)."""
    head, rows = _cells(run, summary)
    arrows = {"↑": r"$\uparrow$", "↓": r"$\downarrow$"}
    lines = [
        "% " + signature,
        r"\begin{tabular}{l" + "r" * (len(head) - 1) + "}",
        r"\toprule",
    ]
    for index, cells in enumerate((head, *rows)):
        line = " & ".join(_escape(cell) for cell in cells)
        for arrow, command in arrows.items():
            line = line.replace(arrow, command)
        lines.append(line + r" \\")
        if index == 0:
            lines.append(r"\midrule")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _escape(text: str) -> str:
    marks = {mark: "\\" + mark for mark in "&%$#_{}"}
    words = {"\\": "backslash", "~": "asciitilde", "^": "asciicircum"}
    marks |= {mark: rf"\text{word}{{}}" for mark, word in words.items()}
    return "".join(marks.get(mark, mark) for mark in text)
