"""Which files of a folder are audio, and which are packed.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["AUDIO_SUFFIXES", "PACKED_SUFFIXES", "left_out", "visible_files"]

# What libsndfile reads and people keep, wherever a folder is searched.
AUDIO_SUFFIXES = frozenset(
    ".aif .aiff .au .caf .flac .mp3 .ogg .opus .sph .w64 .wav".split()
)
PACKED_SUFFIXES = frozenset([".dac"])


def visible_files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, sorted; hidden ones and hidden folders not."""
    for path in sorted(folder.rglob("*")):
        below = path.relative_to(folder)
        if not any(part.startswith(".") for part in below.parts) and path.is_file():
            yield path


def left_out(files: Iterable[Path]) -> str:
    """Count the files of a folder that are not read, by their endings.

    Example
    -------
    >>> left_out([Path("a.m4a"), Path("b.txt"), Path("c.M4A")])
    'left out: 3 (.m4a 2, .txt 1)'
    """
    counts = Counter(file.suffix.lower() or "no ending" for file in files)
    named = ", ".join(f"{suffix} {count}" for suffix, count in counts.most_common(8))
    return f"left out: {counts.total()} ({named})"
