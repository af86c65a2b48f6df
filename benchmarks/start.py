"""Measure how long one waits before the first sample: imports, --help, loading.

    python benchmarks/start.py

Loading a model is compared with reading its file, by turns, both from the page
cache, so that what remains is our own work. Imports and commands run in processes
of their own. Medians; the machine should be idle.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import pandas as pd  # noqa: E402

from benchmarks.speed import load_codec  # noqa: E402
from dac_lobe import DAC  # noqa: E402

BLOCK = 2**20


def seconds(work: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def read(path: Path) -> None:
    """Read a file, or all files of a folder, into memory that is used again."""
    block = bytearray(BLOCK)
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        with file.open("rb", buffering=0) as opened:
            while opened.readinto(block):
                pass


def read_whole(path: Path) -> None:
    """Read a file, or all files of a folder, each into memory of its own."""
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        file.read_bytes()


def size(path: Path) -> int:
    """Bytes of a file or a folder."""
    files = path.iterdir() if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


def loading(model: str, rounds: int) -> pd.DataFrame:
    """Compare loading with reading, for each layout."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        codec = load_codec(model)
        for name in ("weights.pth", "weights.safetensors", "transformers"):
            path = codec.save(Path(folder) / name)
            ways = {
                "read": lambda path=path: read(path),
                "read into memory": lambda path=path: read_whole(path),
                "load": lambda path=path: DAC.from_pretrained(path),
            }
            for way in ways.values():
                way()
            taken = {way: [] for way in ways}
            for _ in range(rounds):
                for way, work in ways.items():
                    taken[way].append(seconds(work))
            medians = {way: statistics.median(each) for way, each in taken.items()}
            rows.append(
                {
                    "layout": name,
                    "MB": size(path) / 1e6,
                    **{f"{way} (s)": value for way, value in medians.items()},
                    "load / read into memory": medians["load"]
                    / medians["read into memory"],
                }
            )
    return pd.DataFrame(rows)


def starting(rounds: int) -> pd.DataFrame:
    """Time imports and commands."""
    python = [sys.executable, "-c"]
    commands = {
        "import torch": [*python, "import torch"],
        "import torch; from dac_lobe import DAC": [
            *python,
            "import torch; from dac_lobe import DAC",
        ],
        "import dac_lobe": [*python, "import dac_lobe"],
        "dac-lobe --help": [sys.executable, "-m", "dac_lobe", "--help"],
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            run = lambda command=command: subprocess.run(  # noqa: E731
                command, check=True, capture_output=True, cwd=ROOT
            )
            taken[name].append(seconds(run))
    medians = {name: statistics.median(each) for name, each in taken.items()}
    return pd.DataFrame({"command": medians.keys(), "seconds": medians.values()})


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="16khz")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    tables = (loading(options.model, options.rounds), starting(options.rounds))
    for table in tables:
        sys.stdout.write(table.to_string(index=False, float_format="{:.2f}".format))
        sys.stdout.write("\n\n")


if __name__ == "__main__":
    main()
