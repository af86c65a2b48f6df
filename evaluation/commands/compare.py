"""The command ``dac-lobe-evaluate compare A B``: two evaluations side by side.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from evaluation.commands import settings

__all__ = ["compare"]

app = typer.Typer(**settings())


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="Output folder of an evaluation.")],
    second: Annotated[Path, typer.Argument(help="Another.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="CSV file to write too.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of intervals and permutations.")] = 0,
) -> int:
    """Print paired differences, SECOND minus FIRST, on the recordings of both."""
    from rich.console import Console
    from rich.table import Table

    from evaluation.results.compare import compare as compare_folders
    from evaluation.results.statistics import LEAST_CLUSTERS
    from evaluation.results.writers import number, records, write_table

    result = compare_folders(first, second, seed)
    table = Table(title=f"{second} minus {first}")
    for head in ("metric", "systems", "point", "first", "second"):
        table.add_column(
            head, justify="left" if head in ("metric", "systems") else "right"
        )
    for head in ("difference", "95 % interval", "p (Holm)", "pairs"):
        table.add_column(head, justify="right")
    with_reasons = bool((result["reason"] != "").any())
    if with_reasons:
        table.add_column("reason")
    for row in records(result):
        same = row["first"] == row["second"]
        codebooks = row["num_codebooks"]
        table.add_row(
            row["metric"],
            row["first"] if same else f"{row['first']} → {row['second']}",
            row["setting"] if codebooks is None else f"K={codebooks}",
            *(number(row[key], 4) for key in ("mean_first", "mean_second")),
            number(row["difference"], 4, "+"),
            "n/a"
            if row["low"] is None
            else f"{number(row['low'], 4, '+')} … {number(row['high'], 4, '+')}",
            number(row["p_holm"], 4),
            str(row["n_pairs"]),
            *([row["reason"]] if with_reasons else []),
        )
    if result["low"].isna().any():
        table.caption = f"n/a: no interval of fewer than {LEAST_CLUSTERS} speakers"
    # A pipe has no width to wrap to; brackets of a name are no markup.
    width = None if sys.stdout.isatty() else 160
    Console(width=width, markup=False, emoji=False).print(table)
    if output is not None:
        write_table(output, result)
    return 0
