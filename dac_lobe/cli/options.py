"""Options that several commands share.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from dac_lobe.cli.pipes import PIPE
from dac_lobe.cli.tasks import Plan, Task, plan

if TYPE_CHECKING:
    from dac_lobe.dac import DAC

__all__ = [
    "DEFAULT_MODEL",
    "CacheDir",
    "Device",
    "FilesAtOnce",
    "Model",
    "Overwrite",
    "Quiet",
    "Stdin",
    "Stdout",
    "UsageError",
    "Workers",
    "check_codebooks",
    "check_device",
    "load_codec",
    "shared_cores",
    "tasks_for",
    "whole_number",
]

DEFAULT_MODEL = "16khz-small"

# By its place in the hierarchy: some releases of typer carry their own copy of
# click, so there is no one module to import the class from.
UsageError: Any = typer.BadParameter.__bases__[0]

Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="A name (16khz-small, 16khz, 24khz, 44khz, 44khz-16kbps), a path, or a "
        "hub id.",
    ),
]
Device = Annotated[
    str,
    typer.Option(help="cpu, cuda, cuda:1, mps; 'auto' takes a GPU if there is one."),
]
CacheDir = Annotated[
    Path | None,
    typer.Option(help="Where fetched weights are kept.", show_default=False),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace existing outputs, also those of other programs."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        "-j",
        min=1,
        help="Files at once; by default one, or one a core of many files on a CPU.",
        show_default=False,
    ),
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Refuse files that promise more than they hold."),
]
Stdin = Annotated[bool, typer.Option("--stdin", help="Read standard input.")]
Stdout = Annotated[bool, typer.Option("--stdout", help="Write to standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")]


def load_codec(model: str, device: str, cache_dir: Path | None) -> DAC:
    """Load a codec on a checked device; a wrong model becomes a usage error."""
    from dac_lobe import DAC

    try:
        return DAC.from_pretrained(model, device=device, cache_dir=cache_dir)
    except ValueError as error:
        raise UsageError(str(error)) from error


def check_device(name: str) -> str:
    """Return a device that is there, or raise a usage error."""
    from dac_lobe.execution import devices

    try:
        return str(devices.check_device(name))
    except ValueError as error:
        raise UsageError(f"--{error} 'auto' takes a GPU if there is one.") from error


def whole_number(text: str) -> int:
    """Read a number of codebooks, at least 1."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise UsageError(f"-k {text}: a whole number from 1 is needed, like 8.")
    return number


class FilesAtOnce(NamedTuple):
    """How many files are computed at once, and how many more are read and written."""

    workers: int
    ahead: int


@contextmanager
def shared_cores(workers: int | None, device: str, files: int) -> Iterator[FilesAtOnce]:
    """Give each of several files its share of the cores; more threads only wait.

    Short files are done sooner one a core than each on all cores. A single one, which
    may be long, is computed on all of them, while the next one is read.
    """
    import torch

    from dac_lobe.execution.cores import limited

    threads, interval = torch.get_num_threads(), sys.getswitchinterval()
    if workers is None:
        workers = threads if device == "cpu" and files >= 4 * threads else 1
    torch.set_num_threads(max(1, threads // workers))
    if workers > 1:
        # A layer of a small codec takes less than the 5 ms for which the interpreter
        # lets others wait between two of them.
        sys.setswitchinterval(min(interval, 0.0005))
    try:
        with limited(workers * torch.get_num_threads()):
            yield FilesAtOnce(workers, int(device == "cpu" and workers == 1))
    finally:
        torch.set_num_threads(threads)
        sys.setswitchinterval(interval)


def check_codebooks(codec: DAC, codebooks: int | None) -> None:
    """Raise a usage error if the codec has fewer codebooks."""
    try:
        codec.quantizer.check_n_quantizers(codebooks)
    except ValueError as error:
        most = codec.num_codebooks
        raise UsageError(
            f"-k {codebooks}: this codec has {most} codebooks. Choose 1 to {most}."
        ) from error


def tasks_for(
    inputs: Sequence[Path] | None,
    output: Path | None,
    suffixes: Collection[str],
    new_suffix: str,
    *,
    stdin: bool,
    stdout: bool,
) -> Plan:
    """Say what to make of the inputs; what makes no sense becomes a usage error."""
    if stdin and inputs not in (None, [], [PIPE]):
        raise UsageError("--stdin and an input exclude each other. Leave one out.")
    if stdout and output not in (None, PIPE):
        raise UsageError(f"--stdout and -o {output} exclude each other. Leave one out.")
    inputs = [PIPE] if stdin else list(inputs or [])
    output = PIPE if stdout else output
    if not inputs:
        raise UsageError("no input. Name a file or a folder, or use --stdin.")
    if PIPE in inputs or output == PIPE:
        return Plan([_piped(inputs, output or PIPE)], [])
    try:
        planned = plan(inputs, output, suffixes, new_suffix)
    except (ValueError, FileNotFoundError) as error:
        raise UsageError(str(error)) from error
    if not planned.tasks:
        places = ", ".join(map(str, inputs))
        raise UsageError(
            f"no such files in {places}. Looked for: {' '.join(sorted(suffixes))}."
        )
    return planned


def _piped(inputs: list[Path], output: Path) -> Task:
    """Say what to make of one input, where it or the output is a pipe."""
    if len(inputs) > 1 or inputs[0].is_dir():
        raise UsageError("a pipe takes one file, not several.")
    if output == PIPE and sys.stdout is not None and sys.stdout.isatty():
        raise UsageError(
            "this would write bytes to the terminal. Redirect it, or name a file by -o."
        )
    if output != PIPE and (output.is_dir() or not output.suffix):
        raise UsageError(
            f"-o {output} is a folder's name, and what is piped in has no name to have "
            "there. Name a file with its ending."
        )
    if not inputs[0].exists() and inputs[0] != PIPE:
        raise UsageError(f"{inputs[0]} does not exist.")
    return Task(inputs[0], output)
