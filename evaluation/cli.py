"""The commands ``dac-lobe-evaluate AUDIO ...`` and ``dac-lobe-evaluate compare A B``.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import errno
import logging
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from evaluation.errors import ArgumentError

__all__ = [
    "compare",
    "evaluate",
    "main",
]

FAILED_CHECKS = 1
TOO_MANY_FAILURES = 3
INTERRUPTED = 130

# By position in the hierarchy: typer carries its own copy of click in some
# releases, so there is no one place to import the class from.
_UsageError: Any = typer.BadParameter.__bases__[0]

_HELP = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, context_settings=_HELP
)
comparison = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, context_settings=_HELP
)
OURS = ("dac_lobe", "evaluation")


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _metrics(text: str | None) -> list[str] | None:
    from evaluation.metrics import choose

    if text is None:
        return None
    names = _list(text)
    try:
        choose(names)
    except ValueError as error:
        raise _UsageError(str(error)) from error
    return names


def _codebooks(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(part) for part in _list(text)]
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
        str, typer.Option(help="Codecs, with commas: names, files or hub ids.")
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
        typer.Option(min=1000, help="Scoring rate in Hz; the first model's."),
    ] = None,
    max_utterances: Annotated[
        int | None, typer.Option(min=1, help="Draw so many recordings.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of every draw.")] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Processes.")] = 2,
    timeout: Annotated[float, typer.Option(help="Seconds for one step.")] = 600.0,
    device: Annotated[str, typer.Option(help="Where neural codecs run.")] = "cpu",
    cache_dir: Annotated[
        Path | None, typer.Option(help="Cache to share; OUTPUT/cache by default.")
    ] = None,
    bd_anchor: Annotated[
        str | None, typer.Option(help="System that BD-rates are taken from.")
    ] = None,
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
    `dac-lobe-evaluate compare A B` compares two outputs.
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
        systems=_list(model),
        codebooks=_codebooks(codebooks),
        metrics=_metrics(metrics),
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
        bd_anchor=bd_anchor,
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
        TextColumn("{task.description}"),
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


@comparison.command()
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
    from evaluation.results.writers import records, write_table

    result = compare_folders(first, second, seed)
    table = Table(title=f"{second} minus {first}")
    for head in ("metric", "systems", "point", "first", "second"):
        table.add_column(
            head, justify="left" if head in ("metric", "systems") else "right"
        )
    for head in ("difference", "95 % interval", "p (Holm)", "pairs"):
        table.add_column(head, justify="right")
    for row in records(result):
        same = row["first"] == row["second"]
        codebooks = row["num_codebooks"]
        table.add_row(
            row["metric"],
            row["first"] if same else f"{row['first']} → {row['second']}",
            row["setting"] if codebooks is None else f"K={codebooks}",
            *(_shown(row[key]) for key in ("mean_first", "mean_second")),
            _shown(row["difference"], "+"),
            f"{_shown(row['low'], '+')} … {_shown(row['high'], '+')}",
            _shown(row["p_holm"]),
            str(row["n_pairs"]),
        )
    # A pipe has no width to wrap to.
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    if output is not None:
        write_table(output, result)
    return 0


def _shown(value: float | None, sign: str = "") -> str:
    return "n/a" if value is None else f"{value:{sign}.4f}"


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
    if given[:1] == ["compare"]:  # a folder of that name is ./compare
        command, name, given = comparison, f"{name} compare", given[1:]
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
