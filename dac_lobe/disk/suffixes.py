"""Which files of a folder are audio, and which are packed.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["AUDIO_SUFFIXES", "PACKED_SUFFIXES", "is_hidden"]

# What libsndfile reads and people keep, wherever a folder is searched.
AUDIO_SUFFIXES = frozenset(
    ".aif .aiff .au .caf .flac .mp3 .ogg .opus .sph .w64 .wav".split()
)
PACKED_SUFFIXES = frozenset([".dac"])


def is_hidden(path: Path) -> bool:
    """Say whether a path, below the folder that is searched, or a part is hidden."""
    return any(part.startswith(".") for part in path.parts)
