"""Clips by corpus and id: what is found is right, and what is not is said."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dac_lobe.data import read_manifest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from gather_clips import LISTS, gather, hash_samples, main

NOISE = np.random.default_rng(0).integers(-9000, 9000, (3, 1600), np.int16)


@pytest.fixture
def listing(tmp_path):
    """Three clips: one as FLAC, one as wav below folders, one with other samples."""
    corpus = tmp_path / "corpus"
    (corpus / "84" / "121").mkdir(parents=True)
    paths = [corpus / "a.flac", corpus / "84" / "121" / "b.wav", corpus / "c.flac"]
    rows = []
    for path, samples in zip(paths, NOISE, strict=True):
        soundfile.write(path, samples, 16000, subtype="PCM_16")
        facts = {"speaker": "x", "language": "en", "domain": "speech"}
        digest = hash_samples(path)
        rows.append({"corpus": "Toy", "id": path.stem, **facts, "sha256": digest})
    soundfile.write(paths[2], NOISE[2] // 2, 16000)
    with (tmp_path / "list.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return tmp_path / "list.csv"


def test_gather(listing, tmp_path):
    missing = gather(listing, [tmp_path / "corpus"], tmp_path / "clips")
    assert missing == {"c": "Toy: other samples than were measured"}
    clips = sorted(path.name for path in (tmp_path / "clips").iterdir())
    assert clips == ["a.flac", "b.wav", "manifest.csv"]
    # Again: the same, and nothing is in the way.
    assert gather(listing, [tmp_path / "corpus"], tmp_path / "clips") == missing


def test_nothing_found(listing, tmp_path):
    with pytest.raises(ValueError, match="none of the 3 clips .* corpora: Toy"):
        gather(listing, [tmp_path / "clips"], tmp_path / "out")


def test_the_format_does_not_matter_and_the_samples_do(tmp_path):
    for name in ("a.wav", "a.flac"):
        soundfile.write(tmp_path / name, NOISE[0], 16000, subtype="PCM_16")
    soundfile.write(tmp_path / "b.flac", NOISE[1], 16000, subtype="PCM_16")
    soundfile.write(tmp_path / "c.flac", NOISE[0], 8000, subtype="PCM_16")
    first, same, other, slower = (
        hash_samples(tmp_path / name)
        for name in ("a.wav", "a.flac", "b.flac", "c.flac")
    )
    assert first == same
    assert len({first, other, slower}) == 3


@pytest.mark.parametrize(
    "path", sorted(LISTS.glob("*.csv")), ids=lambda path: path.stem
)
def test_lists(path):
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    assert len({row["id"] for row in rows}) == len(rows) > 0
    assert all(len(row["sha256"]) == 64 and row["corpus"] for row in rows)


def test_the_measured_clips_are_these(shared_audio, tmp_path, capsys):
    """What the figures were measured on is the list, but for files renamed there."""
    clips = shared_audio / "eval_speech_16k"
    code = main(["eval_speech_16k", str(clips), "--output", str(tmp_path / "clips")])
    renamed = capsys.readouterr().err.splitlines()
    assert code == 1
    assert all("not found" in line for line in renamed)
    assert len(renamed) == 6
    found = read_manifest(tmp_path / "clips")
    assert len(found) == 24
