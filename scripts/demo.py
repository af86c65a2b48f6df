"""The main job in one go: recordings to .dac files, back to audio, and a score.

    recordings --encode--> coded/*.dac --decode--> decoded/<n>_codebooks/*.wav
         +---------------------score---------------------+--> scores/, the table

A .dac file holds all codebooks; the first n of them are the same recording at a
lower bitrate, so each is encoded once. `make demo` runs this on the bundled
clips, `make demo AUDIO=folder` on your own.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import soundfile
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from dac_lobe.cli.tasks import Task, plan
from dac_lobe.disk.suffixes import AUDIO_SUFFIXES

if TYPE_CHECKING:
    import pandas as pd

    from dac_lobe import DAC

__all__ = ["code", "demo", "render"]

CODEBOOKS = (1, 2, 4, 8, 12)
# Column of the summary, heading, format.
METRICS = (
    ("pesq_wb", "PESQ-WB ↑", ".2f"),
    ("stoi", "STOI ↑", ".3f"),
    ("mel_dac7", "mel dist. ↓", ".2f"),
    ("si_sdr", "SI-SDR dB ↑", ".1f"),
)


def _seconds(path: Path) -> float:
    """Read the length of a recording; 0 where it cannot be read."""
    try:
        return soundfile.info(path).duration
    except (OSError, soundfile.SoundFileError):
        return 0.0


def code(
    codec: DAC, tasks: list[Task], output: Path, codebooks: list[int], bars: Progress
) -> tuple[list[Task], list[str]]:
    """Encode every recording, and decode it at every bitrate.

    Arguments
    ---------
    codec : DAC
        The codec.
    tasks : list of Task
        Recordings, and where below ``output / "coded"`` to encode them to.
    output : Path
        Where ``decoded`` goes.
    codebooks : list of int
        Numbers of codebooks to decode with.
    bars : Progress
        Shows how far it is.

    Returns
    -------
    done : list of Task
        Recordings and their .dac files.
    problems : list of str
        Why the others have none, one line each.
    """
    seconds = {task: _seconds(task.source) for task in tasks}
    total = sum(seconds.values())
    encoding = bars.add_task("encode", total=total)
    decoding = bars.add_task("decode", total=total * len(codebooks))

    def advance(bar: int) -> Callable[[float, float], None]:
        start = bars.tasks[bar].completed
        return lambda done, _: bars.update(bar, completed=start + done)

    done, problems = [], []
    for task in tasks:
        task.output.parent.mkdir(parents=True, exist_ok=True)
        try:
            if task.problem:
                raise ValueError(task.problem)
            packed = codec.encode_file(task.source, progress=advance(encoding))
        except ValueError as error:
            problems.append(f"{task.source}: {error}")
            bars.update(decoding, total=bars.tasks[decoding].total - seconds[task])
            continue
        packed.save(task.output)
        done.append(task)
    for number in codebooks:
        folder = output / "decoded" / f"{number:02d}_codebooks"
        for task in done:
            wav = folder / task.output.relative_to(output / "coded").with_suffix(".wav")
            wav.parent.mkdir(parents=True, exist_ok=True)
            codec.decode_file(
                task.output, wav, num_codebooks=number, progress=advance(decoding)
            )
    return done, problems


def render(summary: pd.DataFrame) -> Table:
    """Lay the summary out for a terminal.

    Arguments
    ---------
    summary : pandas.DataFrame
        One row per number of codebooks.

    Returns
    -------
    Table
        The table.
    """
    table = Table(title="One encoding, decoded with its first n codebooks")
    for heading in ("codebooks", "kbps", *(heading for _, heading, _ in METRICS)):
        table.add_column(heading, justify="right")
    table.add_column("scored", justify="right")
    for row in summary.to_dict("records"):
        values = ((row[f"{name}_mean"], form) for name, _, form in METRICS)
        table.add_row(
            str(row["num_codebooks"]),
            f"{row['kbps']:.2f}",
            # A mean over nothing is None or NaN, and no number.
            *(
                "-" if mean is None or mean != mean else f"{mean:{form}}"
                for mean, form in values
            ),
            f"{row['n_ok']}/{row['n_total']}",
        )
    return table


def demo(audio: Path, output: Path, model: str, console: Console) -> None:
    """Encode, decode, score, show.

    Arguments
    ---------
    audio : Path
        Folder of recordings.
    output : Path
        Where everything goes.
    model : str
        What `DAC.from_pretrained` takes.
    console : Console
        Where to show it.

    Raises
    ------
    ValueError
        If there is nothing to code.
    """
    if not audio.is_dir():
        raise ValueError(f"{audio} is not a folder. Name one that holds recordings.")
    tasks = plan([audio], output / "coded", AUDIO_SUFFIXES, ".dac").tasks
    if not tasks:
        raise ValueError(
            f"no recordings in {audio}. Looked for {' '.join(sorted(AUDIO_SUFFIXES))}."
        )
    started = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bars:
        loading = bars.add_task("load", total=None)
        from dac_lobe import DAC
        from evaluation import evaluate

        codec = DAC.from_pretrained(model)
        bars.update(loading, total=1, completed=1)
        codebooks = [number for number in CODEBOOKS if number <= codec.num_codebooks]
        done, problems = code(codec, tasks, output, codebooks, bars)
        if done:
            scoring = bars.add_task("score", total=None)
            results = evaluate(
                audio,
                [model],
                codebooks,
                [name for name, _, _ in METRICS],
                output=output / "scores",
                command=shlex.join(["python", *sys.argv]),
                workers=min(4, os.cpu_count() or 1),
                progress=lambda count, total, _: bars.update(
                    scoring, completed=count, total=total
                ),
            )
            # All from an earlier run's cache: nothing was reported.
            bars.update(scoring, completed=1, total=1)
    for problem in problems:
        console.print(f"left out: {problem}", markup=False, style="yellow")
    if not done:
        raise ValueError(f"none of the recordings in {audio} could be encoded.")
    console.print(render(results.summary))
    seconds = sum(_seconds(task.source) for task in done)
    pcm = sum(
        info.frames * info.channels * 2
        for info in (soundfile.info(task.source) for task in done)
    )
    coded = sum(task.output.stat().st_size for task in done)
    console.print(
        "PESQ-WB is 4.6 for a perfect copy and 1 at worst, STOI 1 and 0, mel distance 0 "
        "and up; a model this small is far from perfect. Play `listen` against the "
        "recordings, or open `report`.\n"
        f"{len(done)} recordings, {seconds:.1f} s: {pcm / 1000:.0f} kB as 16-bit PCM, "
        f"{coded / 1000:.1f} kB as .dac\n"
        f"  codes    {output / 'coded'}\n"
        f"  listen   {output / 'decoded'}\n"
        f"  report   {output / 'scores' / 'report.html'}\n"
        f"  tables   {output / 'scores' / 'summary.csv'} and utterances.csv\n"
        f"Done in {time.monotonic() - started:.0f} s.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def main() -> str | None:
    """Run the demo; return an error or None."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("audio", type=Path, help="folder of recordings")
    parser.add_argument("--output", type=Path, default=Path("demo/output"))
    parser.add_argument("--model", default="16khz-small", help="name, path or hub id")
    args = parser.parse_args()
    # One folder per source, so that two runs do not mix.
    output = args.output / args.audio.resolve().name
    try:
        demo(args.audio, output, args.model, Console())
    except (OSError, ValueError) as error:
        return f"demo: {error}"
    except KeyboardInterrupt:
        return "demo: interrupted"
    return None


if __name__ == "__main__":
    sys.exit(main())
