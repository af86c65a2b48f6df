"""``dac-lobe extract``: a corpus to a token store.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dac_lobe.cli.options import (
    DEFAULT_MODEL,
    Device,
    Model,
    Quiet,
    Strict,
    UsageError,
    check_codebooks,
    check_device,
    load_codec,
    whole_number,
)

__all__ = ["extract"]

if TYPE_CHECKING:
    from dac_lobe.tokens import ExtractReport


def extract(
    manifests: Annotated[
        list[Path],
        typer.Argument(
            metavar="MANIFEST",
            help="SpeechBrain CSV (ID, duration, wav) or JSON, or a folder of audio.",
            exists=True,
            show_default=False,
        ),
    ],
    store: Annotated[
        Path,
        typer.Argument(
            metavar="STORE", help="Folder of the token store.", show_default=False
        ),
    ],
    model: Model = DEFAULT_MODEL,
    codebooks: Annotated[
        int | None,
        typer.Option(
            "--codebooks",
            "-k",
            parser=whole_number,
            metavar="K",
            help="Codebooks to store; all by default.",
            show_default=False,
        ),
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(help="What $data_root stands for.", show_default=False),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="local, torchrun or ray; the store is the same.")
    ] = "local",
    workers: Annotated[
        int, typer.Option("--workers", "-j", min=1, help="Processes, or Ray actors.")
    ] = 1,
    device: Device = "auto",
    backend: Annotated[
        str, typer.Option(help="torch, or native: faster on a CPU, own rounding.")
    ] = "torch",
    batch_seconds: Annotated[
        float,
        typer.Option(min=0.0, help="Audio in a GPU's batch; 0: items one at a time."),
    ] = 0.0,
    shard_hours: Annotated[
        float | None,
        typer.Option(help="Audio in a shard.", show_default=False),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option(help="Try again what could not be read before.")
    ] = False,
    strict: Strict = False,
    parquet: Annotated[
        Path | None,
        typer.Option(help="Write Parquet files here, too.", show_default=False),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Encode a corpus into a token store, which recipes then read.

    A run that was stopped goes on where it was when it is started again. Recordings
    that cannot be read are listed and left out; the exit code is then 1, but 0 for
    the ranks of torchrun.
    """
    from rich.console import Console
    from rich.progress import Progress

    from dac_lobe.tokens import export_parquet
    from dac_lobe.tokens import extract as run

    _check(engine, backend, parquet)
    device = check_device(device)
    _check_model(model, codebooks)
    console = Console(stderr=True)
    hidden = quiet or not console.is_terminal
    with Progress(console=console, transient=True, disable=hidden) as bars:
        bar = bars.add_task("shards", total=None)
        report = run(
            manifests,
            store,
            model,
            engine=engine,
            workers=workers,
            num_codebooks=codebooks,
            data_root=data_root,
            device=device,
            backend=backend,
            batch_seconds=batch_seconds,
            shard_hours=shard_hours,
            retry_failed=retry_failed,
            strict=strict,
            on_shard=lambda _, done, total: bars.update(
                bar, completed=done, total=total
            ),
        )
    if parquet is not None:
        export_parquet(store, parquet)
    _print(report, quiet)
    # A rank that exits with 1 makes torchrun end the others, which have more to do.
    raise typer.Exit(1 if report.failures and engine != "torchrun" else 0)


def _check_model(model: str, codebooks: int | None) -> None:
    """Raise a usage error for an unknown model, or one with fewer codebooks.

    `extract` loads the model itself: it is loaded here only to count codebooks.
    """
    from dac_lobe.weights.pretrained import find_weights

    if codebooks is not None:
        check_codebooks(load_codec(model, "cpu", None), codebooks)
        return
    try:
        find_weights(model)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _check(engine: str, backend: str, parquet: Path | None) -> None:
    """Raise a usage error if these options cannot be meant, before all is encoded."""
    from dac_lobe.tokens.extract import ENGINES
    from dac_lobe.tokens.parquet import require_pyarrow

    for option, given, known in (
        ("--engine", engine, ENGINES),
        ("--backend", backend, ("torch", "native")),
    ):
        if given not in known:
            raise UsageError(f"{option} {given}: choose one of {', '.join(known)}.")
    if parquet is not None and engine == "torchrun":
        raise UsageError(
            "--parquet needs the whole store, and ranks are done at different times. "
            "Run it afterwards with --engine local, which finds the shards done."
        )
    if parquet is not None:
        require_pyarrow()


def _print(report: ExtractReport, quiet: bool) -> None:
    """Print what failed and, unless asked to be quiet, what was done."""
    for name, reason in report.failures.items():
        print(f"dac-lobe: {name}: {reason}", file=sys.stderr)
    if not quiet:
        again = "; --retry-failed reads them again" if report.failures else ""
        speed = report.audio_seconds / report.seconds if report.seconds else 0.0
        print(
            f"{report.items} encoded ({report.audio_seconds / 3600:.2f} h, "
            f"{speed:.1f} times real time), {report.shards} shards written, "
            f"{report.shards_kept} already there, {len(report.failures)} failed{again}",
            file=sys.stderr,
        )
