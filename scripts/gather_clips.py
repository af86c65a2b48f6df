"""Gather the clips that the project's figures were measured on, from public corpora.

    python scripts/gather_clips.py eval_speech_16k LibriSpeech/ --output clips

A list in benchmarks/clips/ names each clip by corpus and id, with the SHA-256 of its
samples (16-bit, as FLAC and wav hold them; headers and file formats do not matter). The
corpora are searched for files of these names; what is found and agrees is linked into
the folder, with a ``manifest.csv`` that `dac-lobe-evaluate` and the recipes read. What
is missing, or has other samples, is listed, and the exit code is 1.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import soundfile

__all__ = ["gather", "hash_samples"]

LISTS = Path(__file__).resolve().parents[1] / "benchmarks" / "clips"
SUFFIXES = (".flac", ".wav", ".sph")


def hash_samples(path: str | Path) -> str:
    """Hash the samples of a recording.

    Arguments
    ---------
    path : str or Path
        A file of 16 bits a sample.

    Returns
    -------
    str
        SHA-256 of rate, channels and samples: equal for a wav and a FLAC of it.
    """
    samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    digest = hashlib.sha256(f"{rate} {samples.shape[1]} ".encode())
    digest.update(samples.astype("<i2").tobytes())
    return digest.hexdigest()


def gather(
    listing: str | Path, corpora: Iterable[str | Path], output: str | Path
) -> dict[str, str]:
    """Link the clips of a list into a folder.

    Arguments
    ---------
    listing : str or Path
        CSV with the columns corpus, id, speaker, language, domain, sha256.
    corpora : iterable of str or Path
        Folders to search, with all that is below them.
    output : str or Path
        Folder for the clips and their ``manifest.csv``.

    Returns
    -------
    dict of str to str
        What is missing, by id, with the reason.

    Raises
    ------
    ValueError
        If nothing of the list is found.
    """
    with Path(listing).open(newline="", encoding="utf-8") as file:
        wanted = list(csv.DictReader(file))
    names = {row["id"] for row in wanted}
    found: dict[str, list[Path]] = {}
    for corpus in corpora:
        for folder, _, files in os.walk(corpus, followlinks=True):
            for name in files:
                stem, suffix = os.path.splitext(name)
                if stem in names and suffix.lower() in SUFFIXES:
                    found.setdefault(stem, []).append(Path(folder, name))
    if not found:
        raise ValueError(
            f"none of the {len(wanted)} clips of {Path(listing).name} is below "
            f"{', '.join(map(str, corpora))}. Give the folders of the unpacked corpora: "
            f"{', '.join(sorted({row['corpus'] for row in wanted}))}."
        )
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    rows, missing = [], {}
    for row in wanted:
        candidates = found.get(row["id"], [])
        right = [path for path in candidates if hash_samples(path) == row["sha256"]]
        if not right:
            reason = "other samples than were measured" if candidates else "not found"
            missing[row["id"]] = f"{row['corpus']}: {reason}"
            continue
        link = output / right[0].name
        link.unlink(missing_ok=True)
        link.symlink_to(right[0].resolve())
        facts = {name: row[name] for name in ("domain", "language", "speaker")}
        rows.append({"path": link.name, **facts})
    if rows:
        with (output / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return missing


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = sorted(path.stem for path in LISTS.glob("*.csv"))
    parser.add_argument("list", choices=known, help="a list of benchmarks/clips")
    parser.add_argument("corpora", nargs="+", help="folders of unpacked corpora")
    parser.add_argument("--output", required=True, help="folder for the clips")
    given = parser.parse_args(arguments)
    try:
        missing = gather(LISTS / f"{given.list}.csv", given.corpora, given.output)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    for name, reason in missing.items():
        print(f"{name}: {reason}", file=sys.stderr)
    print(f"{given.output}: {len(missing)} missing" if missing else given.output)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
