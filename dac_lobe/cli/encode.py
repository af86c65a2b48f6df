"""``dac-lobe encode``: audio files to packed files.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dac_lobe.cli.options import (
    DEFAULT_MODEL,
    CacheDir,
    Device,
    Model,
    Overwrite,
    Quiet,
    Stdin,
    Stdout,
    Strict,
    UsageError,
    Workers,
    check_codebooks,
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

__all__ = ["encode"]


def encode(
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="INPUT",
            help="Audio files, or folders of them; '-' for standard input.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="A .dac file or a folder; '-' for standard output. Beside the input by default.",
            show_default=False,
        ),
    ] = None,
    model: Model = DEFAULT_MODEL,
    codebooks: Annotated[
        int | None,
        typer.Option(
            "--codebooks",
            "-k",
            parser=whole_number,
            metavar="K",
            help="Codebooks to use; all by default.",
            show_default=False,
        ),
    ] = None,
    normalize: Annotated[
        float | None,
        typer.Option(
            metavar="LUFS",
            min=-70.0,
            max=0.0,
            help="Encode at this loudness (like -16); decoding undoes it.",
            show_default=False,
        ),
    ] = None,
    official: Annotated[
        bool,
        typer.Option("--official", help="Write files that the official package reads."),
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
    """Encode audio files into .dac files.

    Folders keep their tree. Files that are done already are verified and skipped,
    and what an interrupted run has begun is continued. With other settings, such
    as another -k, a finished .dac file is encoded anew and replaced, and with
    --official always.
    """
    from dac_lobe.cli.progress import Report
    from dac_lobe.cli.tasks import run

    if official and normalize is not None:
        raise UsageError(
            "--official and --normalize exclude each other: files of the official "
            "package are always encoded at -16 LUFS. Leave one out."
        )
    tasks, left = _tasks(inputs, output, stdin, stdout)
    device = check_device(device)
    codec = load_codec(model, device, cache_dir)
    check_codebooks(codec, codebooks)
    with (
        shared_cores(workers, device, len(tasks)) as at_once,
        Report(len(tasks), "encoded", quiet, left) as report,
    ):
        work = _Encode(codec, report, codebooks, normalize, official, overwrite, strict)
        code = report.collect(run(tasks, work, report.stop, **at_once._asdict()))
    raise typer.Exit(code)


def _tasks(
    inputs: list[Path] | None, output: Path | None, stdin: bool, stdout: bool
) -> tuple[list[Task], str]:
    """Say which files become which, all in '.dac', and count what is left out."""
    from dac_lobe.audio.media import readable_suffixes
    from dac_lobe.cli.pipes import PIPE
    from dac_lobe.disk.suffixes import PACKED_SUFFIXES, left_out

    tasks, others = tasks_for(
        inputs, output, readable_suffixes(), ".dac", stdin=stdin, stdout=stdout
    )
    for task in tasks:
        if task.problem or task.output == PIPE:
            continue
        if task.output.suffix.lower() not in PACKED_SUFFIXES:
            raise UsageError(
                f"-o {task.output} does not end in .dac. Name a file that does, or a "
                "folder."
            )
    files = [file for file in others if file.suffix.lower() not in PACKED_SUFFIXES]
    return tasks, left_out(files) if files else ""


@dataclass(frozen=True)
class _Encode:
    """Encodes one file after the other, in any thread; options as on the command line."""

    codec: DAC
    report: Report
    codebooks: int | None
    normalize: float | None
    official: bool
    overwrite: bool
    strict: bool

    def __call__(self, task: Task) -> bool:
        """Encode a file; return whether there was anything to do."""
        from dac_lobe.cli.pipes import PIPE, binary_output, source_of
        from dac_lobe.files import encode_file_to
        from dac_lobe.files.done import check_replaceable, is_encoded, is_packed

        pipe = task.output == PIPE
        if not (pipe or self.overwrite or is_packed(task.output)):
            check_replaceable(task.output, "is not a packed file")
        if self.official:
            self._for_the_official_package(task)
            return True
        options: dict[str, Any] = {
            "num_codebooks": self.codebooks,
            "normalize_db": self.normalize,
            "strict": self.strict,
        }
        with source_of(task.source) as source:
            if not pipe and is_encoded(self.codec, source, task.output, **options):
                return False
            update = self.report.file(task.source.name)
            output = binary_output(task.output)
            encode_file_to(self.codec, source, output, **options, progress=update)
        return True

    def _for_the_official_package(self, task: Task) -> None:
        """Encode into that package's own format."""
        from dac_lobe.cli.pipes import output_file, source_of
        from dac_lobe.files.official import encode_official

        with (
            source_of(task.source) as source,
            output_file(task.output, ".dac") as target,
        ):
            encode_official(
                self.codec,
                source,
                target,
                num_codebooks=self.codebooks,
                strict=self.strict,
            )
