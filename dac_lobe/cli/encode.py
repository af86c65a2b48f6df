"""``dac-lobe encode``: audio files to packed files.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dac_lobe.cli.options import (
    DEFAULT_MODEL,
    CacheDir,
    Device,
    Jobs,
    Model,
    Overwrite,
    Quiet,
    Stdin,
    Stdout,
    UsageError,
    check_codebooks,
    load_codec,
    share_cores,
    tasks_for,
)

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
            help="Codebooks to use; all by default.",
            show_default=False,
        ),
    ] = None,
    normalize: Annotated[
        float | None,
        typer.Option(
            metavar="LUFS",
            max=0.0,
            help="Encode at this loudness (like -16); decoding undoes it.",
            show_default=False,
        ),
    ] = None,
    legacy: Annotated[
        bool,
        typer.Option("--legacy", help="Write files that the official package reads."),
    ] = False,
    overwrite: Overwrite = False,
    stdin: Stdin = False,
    stdout: Stdout = False,
    device: Device = "auto",
    cache_dir: CacheDir = None,
    jobs: Jobs = 1,
    quiet: Quiet = False,
) -> None:
    """Encode audio files into .dac files.

    Folders keep their tree. Files that are done already are verified and skipped,
    and what an interrupted run has begun is continued. With other settings, such
    as another -k, a finished .dac file is encoded anew and replaced.
    """
    from dac_lobe.cli.pipes import PIPE, binary_output, output_file, source_of
    from dac_lobe.cli.progress import Report
    from dac_lobe.cli.tasks import Task, run
    from dac_lobe.disk.suffixes import AUDIO_SUFFIXES, PACKED_SUFFIXES

    tasks = tasks_for(
        inputs, output, AUDIO_SUFFIXES, ".dac", stdin=stdin, stdout=stdout
    )
    for task in tasks:
        if task.problem or task.output == PIPE:
            continue
        if task.output.suffix.lower() not in PACKED_SUFFIXES:
            raise UsageError(
                f"-o {task.output} does not end in .dac. Name a file that does, or a "
                "folder."
            )
    codec = load_codec(model, device, cache_dir)
    check_codebooks(codec, codebooks)
    from dac_lobe.files import encode_file_to
    from dac_lobe.files.done import check_replaceable, is_encoded, is_packed
    from dac_lobe.files.official import encode_legacy

    share_cores(jobs)
    with Report(len(tasks), "encoded", quiet) as report:

        def work(task: Task) -> bool:
            if not overwrite and not is_packed(task.output):
                check_replaceable(task.output, "a packed file")
            if legacy:
                with (
                    source_of(task.source) as source,
                    output_file(task.output, ".dac") as target,
                ):
                    encode_legacy(codec, source, target, num_codebooks=codebooks)
                return True
            if is_encoded(
                codec,
                task.source,
                task.output,
                num_codebooks=codebooks,
                normalize_db=normalize,
            ):
                return False
            update = report.file(task.source.name)
            with source_of(task.source) as source:
                encode_file_to(
                    codec,
                    source,
                    binary_output(task.output),
                    num_codebooks=codebooks,
                    normalize_db=normalize,
                    progress=update,
                )
            return True

        code = report.collect(run(tasks, work, jobs=jobs))
    raise typer.Exit(code)
