"""The command ``dac-lobe-evaluate``.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["main"]

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")

EXIT_ERROR = 2
EXIT_FAILURES = 3
EXIT_INTERRUPTED = 130


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _codebooks(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(part) for part in _list(text)]
    except ValueError as error:
        raise ValueError(
            f"--codebooks {text}: whole numbers with commas are needed, like 1,2,4,8."
        ) from error


@app.command()
def evaluate(
    audio: Annotated[
        Path, typer.Argument(metavar="AUDIO", help="Folder of recordings, or manifest.")
    ],
    model: Annotated[
        str, typer.Option(help="Codecs, with commas: names, files or hub ids.")
    ] = "16khz-small",
    codebooks: Annotated[
        str | None, typer.Option("--codebooks", "-k", help="Like 1,2,4,8,12.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for tables and report.")
    ] = Path("evaluation-report"),
    baseline: Annotated[
        str, typer.Option(help="Like opus,identity,resample,folder:PATH@KBPS.")
    ] = "",
    metrics: Annotated[
        str | None, typer.Option(help="Names with commas; ten by default.")
    ] = None,
    domain: Annotated[
        str, typer.Option(help="speech, music or auto, where no manifest tells.")
    ] = "auto",
    sample_rate: Annotated[
        int | None, typer.Option(help="Scoring rate in Hz; the first model's.")
    ] = None,
    max_utterances: Annotated[int | None, typer.Option(help="Draw so many.")] = None,
    seed: Annotated[int, typer.Option(help="Of every draw.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes.")] = 2,
    timeout: Annotated[float, typer.Option(help="Seconds for one step.")] = 120.0,
    device: Annotated[str, typer.Option(help="Where codecs run.")] = "cpu",
    cache_dir: Annotated[
        Path | None, typer.Option(help="Cache to share; OUTPUT/cache by default.")
    ] = None,
    max_failures: Annotated[
        float, typer.Option(help="Share of failed scores above which to exit with 3.")
    ] = 0.05,
) -> None:
    """Score codecs on recordings: tables, curves and a report in OUTPUT."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from evaluation.suite import evaluate as run_evaluation

    console = Console(stderr=True)
    columns = (
        TextColumn("scores"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("loading", total=None)

        def show(done: int, total: int, text: str) -> None:
            bar.update(task, completed=done, total=total, description=text)

        results = run_evaluation(
            audio,
            _list(model),
            _codebooks(codebooks),
            None if metrics is None else _list(metrics),
            baselines=_list(baseline),
            output=output,
            domain=domain,
            sample_rate=sample_rate,
            max_utterances=max_utterances,
            seed=seed,
            workers=workers,
            timeout=timeout,
            device=device,
            cache_dir=cache_dir,
            progress=show,
        )
    table = (output / "summary.md").read_text(encoding="utf-8").partition("\n\n")[0]
    print(table)
    print(f"\nEverything is in {output}.")
    if results.failed_share > max_failures:
        console.print(
            f"[red]{results.failed_share:.1%} of the scores failed, more than "
            f"--max-failures {max_failures:g}[/]: see `reason` in "
            f"{output / 'utterances.csv'}."
        )
        raise typer.Exit(EXIT_FAILURES)


def main() -> None:
    """Run the command; errors are one line, without a traceback."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    try:
        app()
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_ERROR)
    except KeyboardInterrupt:
        print(
            "interrupted: the same command goes on where this one stopped.",
            file=sys.stderr,
        )
        sys.exit(EXIT_INTERRUPTED)
