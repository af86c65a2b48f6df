"""Compute what extracting a corpus costs, from 1 hour to 1,000,000.

    python benchmarks/scale.py AUDIO_DIR --write docs/scale.md

Both codecs extract a part of the recordings, on one thread, through the same
function as `dac-lobe extract`; rates are hours of audio in an hour of that
thread's time, without what is before the first shard. Bytes are those of the
store: shards, index, and once the rest. The larger rows are multiplication.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from benchmarks.weights import make_codec  # noqa: E402
from dac_lobe.audio import read_audio  # noqa: E402
from dac_lobe.data import read_manifest, write_manifest  # noqa: E402
from dac_lobe.data.item import Item  # noqa: E402
from dac_lobe.tokens import extract  # noqa: E402
from dac_lobe.weights.variants import VARIANTS  # noqa: E402
from scripts.fill_table import fill  # noqa: E402

HOURS = (1, 1_000, 10_000, 100_000, 1_000_000)
CORES = 1_000
# Long enough for the clock, short enough to wait for.
MINUTES = {"16khz-small": 12.0, "16khz": 3.0}


class Rate(NamedTuple):
    """What was measured for a codec and a backend.

    Attributes
    ----------
    codec, backend : str
        Which.
    hours_per_hour : float
        Hours of audio in an hour of one thread.
    bytes_per_hour : float
        Bytes in the store for an hour of audio.
    bytes_once : int
        Bytes in the store whatever it holds.
    minutes : float
        Audio that it was measured on.
    """

    codec: str
    backend: str
    hours_per_hour: float
    bytes_per_hour: float
    bytes_once: int
    minutes: float


def choose(items: list[Item], minutes: float) -> list[Item]:
    """Take recordings evenly over the corpus, about as much as asked for."""
    total = sum(item.duration for item in items) / 60
    step = max(1, int(total / minutes))
    return items[::step]


def measure(name: str, backend: str, items: list[Item], folder: Path) -> Rate:
    """Extract, and look at the process's clock and at the files."""
    rows = [
        {"ID": item.id, "duration": item.duration, "wav": item.wav} for item in items
    ]
    manifest = write_manifest(folder / "part.csv", rows)
    model = name
    if name != "16khz-small":
        wav = torch.from_numpy(read_audio(items[0].wav, 16000).mean(0))[None, None]
        codec = make_codec(VARIANTS[name].config, wav[..., :32000])
        model = str(codec.save(folder / f"{name}.safetensors"))
    marks = []

    def mark(result, done, total):
        marks.append((time.process_time(), result.audio_seconds))

    store = folder / f"{name}-{backend}"
    minutes = sum(item.duration for item in items) / 60
    report = extract(
        manifest,
        store,
        model,
        backend=backend,
        shard_hours=minutes / 60 / 8,
        on_shard=mark,
    )
    spent = marks[-1][0] - marks[0][0]
    audio = sum(seconds for _, seconds in marks[1:])
    sizes = {path: path.stat().st_size for path in store.rglob("*") if path.is_file()}
    growing = sum(
        size for path, size in sizes.items() if path.parent.name in ("shards", "index")
    )
    return Rate(
        name,
        backend,
        audio / spent,
        growing / (report.audio_seconds / 3600),
        sum(sizes.values()) - growing,
        report.audio_seconds / 60,
    )


def as_size(size: float) -> str:
    """Write bytes in the unit that fits."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def as_time(hours: float) -> str:
    """Write hours in the unit that fits."""
    if hours < 1:
        return f"{60 * hours:.2g} min"
    if hours < 48:
        return f"{hours:.2g} h"
    return (
        f"{hours / 24:,.0f} days" if hours < 48 * 365 else f"{hours / 8766:,.0f} years"
    )


def as_rates(rates: list[Rate]) -> str:
    """Write what was measured as a Markdown table."""
    lines = [
        "| codec | backend | audio hours per hour of a core | bytes per audio hour "
        "| measured on |",
        "|---|---|---|---|---|",
    ]
    for rate in rates:
        lines.append(
            f"| {rate.codec} | {rate.backend} | {rate.hours_per_hour:.1f} | "
            f"{as_size(rate.bytes_per_hour)} | {rate.minutes:.1f} min |"
        )
    return "\n".join(lines)


def as_costs(rates: list[Rate]) -> str:
    """Write what corpora of several sizes take as a Markdown table."""
    heads = "".join(
        f" | {rate.codec}, {rate.backend}: one core | {CORES:,} cores" for rate in rates
    )
    lines = [
        f"| audio hours | store | raw 16 kHz, 16 bit{heads} |",
        "|---" * (3 + 2 * len(rates)) + "|",
    ]
    for hours in HOURS:
        size = rates[0].bytes_once + hours * rates[0].bytes_per_hour
        raw = hours * 3600 * 16000 * 2
        cells = [f"{hours:,}", as_size(size), as_size(raw)]
        for rate in rates:
            one = hours / rate.hours_per_hour
            cells += [as_time(one), as_time(one / CORES)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and fill a document's regions."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("audio", type=Path, help="folder of recordings, or a manifest")
    parser.add_argument("--data_root", help="what $data_root stands for")
    parser.add_argument(
        "--backends", default="torch,native", help="of torch and native"
    )
    parser.add_argument("--write", type=Path, help="document with the two regions")
    options = parser.parse_args()
    torch.set_num_threads(1)
    items = read_manifest(options.audio, options.data_root)
    rates = []
    for name, minutes in MINUTES.items():
        part = choose(items, minutes)
        for backend in options.backends.split(","):
            with TemporaryDirectory() as folder:
                rates.append(measure(name, backend, part, Path(folder)))
    fastest = [
        max(
            (rate for rate in rates if rate.codec == name),
            key=lambda rate: rate.hours_per_hour,
        )
        for name in MINUTES
    ]
    tables = {"rates": as_rates(rates), "costs": as_costs(fastest)}
    print("\n\n".join(tables.values()))
    if options.write:
        document = options.write.read_text(encoding="utf-8")
        for region, table in tables.items():
            document = fill(document, region, table)
        options.write.write_text(document, encoding="utf-8")


if __name__ == "__main__":
    main()
