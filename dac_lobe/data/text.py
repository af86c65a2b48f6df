"""Text as recipes want it: one case, and a known alphabet.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import unicodedata

__all__ = ["LETTERS", "PUNCTUATION", "normalise"]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ'"
PUNCTUATION = ",.?!-;:"

_SAME = str.maketrans({"’": "'", "‘": "'", "“": "", "”": "", "—": "-", "–": "-"})


def normalise(text: str, punctuation: bool = True) -> str:
    """Bring a text into capital letters, apostrophes and single spaces.

    Arguments
    ---------
    text : str
        English, numbers written out.
    punctuation : bool
        Whether to keep the marks that are heard as a pause or a tone.

    Returns
    -------
    str
        Accents are taken off, what is not in the alphabet becomes a space.

    Example
    -------
    >>> normalise("The café—“open”, he said.")
    'THE CAFE-OPEN, HE SAID.'
    >>> normalise("It's 'fine'; go.", punctuation=False)
    "IT'S 'FINE' GO"
    """
    allowed = set(LETTERS + (PUNCTUATION if punctuation else ""))
    plain = unicodedata.normalize("NFKD", text.translate(_SAME))
    plain = "".join(mark for mark in plain if not unicodedata.combining(mark))
    kept = (mark if mark in allowed else " " for mark in plain.upper())
    return " ".join("".join(kept).split())
