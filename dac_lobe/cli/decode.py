"""``dac-lobe decode``: packed files to audio files.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from dac_lobe.cli.options import (
    CacheDir,
    Device,
    Overwrite,
    Quiet,
    Stdin,
    Stdout,
    Strict,
    UsageError,
    Workers,
    check_device,
    load_codec,
    shared_cores,
    tasks_for,
    whole_number,
)

if TYPE_CHECKING:
    from dac_lobe.cli.progress import Report
    from dac_lobe.cli.tasks import Task
    from dac_lobe.dac import DAC

__all__ = ["decode"]


def decode(
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="INPUT",
            help=".dac files, or folders of them; '-' for standard input.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File or folder; '-' for standard output. Beside the input by default.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="The model that made the codes; the one the file names by default.",
            show_default=False,
        ),
    ] = None,
    codebooks: Annotated[
        int | None,
        typer.Option(
            "--codebooks",
            "-k",
            parser=whole_number,
            metavar="K",
            help="Codebooks to use, of those in the file; all by default.",
            show_default=False,
        ),
    ] = None,
    start: Annotated[
        float, typer.Option(min=0.0, help="Second to begin at.", show_default=False)
    ] = 0.0,
    duration: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Seconds to decode; to the end by default.",
            show_default=False,
        ),
    ] = None,
    sample_rate: Annotated[
        int | None,
        typer.Option(
            "--rate",
            min=1000,
            max=10_000_000,
            help="Rate in Hz; the source's by default.",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[
        str, typer.Option("--format", help="wav, flac, ..., where -o has no ending.")
    ] = "wav",
    subtype: Annotated[
        str | None,
        typer.Option(
            help="Sample format: PCM_16 (default), PCM_24, FLOAT.", show_default=False
        ),
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Accept files that were not finished.")
    ] = False,
    overwrite: Overwrite = False,
    strict: Strict = False,
    stdin: Stdin = False,
    stdout: Stdout = False,
    device: Device = "auto",
    cache_dir: CacheDir = None,
    workers: Workers = None,
    quiet: Quiet = False,
) -> None:
    """Decode .dac files into audio files.

    Each has the rate, the channels and exactly the length of what was encoded.
    Folders keep their tree. What is decoded already is skipped; any other file in
    the place of an output is left alone, unless --overwrite decodes all anew.
    """
    from dac_lobe.cli.progress import Report
    from dac_lobe.cli.tasks import run
    from dac_lobe.disk.suffixes import PACKED_SUFFIXES

    if duration == 0:
        raise UsageError("--duration 0: more than 0 seconds are needed.")
    suffix = f".{kind.lower().lstrip('.')}"
    tasks, _ = tasks_for(
        inputs, output, PACKED_SUFFIXES, suffix, stdin=stdin, stdout=stdout
    )
    _check_outputs(tasks, suffix, subtype)
    if codebooks is not None:
        _check_codebooks(tasks, codebooks)
    device = check_device(device)
    codecs = _Codecs(device, cache_dir)
    if model is not None:
        codecs[model] = load_codec(model, device, cache_dir)
    options: dict[str, Any] = {
        "num_codebooks": codebooks,
        "start": start,
        "duration": duration,
        "sample_rate": sample_rate,
        "subtype": subtype,
        "partial": partial,
    }
    with (
        shared_cores(workers, device, len(tasks)) as at_once,
        Report(len(tasks), "decoded", quiet) as report,
    ):
        work = _Decode(codecs, report, model, suffix, overwrite, strict, options)
        code = report.collect(run(tasks, work, report.stop, **at_once._asdict()))
    raise typer.Exit(code)


def _check_outputs(tasks: Iterable[Task], suffix: str, subtype: str | None) -> None:
    """Raise a usage error if an output's name or the sample format is none to write."""
    from dac_lobe.audio import AudioError
    from dac_lobe.audio.writer import check_format
    from dac_lobe.cli.pipes import PIPE

    for task in tasks:
        name = Path(f"a pipe{suffix}") if task.output == PIPE else task.output
        try:
            if not task.problem:
                check_format(name, subtype)
        except AudioError as error:
            raise UsageError(str(error)) from error


def _check_codebooks(tasks: Iterable[Task], codebooks: int) -> None:
    """Raise a usage error if no file has so many; where some have, the others fail."""
    from dac_lobe.files.record import codebooks_in

    most = 0
    for task in tasks:
        try:
            most = max(most, codebooks_in(task.source))
        except (ValueError, OSError):
            continue  # a pipe, or what its task will fail with
        if most >= codebooks:
            return
    if most:
        raise UsageError(
            f"-k {codebooks}: there are {most} codebooks at most. Choose 1 to {most}."
        )


@dataclass(frozen=True)
class _Decode:
    """Decodes one file after the other, in any thread.

    Attributes
    ----------
    options : dict
        Of `dac_lobe.files.decode_file`; the others are as on the command line.
    """

    codecs: _Codecs
    report: Report
    model: str | None
    suffix: str
    overwrite: bool
    strict: bool
    options: dict[str, Any]

    def __call__(self, task: Task) -> bool:
        """Decode a file; return whether there was anything to do."""
        from dac_lobe.cli.pipes import PIPE, output_file, source_of
        from dac_lobe.files import decode_file
        from dac_lobe.files.done import is_decoded
        from dac_lobe.files.record import record_of

        with source_of(task.source) as source:
            if task.output != PIPE and not self.overwrite:
                given = None if self.model is None else self.codecs[self.model]
                record = record_of(source, given, **self.options)
                if is_decoded(record, task.output):
                    return False
            codec = self.codecs[self.model or _named_model(source)]
            update = self.report.file(task.source.name)
            with output_file(task.output, self.suffix) as target:
                decode_file(
                    codec,
                    source,
                    target,
                    **self.options,
                    strict=self.strict,
                    progress=update,
                )
        return True


class _Codecs(dict[str, "DAC"]):
    """Codecs by name, loaded when a file asks for them, once for all threads."""

    def __init__(self, device: str, cache_dir: Path | None):
        super().__init__()
        self._device, self._cache_dir = device, cache_dir
        self._lock = Lock()

    def __missing__(self, model: str) -> DAC:
        from dac_lobe.dac import DAC

        with self._lock:
            if model not in self:
                self[model] = DAC.from_pretrained(
                    model, device=self._device, cache_dir=self._cache_dir
                )
        return self[model]


def _named_model(source: Path | BinaryIO) -> str:
    """Return the model that a packed file names, if its name says what to load.

    Only names of the table do: a file from elsewhere shall not make this machine
    fetch what it likes.
    """
    from dac_lobe.container import PackedReader
    from dac_lobe.container.official import is_official
    from dac_lobe.weights.variants import find_variant

    if is_official(source):
        name = source if isinstance(source, Path) else "the input"
        raise ValueError(
            f"{name} is of the official package and does not say which model made "
            "it. Name the model by --model."
        )
    with PackedReader(source, partial=True) as reader:
        name = reader.header.model
        if find_variant(name) is None:
            raise ValueError(
                f"{reader.name} was encoded by {name!r}. Name its weights by --model."
            )
    return name
