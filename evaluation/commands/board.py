"""The command ``dac-lobe-evaluate board A B ...``: many evaluations on one page.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from evaluation.commands import settings

__all__ = ["board"]

app = typer.Typer(**settings())


@app.command()
def board(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Output folders of evaluations and listening tests."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the page and tables.")
    ] = Path("board"),
    seed: Annotated[int, typer.Option(help="Of intervals and permutations.")] = 0,
) -> int:
    """Join evaluations of the same recordings into one page and one table.

    Metrics are shown on the recordings that all their runs share. What cannot be
    joined, because it is defined in another way, is named and left out.
    """
    from evaluation.report.board import write_board
    from evaluation.results.board import join

    joined = join(runs, seed)
    write_board(joined, output)
    for note in joined.notes:
        print(f"{note}.", file=sys.stderr)
    print(
        f"{len(joined.conditions)} operating points, {len(joined.metrics)} metrics, "
        f"{len(joined.sources)} runs\n\nBoard: {output / 'board.html'}"
    )
    return 0
