"""Text as recipes want it: one case, and a known alphabet.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Mapping

__all__ = ["ALPHABET", "LETTERS", "PUNCTUATION", "normalise", "normalise_all", "to_ids"]

logger = logging.getLogger(__name__)

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
    kept = (mark if mark in allowed else " " for mark in _plain(text))
    return " ".join("".join(kept).split())


def _plain(text: str) -> str:
    """Capital letters without accents, and everything else as it is."""
    marks = unicodedata.normalize("NFKD", text.translate(_SAME))
    return "".join(mark for mark in marks if not unicodedata.combining(mark)).upper()


def normalise_all(texts: Mapping[str, str], punctuation: bool = True) -> dict[str, str]:
    """Normalise texts, and say once if letters or digits were lost on the way.

    Arguments
    ---------
    texts : mapping
        Text by name; the names are for messages.
    punctuation : bool
        See `normalise`.

    Returns
    -------
    dict
        Text by name, in their order, as `normalise` makes it.

    Raises
    ------
    ValueError
        If nothing is left of a text.

    Example
    -------
    >>> normalise_all({"a": "Call me.", "b": "Über"})
    {'a': 'CALL ME.', 'b': 'UBER'}
    """
    normalised: dict[str, str] = {}
    lossy = []
    for name, text in texts.items():
        normalised[name] = normalise(text, punctuation)
        lost = "".join(c for c in _plain(text) if c.isalnum() and c not in LETTERS)
        if not normalised[name]:
            raise ValueError(
                f"{name}: nothing is left of the text {text!r}. Allowed are the letters A "
                "to Z: write numbers out, and other scripts in these, or remove it."
            )
        if lost:
            lossy.append((lost, text, name))
    if lossy:
        logger.warning(
            "letters or digits of %d of %d texts are left out, as %r of %r (%s); write "
            "numbers out, and other scripts in the letters A to Z",
            len(lossy), len(texts), *lossy[0],
        )  # fmt: skip
    return normalised


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
