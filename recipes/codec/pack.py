#!/usr/bin/env python3
"""Pack recordings as Ogg Opus into folders small enough to send to another machine.

> python pack.py /path/to/recordings /path/to/more pieces/ --kbps 48 --piece_mb 45

Each piece is a folder like any other that train.py reads: recordings, and a
manifest.csv that keeps speaker, duration, licence and source of each. A speaker is in
one piece alone, so those whom one piece holds out are in no other; a piece is a random
part of the speakers.

Authors
 * The dac-lobe developers 2026
"""

import argparse
import csv
import io
import logging
import math
from pathlib import Path

import soundfile

from dac_lobe.audio import read_audio
from dac_lobe.data.recordings import find_recordings
from dac_lobe.disk.atomic import replacing

logger = logging.getLogger("dac_lobe.recipes.codec")

RATES = (8000, 12000, 16000, 24000, 48000)  # that Opus knows
# What libsndfile's compression levels 1 and 0 mean, bits per second of one channel.
SLOWEST, FASTEST = 6000, 256000
COLUMNS = ["path", "speaker", "duration_s", "licence", "source"]


def encode(item, sample_rate, kbps):
    """Ogg Opus of a recording or a part of it, mono, and its length in seconds."""
    wav = read_audio(item.wav, sample_rate, item.segment).mean(axis=0)
    level = 1 - (1000 * kbps - SLOWEST) / (FASTEST - SLOWEST)
    file = io.BytesIO()
    options = {"format": "OGG", "subtype": "OPUS", "compression_level": level}
    soundfile.write(file, wav.clip(-1, 1), sample_rate, **options)
    return file.getvalue(), len(wav) / sample_rate


def group_by_speaker(folders):
    """List (item, row) by speaker; recordings of unknown ones stand alone."""
    groups, names = {}, set()
    for folder in folders:
        for item in find_recordings(folder):
            kept = {column: item.fields.get(column) or "" for column in COLUMNS}
            kept["path"] = f"{folder.name}/{item.id}.ogg"
            if kept["path"] in names:
                raise ValueError(
                    f"{item.wav}: another recording is packed under this name. Rename "
                    "one, or list it once."
                )
            names.add(kept["path"])
            key = kept["speaker"] or (folder, item.id)
            groups.setdefault(key, []).append((item, kept))
    return list(groups.values())


def share_out(groups, limit):
    """Divide groups of (data, row) into as few parts as may be, about equally large."""
    # The row in the manifest takes room too.
    sizes = [sum(len(d) + len(",".join(r.values())) for d, r in g) for g in groups]
    order = sorted(range(len(groups)), key=lambda i: -sizes[i])
    if sizes[order[0]] > limit:
        raise ValueError(
            f"speaker {groups[order[0]][0][1]['speaker']!r} alone takes "
            f"{sizes[order[0]] / 1e6:.1f} MB. Raise --piece_mb, or lower --kbps."
        )
    number = math.ceil(sum(sizes) / limit)
    while True:
        parts, filled = [[] for _ in range(number)], [0] * number
        for i in order:
            least = filled.index(min(filled))
            parts[least] += groups[i]
            filled[least] += sizes[i]
        if max(filled) <= limit:
            return parts
        number += 1


def pack(folders, output, kbps=48.0, piece_mb=45.0, sample_rate=16000):
    """Write the pieces; returns their folders."""
    folders = [Path(folder).resolve() for folder in folders]
    if len({folder.name for folder in folders}) < len(folders):
        raise ValueError("two folders have one name; files would meet. Rename one.")
    if sample_rate not in RATES:
        raise ValueError(f"sample_rate: {sample_rate}. Opus has {RATES}; choose one.")
    if not SLOWEST <= 1000 * kbps <= FASTEST:
        raise ValueError(f"kbps: {kbps}. Choose from 6 to 256.")
    if Path(output).exists():
        raise ValueError(f"{output} is there already. Name a new folder.")
    coded = []
    for group in group_by_speaker(folders):
        coded.append([])
        for item, row in group:
            data, seconds = encode(item, sample_rate, kbps)
            coded[-1].append((data, {**row, "duration_s": f"{seconds:.3f}"}))
    pieces = []
    for number, part in enumerate(share_out(coded, piece_mb * 1e6)):
        pieces.append(Path(output) / f"piece{number}")
        for data, row in part:
            with replacing(pieces[-1] / row["path"]) as file:
                file.write(data)
        write_manifest(pieces[-1] / "manifest.csv", [row for _, row in part])
    return pieces


def write_manifest(path, rows):
    """Write the manifest.csv of a piece."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: row["path"]))
    with replacing(path) as file:
        file.write(text.getvalue().encode())
    minutes = sum(float(row["duration_s"]) for row in rows) / 60
    speakers = len({row["speaker"] for row in rows})
    logger.info("%s: %.1f min, %d speakers", path.parent, minutes, speakers)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("output", type=Path, metavar="OUTPUT")
    parser.add_argument("--kbps", type=float, default=48.0, help="about, per recording")
    parser.add_argument("--piece_mb", type=float, default=45.0, help="at most, each")
    parser.add_argument("--sample_rate", type=int, default=16000)
    pack(**vars(parser.parse_args()))
