"""The command ``dac-lobe-evaluate listen``: a blind test out, its answers in.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evaluation.commands import settings, split
from evaluation.errors import ArgumentError

__all__ = ["listen"]

app = typer.Typer(**settings())


@app.command()
def listen(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN", help="Output of an evaluation; with --collect, answers."
        ),
    ],
    test: Annotated[
        str,
        typer.Option(help="mushra (rate all), ab (which is better), abx (which is X)."),
    ] = "mushra",
    clips: Annotated[int, typer.Option(min=1, help="Recordings to draw.")] = 8,
    systems: Annotated[
        str, typer.Option(help="Like 16khz-small@4/12,opus@c=1,reference.")
    ] = "",
    seconds: Annotated[
        float, typer.Option(help="Of each recording; at least 0.4.")
    ] = 8.0,
    audio: Annotated[
        Path | None, typer.Option(help="The recordings, if they were moved.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of recordings, names, orders.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder; listening-test, or with --collect listening-results.",
        ),
    ] = None,
    collect: Annotated[
        bool, typer.Option("--collect", help="Evaluate answers (JSON) instead.")
    ] = False,
    key: Annotated[
        Path, typer.Option(help="With --collect: the key of the page.")
    ] = Path("listening-test/key.json"),
) -> int:
    """Make a blind listening test of RUN, or evaluate what assessors answered.

    listen RUN --output test makes test/listen.html, one file that works offline, to
    be sent to assessors, and test/key.json, to be kept from them.

    listen --collect answers/*.json --key test/key.json screens the assessors and
    writes means and intervals in a folder that board can join.
    """
    if collect:
        return _collect(inputs, key, output or Path("listening-results"), seed)
    if len(inputs) > 1:
        raise ArgumentError("one RUN at a time. For answers, add --collect.")
    from evaluation.listening.page import make_page

    page = make_page(
        inputs[0],
        output or Path("listening-test"),
        test,
        clips,
        split(systems),
        seconds=seconds,
        audio=audio,
        seed=seed,
    )
    size = page.stat().st_size / 1e6
    print(f"Send: {page} ({size:.1f} MB)\nKeep: {page.with_name('key.json')}")
    return 0


def _collect(answers: list[Path], key: Path, output: Path, seed: int) -> int:
    from evaluation.listening.answers import read_answers, read_key
    from evaluation.listening.findings import find
    from evaluation.listening.writing import write_findings

    known = read_key(key)
    findings = find(known, read_answers(answers, known), seed)
    write_findings(findings, output)
    print((output / "summary.md").read_text(encoding="utf-8").partition("\n\n")[0])
    for name, reason in findings.excluded.items():
        print(f"{name} is left out: {reason}.")
    print(f"\nResults: {output}")
    return 0
