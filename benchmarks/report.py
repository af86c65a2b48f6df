"""The tables of benchmarks/speed.py.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from benchmarks.contenders import OURS, REFERENCE

__all__ = ["markdown", "ratio", "ratios_line", "summary", "table", "write_table"]

BLOCK = re.compile(r"(<!-- table:speed -->\n).*?(<!-- /table -->)", re.DOTALL)


def ratio(case: dict[str, Any], name: str, what: str) -> float | None:
    """How many times sooner than the reference; None if either is missing."""
    ours, theirs = case["rows"].get(name, {}), case["rows"].get(REFERENCE, {})
    if f"{what}_median" not in ours or f"{what}_median" not in theirs:
        return None
    return theirs[f"{what}_median"] / ours[f"{what}_median"]


def ratios_line(found: dict[str, Any], name: str) -> str:
    """Make the last line of output: one case's ratios, for scripts to read."""
    case = next((c for c in found["cases"] if c["model"] == "16khz"), found["cases"][0])
    row = case["rows"].get(name, {})
    encode, decode = (ratio(case, name, what) for what in ("encode", "decode"))
    if encode is None or decode is None:
        return "RATIOS encode=nan decode=nan codes_equal=nan"
    return (
        f"RATIOS encode={encode:.2f} decode={decode:.2f} "
        f"codes_equal={row['codes_equal']:.6f}"
    )


def markdown(found: dict[str, Any]) -> str:
    """Make all tables."""
    where = found["environment"]
    peak = where["peak_gflops"]
    lines = [
        f"{where['processor']}, {where['threads']} of {where['cores']} cores, "
        f"{where['capability']}, torch {where['torch']}; {where['clock']} clock, load "
        f"{_load(where['load_before'])} before and {_load(where['load_after'])} after"
        + (f"; peak {peak:.0f} GFLOP/s (fp32)." if peak else "."),
    ]
    for case in found["cases"]:
        lines += ["", f"**{case['model']}, {case['seconds']:g} s**", ""]
        lines += table(_rows(case, peak))
    return "\n".join(lines)


def summary(found: dict[str, Any]) -> str:
    """Make the short table: real-time factors and ratios."""
    where = found["environment"]
    rows = [["model", "", *(c for c in _names(found))]]
    for case in found["cases"]:
        for what in ("encode", "decode"):
            cells = []
            for name in _names(found):
                times = ratio(case, name, what)
                speed = case["rows"].get(name, {}).get(f"{what}_xrt")
                cells.append(f"{speed:.1f}x ({times:.1f})" if times else "-")
            rows.append([f"{case['model']}, {case['seconds']:g} s", what, *cells])
    text = "\n".join(table(rows))
    return (
        f"{text}\n\nSeconds of audio per second, and in brackets how many times sooner "
        f"than {REFERENCE}. {where['processor']}, {where['threads']} thread(s), "
        f"{where['clock']} clock, load average {_load(where['load_before'])} at the start."
    )


def _load(load: float | None) -> str:
    """Write a load average; some systems keep none."""
    return "unknown" if load is None else f"{load:.1f}"


def write_table(path: Path, text: str) -> None:
    """Put a table between the markers of a document.

    Raises
    ------
    ValueError
        If the document has no markers.
    """
    document = path.read_text()
    changed, count = BLOCK.subn(lambda m: f"{m[1]}{text}\n{m[2]}", document)
    if count != 1:
        raise ValueError(
            f"{path.name} has {count} blocks '<!-- table:speed -->'; not 1"
        )
    path.write_text(changed)


def _names(found: dict[str, Any]) -> list[str]:
    """Contenders that were measured anywhere."""
    names: dict[str, None] = {}
    for case in found["cases"]:
        names.update(dict.fromkeys(n for n, r in case["rows"].items() if "note" in r))
    return list(names)


def _rows(case: dict[str, Any], peak: float | None) -> list[list[str]]:
    """Rows of one case."""
    head = ["", "encode s", "ratio", "xRT", "decode s", "ratio", "xRT"]
    rows = [[*head, "codes equal", "decode dB", "MB enc / dec"]]
    for name, row in case["rows"].items():
        if "missing" in row:
            rows.append([name, row["missing"], *[""] * 8])
            continue
        cells = [name]
        for what in ("encode", "decode"):
            times = ratio(case, name, what)
            cells += [
                f"{row[f'{what}_median']:.3f}",
                f"{times:.2f}" if times else "-",
                f"{row[f'{what}_xrt']:.1f}",
            ]
        cells += [f"{100 * row['codes_equal']:.3f} %", f"{row['decode_db']:.1f}"]
        used = case.get("memory", {}).get(name)
        cells.append(f"{used['encode']:.0f} / {used['decode']:.0f}" if used else "-")
        rows.append(cells)
    row = case["rows"].get(OURS, {})
    if peak and "encode_xrt" in row:
        bound = {k: peak / v["winograd"] for k, v in case["cost"].items()}
        rows.append(
            [
                "limit (Winograd, peak)",
                *("", "", f"{bound['encode']:.1f}"),
                *("", "", f"{bound['decode']:.1f}"),
                f"native reaches {100 * row['encode_xrt'] / bound['encode']:.0f} % / "
                f"{100 * row['decode_xrt'] / bound['decode']:.0f} %",
                *("", ""),
            ]
        )
    return rows


def table(rows: list[list[str]]) -> list[str]:
    """Lay out rows as Markdown."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return [lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]]
