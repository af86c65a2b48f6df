"""Measure what reading, resampling, packing and writing cost beside the codec.

    python benchmarks/pipeline.py                  1,000 files of 3 s
    python benchmarks/pipeline.py --files 100

Short FLAC files of another sample rate go through `dac-lobe encode`, and through the
extraction of tokens, each in this process. What the codec alone takes for the same
waveforms, from memory, is measured before and after, and the faster one counts. What
one file alone takes, which is loading the model above all, is measured first and does
not count. 80 % of the codec's own speed is what we want at least.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import soundfile  # noqa: E402
import torch  # noqa: E402

from benchmarks import machine  # noqa: E402
from benchmarks.report import table  # noqa: E402
from benchmarks.speed import Clock, speech  # noqa: E402
from dac_lobe import DAC  # noqa: E402
from dac_lobe.audio import read_audio  # noqa: E402
from dac_lobe.cli import main as command  # noqa: E402
from dac_lobe.tokens import extract  # noqa: E402

RATE = 22050
DISTINCT = 20


def make_files(folder: Path, count: int, seconds: float) -> list[Path]:
    """Write short files, of which a few are different recordings."""
    audio = speech(16000, DISTINCT * seconds)[0, 0].split(round(16000 * seconds))
    folder.mkdir()
    paths = [folder / f"{number:05d}.flac" for number in range(count)]
    for number, path in enumerate(paths):
        samples = read_audio((audio[number % len(audio)].numpy(), 16000), RATE)
        soundfile.write(path, samples.T, RATE)
    return paths


def alone(codec: DAC, wavs: list[torch.Tensor]) -> None:
    """Encode waveforms from memory."""
    for wav in wavs:
        codec.encode(wav)


class Times(NamedTuple):
    """Seconds of the codec alone, of a pipeline, and of one with a single file."""

    alone: float
    whole: float
    start: float

    @property
    def share(self) -> float:
        """Part of the codec's own rate that the pipeline reaches."""
        return self.alone / (self.whole - self.start)


def measure(
    clock: Clock,
    codec: DAC,
    wavs: list[torch.Tensor],
    work: Callable[[Path, Path], object],
    place: Path,
) -> Times:
    """Time a pipeline over the files of ``place``, and the codec alone."""
    start, _ = clock(work, place / "one", place / f"{work.__name__}-one")
    before, _ = clock(alone, codec, wavs)
    whole, _ = clock(work, place / "all", place / f"{work.__name__}-all")
    after, _ = clock(alone, codec, wavs)
    return Times(min(before, after), whole, start)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="16khz-small")
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--require-idle", action="store_true")
    options = parser.parse_args()
    if options.require_idle and (problem := machine.busy()):
        parser.error(problem)
    torch.set_num_threads(options.threads)
    clock, load = Clock(options.clock), machine.load()
    codec = DAC.from_pretrained(options.model)

    def encode(source: Path, target: Path) -> None:
        words = ["encode", str(source), "-o", str(target), "-m", options.model, "-q"]
        words += ["--device", "cpu"]  # where the codec alone is timed
        if command(words):
            raise SystemExit("dac-lobe encode failed.")

    def extraction(source: Path, target: Path) -> None:
        extract(source, target, options.model, backend=codec.backend)

    rows = [["", "codec alone, s", "whole, s", "start, s", "xRT", "of the codec's"]]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        make_files(place / "one", 1, options.seconds)
        paths = make_files(place / "all", options.files, options.seconds)
        distinct = [
            torch.from_numpy(read_audio(path, codec.sample_rate))[None]
            for path in paths[:DISTINCT]
        ]
        wavs = [distinct[number % len(distinct)] for number in range(len(paths))]
        alone(codec, wavs[:DISTINCT])
        for work in (encode, extraction):
            # Extraction computes on one thread, so that its codes do not depend on it.
            torch.set_num_threads(1 if work is extraction else options.threads)
            times = measure(clock, codec, wavs, work, place)
            speed = options.files * options.seconds / (times.whole - times.start)
            rows.append(
                [work.__name__, *(f"{seconds:.2f}" for seconds in times)]
                + [f"{speed:.0f}", f"{times.share:.0%}"]
            )
    print("\n".join(table(rows)))
    print(
        f"\n{options.model}, {options.files} files of {options.seconds:g} s at "
        f"{RATE} Hz; {machine.processor()}, {options.threads} thread(s), "
        f"{options.clock} clock, load "
        f"{'unknown' if load is None else f'{load:.1f}'} at the start."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
