"""Augmented copies of a corpus, for a token store that holds variants of an item.

    a.flac --change--> a@1.flac, a@2.flac ...     one store, one codec

Between a store, which hears the same recordings in every epoch, and the codec
inside a recipe, which costs a pass of it every epoch.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import torch

from dac_lobe.audio import read_audio, write_audio
from dac_lobe.data.headers import read_duration
from dac_lobe.data.manifest import read_manifest, write_manifest

__all__ = ["Change", "variant_id", "write_variants"]

# Waveforms [B, T] and relative lengths [B] to the same, as SpeechBrain's Augmenter.
Change = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def variant_id(name: str, number: int) -> str:
    """Name an item's variant; number 0 is the recording itself.

    Example
    -------
    >>> variant_id("an1-mblw-b", 0), variant_id("an1-mblw-b", 2)
    ('an1-mblw-b', 'an1-mblw-b@2')
    """
    return f"{name}@{number}" if number else name


def write_variants(
    manifest: str | Path,
    folder: str | Path,
    change: Change,
    variants: int,
    sample_rate: int,
    data_root: str | Path | None = None,
    seed: int = 0,
) -> Path:
    """Write changed copies of a manifest's recordings, and their manifest.

    A copy depends on its id, its number and the seed alone. Copies that are there
    are kept: give another change another folder.

    Arguments
    ---------
    manifest : str or Path
        The recordings; see `read_manifest`.
    folder : str or Path
        Where the copies go, as 16-bit FLAC.
    change : callable
        SpeechBrain's ``Augmenter``, or another function of waveforms [1, T] and
        relative lengths [1].
    variants : int
        Copies of each recording.
    sample_rate : int
        Of the copies, in Hz.
    data_root : str or Path, optional
        What ``$data_root`` stands for in the manifest.
    seed : int
        Of the random draws.

    Returns
    -------
    Path
        ``variants.csv`` in the folder.

    Raises
    ------
    ValueError
        If ``variants`` is not positive, or an id looks like a variant's or leads out of
        the folder.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> def halve(wavs, lengths):
    ...     return wavs / 2, lengths
    >>> with TemporaryDirectory() as folder:
    ...     wav = torch.ones(800).numpy()
    ...     _ = write_audio(Path(folder) / "corpus/a.wav", wav, 16000)
    ...     copies = Path(folder) / "copies"
    ...     path = write_variants(Path(folder) / "corpus", copies, halve, 2, 16000)
    ...     [item.id for item in read_manifest(path)]
    ['a@1', 'a@2']
    """
    if variants < 1:
        raise ValueError(f"variants={variants}; choose 1 or more copies.")
    rows = []
    for item in read_manifest(manifest, data_root):
        if "@" in item.id:
            raise ValueError(
                f"id {item.id!r} in {manifest} looks like a variant. Rename it: '@' "
                "stands before a variant's number."
            )
        if item.id.startswith("/") or ".." in Path(item.id).parts:
            raise ValueError(
                f"id {item.id!r} in {manifest} is a path out of {folder}. Give the "
                "manifest a column ID with other names."
            )
        for number in range(1, variants + 1):
            name = variant_id(item.id, number)
            path = Path(folder) / f"{name}.flac"
            if not path.is_file():
                wav = read_audio(item.wav, sample_rate, item.segment).mean(0)
                changed = _changed(torch.from_numpy(wav), change, f"{seed} {name}")
                write_audio(path, changed.numpy(), sample_rate)
            rows.append(
                {
                    "ID": name,
                    "duration": read_duration(path),
                    "wav": str(path.resolve()),
                }
            )
    return write_manifest(Path(folder) / "variants.csv", rows)


def _changed(wav: torch.Tensor, change: Change, label: str) -> torch.Tensor:
    """Change a waveform [T], with draws that follow from a label alone."""
    drawn = int.from_bytes(hashlib.sha256(label.encode()).digest()[:4], "big")
    python_state = random.getstate()
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            # SpeechBrain's augmentations draw from both.
            torch.manual_seed(drawn)
            random.seed(drawn)
            wavs, lengths = change(wav[None], torch.ones(1))
    finally:
        random.setstate(python_state)
    samples = max(1, round(float(lengths[0]) * wavs.shape[1]))
    return wavs[0, :samples].clamp(-1.0, 1.0)
