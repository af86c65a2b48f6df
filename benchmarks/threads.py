"""Measure the native kernel on several threads, on batches, and beside a second process.

    python benchmarks/threads.py
    python benchmarks/threads.py --models 16khz-small --threads 1,2,4,8

Milliseconds for one item of 10 s, and for 16 items of 1 s, which threads share among
them. More threads than cores are not used, which a row may show. In brackets: how many
times sooner than the first row. The last table is two processes, each with as many
threads as there are cores, against the same work one after the other: 1.00 is no loss.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from benchmarks import machine  # noqa: E402
from benchmarks.report import table  # noqa: E402
from benchmarks.speed import Clock, load_codec, speech  # noqa: E402
from dac_lobe import DAC  # noqa: E402
from dac_lobe.execution import attach  # noqa: E402

ITEM_SECONDS = 10.0
BATCH, BATCH_SECONDS = 16, 1.0
# Encodings of one item by each process: some seconds, many times a scheduler's slice.
REPEATS = {"16khz-small": 100}
REPEATS_FULL_SIZE = 8


def load(model: str) -> DAC:
    """Load a codec for the native kernel."""
    return attach(load_codec(model).eval(), "native")


def least(work: Callable[[], object], rounds: int, clock: Clock) -> float:
    """Least seconds of some rounds, after one to warm up."""
    work()
    return min(clock(work)[0] for _ in range(rounds))


@torch.inference_mode()
def measure(codec: DAC, threads: list[int], rounds: int, cores: int) -> list[list[str]]:
    """Rows of a table, one for each number of threads."""
    item = speech(codec.sample_rate, ITEM_SECONDS)
    batch = speech(codec.sample_rate, BATCH_SECONDS).repeat(BATCH, 1, 1)
    clock, found = Clock("wall"), []
    for number in threads:
        torch.set_num_threads(number)
        seconds = []
        for wav in (item, batch):
            codes = codec.encode(wav).codes
            seconds.append(least(lambda wav=wav: codec.encode(wav), rounds, clock))
            seconds.append(
                least(lambda codes=codes: codec.decode_codes(codes), rounds, clock)
            )
        found.append(seconds)
    torch.set_num_threads(cores)
    rows = []
    for number, seconds in zip(threads, found, strict=True):
        name = f"{number}" if number <= cores else f"{number}, on {cores} cores"
        row = [
            f"{1000 * taken:.0f} ({first / taken:.2f}x)"
            for taken, first in zip(seconds, found[0], strict=True)
        ]
        rows.append([name, *row])
    return rows


@torch.inference_mode()
def encode_often(model: str, all_are_ready: Barrier) -> None:
    """Encode an item some times, in this process, and say when that begins and ends."""
    codec = load(model)
    wav = speech(codec.sample_rate, ITEM_SECONDS)
    codec.encode(wav)
    all_are_ready.wait()
    for _ in range(REPEATS.get(model, REPEATS_FULL_SIZE)):
        codec.encode(wav)
    all_are_ready.wait()


def together(model: str, processes: int) -> float:
    """Seconds that some processes take for their encodings, side by side."""
    spawn = multiprocessing.get_context("spawn")
    all_are_ready = spawn.Barrier(processes + 1)
    crew = [
        spawn.Process(target=encode_often, args=(model, all_are_ready))
        for _ in range(processes)
    ]
    for process in crew:
        process.start()
    all_are_ready.wait()
    seconds, _ = Clock("wall")(all_are_ready.wait)
    for process in crew:
        process.join()
    return seconds


def loss(model: str) -> str:
    """How much longer two processes take at once than one after the other."""
    return f"{together(model, 2) / (2 * together(model, 1)):.2f}"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--models", default="16khz-small,16khz", help="names, by commas"
    )
    parser.add_argument("--threads", default="1,2,4,8", help="numbers, by commas")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--require-idle", action="store_true")
    options = parser.parse_args()
    if options.require_idle and (problem := machine.busy()):
        parser.error(problem)
    cores, before = torch.get_num_threads(), machine.load()
    threads = [int(number) for number in options.threads.split(",")]
    shares = [["two processes", "as it is", "OMP_WAIT_POLICY=passive"]]
    for model in options.models.split(","):
        head = [f"{model}, threads"]
        for what in (f"{ITEM_SECONDS:g} s", f"{BATCH} x {BATCH_SECONDS:g} s"):
            head += [f"{what}: encode", "decode"]
        rows = measure(load(model), threads, options.rounds, cores)
        print("\n".join(["", *table([head, *rows])]))
        shares.append([model, loss(model)])
        with mock.patch.dict(os.environ, OMP_WAIT_POLICY="passive"):
            shares[-1].append(loss(model))
    print("\n".join(["", *table(shares)]))
    print(
        f"\n{machine.processor()}, {cores} cores, torch {torch.__version__}; least of "
        f"{options.rounds} rounds, load "
        f"{'unknown' if before is None else f'{before:.1f}'} at the start."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
