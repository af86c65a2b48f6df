"""Text as recipes want it: one case, and a known alphabet.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import unicodedata

__all__ = ["ALPHABET", "LETTERS", "PUNCTUATION", "normalise", "to_ids"]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ'"
PUNCTUATION = ",.?!-;:"
ALPHABET = " " + LETTERS + PUNCTUATION

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


def to_ids(text: str) -> list[int]:
    """Turn a text to be spoken into numbers of characters, from 1; 0 is padding.

    A space at either end stands for the silence around the words.

    Arguments
    ---------
    text : str
        Normalised text.

    Returns
    -------
    list of int
        Numbers of the characters.

    Raises
    ------
    ValueError
        If the text is empty, or has a character that no recipe speaks.

    Example
    -------
    >>> to_ids("AB")
    [1, 2, 3, 1]
    """
    unknown = sorted(set(text) - set(ALPHABET))
    if unknown or not text.strip():
        raise ValueError(
            f"text {text!r} has {unknown or 'no characters'}; allowed are "
            f"{ALPHABET!r}. Pass it through normalise() first, numbers written out."
        )
    return [ALPHABET.index(mark) + 1 for mark in f" {text.strip()} "]
