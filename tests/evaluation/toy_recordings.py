"""Recordings for the tests, made on the spot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

RATE = 16000


def voice(seconds: float = 1.0, seed: int = 0) -> np.ndarray:
    """A buzz with a moving pitch, in bursts: enough like speech for PESQ and STOI."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    pitch = 2 * np.pi * np.cumsum(110 + 20 * seed + 20 * np.sin(4 * time)) / RATE
    buzz = sum(np.sin(k * pitch + seed) / k for k in range(1, 20))
    envelope = 0.05 + np.clip(np.sin(2 * np.pi * 3 * time + 0.5), 0, 1) ** 2
    return 0.2 * buzz * envelope + 1e-3 * rng.normal(size=time.size)


def make_clips(folder: Path) -> Path:
    """Three recordings of a second, from two speakers, with a manifest."""
    folder.mkdir()
    for seed in range(3):
        soundfile.write(folder / f"clip{seed}.wav", voice(1.0 + 0.1 * seed, seed), RATE)
    (folder / "manifest.csv").write_text(
        "path,speaker,transcript\n"
        "clip0.wav,anna,one\nclip1.wav,anna,two\nclip2.wav,ben,three\n"
    )
    return folder
