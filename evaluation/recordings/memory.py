"""Recordings that are given as they are: paths, open files, bytes, samples with a rate.

    evaluate({"one": (wav, 16000), "two": "b.m4a"})    named
    evaluate([(wav, 16000), file, row["audio"]])       numbered, paths by their names
    evaluate((wav, 16000))                             one

Each is what `dac_lobe.load_audio` takes.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.recordings.clips import Clip

if TYPE_CHECKING:
    from dac_lobe.audio import Source
    from dac_lobe.data import Item

    Recordings = (
        str | os.PathLike[str] | Source | Mapping[str, Source] | Iterable[Source]
    )

__all__ = ["in_memory"]


def in_memory(source: Any) -> Iterator[Item | Clip]:
    """Name recordings, and read those that are no files on disk.

    Arguments
    ---------
    source : Recordings
        A mapping of names to sources, several sources, or one.

    Yields
    ------
    Item or Clip
        A file to be read later, or samples.

    Raises
    ------
    ValueError
        If a name is there twice, or nothing is given that audio comes from.
    AudioError
        If one of them is no audio; the message says which.

    Example
    -------
    >>> [clip.name for clip in in_memory({"beep": (np.zeros(800), 8000)})]
    ['beep']
    """
    from dac_lobe.data import Item

    if _is_one(source):
        source = [source]
    if isinstance(source, Mapping):
        named = [(str(name), one) for name, one in source.items()]
    elif isinstance(source, Iterable):
        given = list(source)
        width = len(str(len(given)))
        named = [
            (_name(one, f"{number:0{width}}"), one)
            for number, one in enumerate(given, start=1)
        ]
    else:
        raise ValueError(
            f"{type(source).__name__} holds no recordings. Give a folder, a manifest, "
            "or sources of audio by name."
        )
    for name, count in Counter(name for name, _ in named).items():
        if count > 1:
            raise ValueError(
                f"two recordings are called {name!r}. Name them, in a dict."
            )
    for name, one in named:
        if isinstance(one, (str, os.PathLike)):
            yield Item(name, os.fspath(one), 0.0)
        else:
            yield _read(name, one)


def _read(name: str, source: Any) -> Clip:
    """Read what is no file on disk."""
    from dac_lobe.audio import AudioError, AudioReader

    try:
        with AudioReader(source) as reader:
            wav = np.concatenate(list(reader.blocks()), axis=1).mean(axis=0)
            rate = reader.sample_rate
    except AudioError as error:
        raise AudioError(f"recording {name!r}: {error}") from error
    digest = hashlib.sha256(f"{rate} ".encode() + wav.tobytes()).hexdigest()
    return Clip(name, "", digest, audio=(wav, rate))


def _is_one(source: Any) -> bool:
    """Tell one source from several."""
    if isinstance(source, Mapping):
        row = set(source) <= {"path", "bytes", "array", "sampling_rate"}
        return row and ("bytes" in source or "array" in source)
    pair = isinstance(source, (tuple, list)) and len(source) == 2
    return (
        isinstance(source, (bytes, bytearray, memoryview))
        or hasattr(source, "read")
        or hasattr(source, "get_all_samples")
        or (pair and isinstance(source[1], (Real, np.integer)))
    )


def _name(source: Any, number: str) -> str:
    """Name a recording by its path, or its number."""
    if isinstance(source, Mapping):
        source = source.get("path")
    return Path(source).stem if isinstance(source, (str, os.PathLike)) else number
