"""Where a recording lies that a manifest names.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

__all__ = ["locate"]


def locate(wav: str, folder: Path, root: str) -> str:
    """Find a path: its placeholder, '~', the manifest's folder, letters with accents.

    Arguments
    ---------
    wav : str
        As the manifest has it.
    folder : Path
        The manifest's; relative paths are below it.
    root : str
        What ``$data_root`` and ``{data_root}`` stand for.

    Returns
    -------
    str
        The path, whether or not there is such a file.

    Example
    -------
    >>> locate("$data_root/a.wav", Path("lists"), "corpus")
    'corpus/a.wav'
    >>> locate("a.wav", Path("lists"), "corpus")
    'lists/a.wav'
    """
    filled = wav.replace("$data_root", root).replace("{data_root}", root)
    path = Path(os.path.expanduser(filled))  # leaves '~backup.wav' as it is
    if filled == wav and not path.is_absolute():
        path = folder / path
    found = str(path)
    if not found.isascii() and not path.exists():
        # One letter with an accent, or letter and accent: file systems differ.
        for form in ("NFC", "NFD"):
            if os.path.exists(other := unicodedata.normalize(form, found)):
                return other
    return found
