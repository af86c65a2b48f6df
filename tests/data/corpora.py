"""One corpus, told in all the ways in which people tell them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dac_lobe.audio import write_audio


def make_corpus(folder):
    """Recordings of two rates, and what parts of them are utterances, in samples."""
    noise = np.random.default_rng(0)
    rates = {"r1": 16000, "r2": 8000}
    for name, rate in rates.items():
        wav = noise.uniform(-0.5, 0.5, (1, 4000))
        write_audio(folder / f"{name}.wav", wav, rate)
    parts = {"u1": ("r1", 0, 1601), "u2": ("r1", 1601, 4000), "u3": ("r2", 17, 999)}
    return folder, rates, parts


def told(corpus, folder, way):
    """Write the corpus in one of the ways."""
    audio, rates, parts = corpus
    folder.mkdir()
    if way == "speechbrain":
        entries = {
            name: {
                "wav": {"file": f"{{data_root}}/{r}.wav", "start": first, "stop": last},
                "duration": (last - first) / rates[r],
            }
            for name, (r, first, last) in parts.items()
        }
        (folder / "x.json").write_text(json.dumps(entries))
        return folder / "x.json"
    if way == "csv":
        rows = [
            f"{name},{(last - first) / rates[r]},$data_root/{r}.wav,{first},{last}\n"
            for name, (r, first, last) in parts.items()
        ]
        (folder / "x.csv").write_text("ID,duration,wav,start,stop\n" + "".join(rows))
        return folder / "x.csv"
    if way == "kaldi":
        scp = [f"{r} {audio}/{r}.wav\n" for r in rates]
        (folder / "wav.scp").write_text("".join(scp))
        rows = [
            f"{name} {r} {first / rates[r]:.6f} {last / rates[r]:.6f}\n"
            for name, (r, first, last) in parts.items()
        ]
        (folder / "segments").write_text("".join(rows))
        return folder
    lhotse = pytest.importorskip("lhotse")
    cuts = [
        lhotse.MonoCut(
            name,
            start=first / rates[r],
            duration=(last - first) / rates[r],
            channel=0,
            recording=lhotse.Recording.from_file(audio / f"{r}.wav"),
        )
        for name, (r, first, last) in parts.items()
    ]
    path = folder / ("cuts.jsonl.gz" if way == "lhotse.gz" else "cuts.jsonl")
    lhotse.CutSet.from_cuts(cuts).to_file(path)
    return path


WAYS = ["speechbrain", "csv", "kaldi", "lhotse", "lhotse.gz"]
