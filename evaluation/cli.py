"""The command ``dac-lobe-evaluate AUDIO ...``, and the way to those that follow it.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import errno
import logging
import shlex
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from evaluation.commands import settings, split
from evaluation.errors import ArgumentError

__all__ = [
    "evaluate",
    "main",
]

FAILED_CHECKS = 1
TOO_MANY_FAILURES = 3
INTERRUPTED = 130

# By position in the hierarchy: typer carries its own copy of click in some
# releases, so there is no one place to import the class from.
_UsageError: Any = typer.BadParameter.__bases__[0]

app = typer.Typer(**settings() | {"add_completion": True})
# Other commands, by their first word; a folder of that name is ./compare.
COMMANDS = {
    "board": "evaluation.commands.board",
    "compare": "evaluation.commands.compare",
    "listen": "evaluation.commands.listen",
}
OURS = ("dac_lobe", "evaluation")


def _metrics(text: str | None) -> list[str] | None:
    from evaluation.metrics import choose

    if text is None:
        return None
    names = split(text)
    try:
        choose(names)
    except ValueError as error:
        raise _UsageError(str(error)) from error
    return names


def _codebooks(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(part) for part in split(text)]
    except ValueError as error:
        raise _UsageError(
            f"--codebooks {text}: whole numbers with commas are needed, like 1,2,4,8."
        ) from error


@app.command()
def evaluate(
    audio: Annotated[
        Path | None,
        typer.Argument(metavar="AUDIO", help="Folder of recordings, or a manifest."),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            "--model", "-m", help="Codecs, with commas: names, files or hub ids."
        ),
    ] = "16khz-small",
    codebooks: Annotated[
        str | None, typer.Option("--codebooks", "-k", help="Like 1,2,4,8,12.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for tables and report.")
    ] = Path("evaluation-report"),
    baseline: Annotated[
        str,
        typer.Option(
            help="opus, opus:6kbps, encodec, hf:ID, snac:ID, tool:codec2, identity, "
            "resample, folder:PATH@KBPS, or a codec."
        ),
    ] = "",
    metrics: Annotated[
        str | None,
        typer.Option(
            help="Like pesq_wb,stoi; or sets: standard (the default), perception."
        ),
    ] = None,
    domain: Annotated[
        str, typer.Option(help="speech, music or auto, where no manifest tells.")
    ] = "auto",
    sample_rate: Annotated[
        int | None,
        typer.Option(
            min=1000, help="Scoring rate in Hz; the first model's, or AUDIO's."
        ),
    ] = None,
    max_utterances: Annotated[
        int | None,
        typer.Option(min=1, help="Score only this many recordings, drawn by --seed."),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Of the draw of recordings and of all intervals.")
    ] = 0,
    workers: Annotated[
        int, typer.Option("--workers", "-j", min=0, help="Processes.")
    ] = 2,
    timeout: Annotated[float, typer.Option(help="Seconds for one step.")] = 600.0,
    device: Annotated[
        str, typer.Option(help="Where codecs run; 'auto' takes a GPU if there is one.")
    ] = "auto",
    cache_dir: Annotated[
        Path | None, typer.Option(help="Cache to share; OUTPUT/cache by default.")
    ] = None,
    bd_anchor: Annotated[
        str | None, typer.Option(help="System that BD-rates are taken from.")
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(help="What $data_root stands for in a manifest."),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Refuse files that promise more than they hold."),
    ] = False,
    max_failures: Annotated[
        float, typer.Option(help="Share of failed scores above which to exit with 3.")
    ] = 0.05,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.")
    ] = False,
    selftest: Annotated[
        bool,
        typer.Option(
            "--selftest",
            help="Check the metrics first; AUDIO may hold the reference pairs.",
        ),
    ] = False,
) -> int:
    """Score codecs on recordings: tables, curves and a report in OUTPUT.

    A run that is stopped goes on where it was when it is started again.

    Other commands, each with its own --help:

    dac-lobe-evaluate compare A B: paired differences of two outputs

    dac-lobe-evaluate board A B ...: outputs joined on one page

    dac-lobe-evaluate listen A: a blind listening test of an output
    """
    if version:
        from dac_lobe import __version__

        print(__version__)
        return 0
    if selftest:
        return _selftest(audio)
    if audio is None:
        raise _UsageError(
            "AUDIO is missing. Give a folder of recordings, or a manifest."
        )
    if not audio.exists():
        raise _UsageError(
            f"{audio} is neither a folder nor a manifest. Give a folder of recordings, "
            "or a CSV file with a column 'path'."
        )
    if not 0 <= max_failures <= 1:
        raise _UsageError(f"--max-failures {max_failures:g}: a share from 0 to 1.")
    return _evaluate(
        audio,
        max_failures,
        systems=split(model),
        codebooks=_codebooks(codebooks),
        metrics=_metrics(metrics),
        baselines=split(baseline),
        output=output,
        domain=domain,
        sample_rate=sample_rate,
        max_utterances=max_utterances,
        seed=seed,
        workers=workers,
        timeout=timeout,
        device=device,
        cache_dir=cache_dir,
        bd_anchor=bd_anchor,
        data_root=data_root,
        strict=strict,
    )


def _evaluate(audio: Path, max_failures: float, output: Path, **options: Any) -> int:
    """Run with a progress bar, and print the summary."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from evaluation.suite import evaluate as run

    columns = (
        TextColumn("scores"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    console = Console(stderr=True)
    silent = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=silent) as bar:
        task = bar.add_task("loading", total=None)

        def show(done: int, total: int, text: str) -> None:
            bar.update(task, completed=done, total=total, description=text)

        command = shlex.join(["dac-lobe-evaluate", *sys.argv[1:]])
        results = run(audio, output=output, **options, command=command, progress=show)
    table = (output / "summary.md").read_text(encoding="utf-8").partition("\n\n")[0]
    print(f"{table}\n\nReport: {output / 'report.html'}")
    if results.failed_share > max_failures:
        print(
            f"{results.failed_share:.1%} of the scores failed, more than --max-failures "
            f"{max_failures:g}; most often: {results.commonest_failure}. All reasons "
            f"stand in {output / 'utterances.csv'}.",
            file=sys.stderr,
        )
        return TOO_MANY_FAILURES
    return 0


def _selftest(folder: Path | None) -> int:
    """Print every check as it is made."""
    from evaluation.selftest import selftest

    marks = {True: "pass", False: "FAIL", None: "skip"}
    counts = dict.fromkeys(marks, 0)
    for check in selftest(folder):
        counts[check.passed] += 1
        print(f"{marks[check.passed]}  {check.name}: {check.detail}", flush=True)
    print(f"{counts[True]} passed, {counts[False]} failed, {counts[None]} skipped")
    return FAILED_CHECKS if counts[False] else 0


def _advice(error: Exception) -> str:
    if getattr(error, "errno", None) == errno.ENOSPC:
        return ". Make room; the same command then goes on where it was."
    return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Arguments
    ---------
    arguments : sequence of str, optional
        As on the command line; those of the process by default.

    Returns
    -------
    int
        0 if all went well, 1 for an error or a failed self-test, 2 for a wrong
        command, 3 for more failed scores than allowed, 130 if interrupted.
    """
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    given = list(sys.argv[1:] if arguments is None else arguments)
    command, name = app, "dac-lobe-evaluate"
    if given and given[0] in COMMANDS:
        command = import_module(COMMANDS[given[0]]).app
        name, given = f"{name} {given[0]}", given[1:]
    from evaluation.running.pool import PoolError

    try:
        code = command(args=given, prog_name=name, standalone_mode=False)
    except _UsageError as error:
        print(f"{name}: {error.format_message()}", file=sys.stderr)
        return 2
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except (ValueError, OSError, PoolError) as error:
        print(
            f"{name}: {' '.join(str(error).split())}{_advice(error)}", file=sys.stderr
        )
        return 2 if isinstance(error, ArgumentError) else 1
    except ModuleNotFoundError as error:
        if error.name in OURS:
            raise
        print(
            f"{name}: the package {error.name} is not installed. Install "
            "dac-lobe[evaluation].",
            file=sys.stderr,
        )
        return 1
    if code == INTERRUPTED:  # typer's own answer to Ctrl-C, too
        print(
            f"{name}: interrupted; the same command goes on where it was.",
            file=sys.stderr,
        )
    return code if isinstance(code, int) else 0
