"""Word and character errors of what a recognizer hears.

Their numbers compare only among runs with the same recognizer, which is part of the
definition.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

import numpy as np

from evaluation.errors import MetricError, SilenceError
from evaluation.metrics.metric import Weighted
from evaluation.metrics.recognizers import recognize, whisper
from evaluation.metrics.speech import check_level

__all__ = ["cer", "dwer", "edit_distance", "normalize", "wer", "whisper_wer"]


_QUOTED = re.compile(r"‘(.*?)’(?!\w)", re.DOTALL)
_APOSTROPHE = re.compile(r"(?<=\w)[’ʼ]|[’ʼ](?=\w)")


def normalize(text: str) -> list[str]:
    """Split a text into words: upper case, only letters, marks, digits and apostrophes.

    Characters are composed first (NFC), and typographic apostrophes are plain ones,
    but for those that close what is quoted.

    Example
    -------
    >>> normalize("Don't  stop, 2 times!")
    ["DON'T", 'STOP', '2', 'TIMES']
    >>> normalize("‘I don’t,’ she said")
    ['I', "DON'T", 'SHE', 'SAID']
    """
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).upper())
    text = _APOSTROPHE.sub("'", _QUOTED.sub(r" \1 ", text))
    return "".join(one if _is_spelled(one) else " " for one in text).split()


def _is_spelled(character: str) -> bool:
    """Whether a character is part of words; vowels of Hindi, say, are marks."""
    if character.isalnum() or character == "'":
        return True
    return unicodedata.category(character).startswith("M")


def edit_distance(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Count the fewest insertions, deletions and substitutions (Levenshtein 1966).

    Example
    -------
    >>> edit_distance("kitten", "sitting")
    3
    """
    row = list(range(len(hypothesis) + 1))
    for i, wanted in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, got in enumerate(hypothesis, 1):
            best = min(row[j] + 1, row[j - 1] + 1, diagonal + (wanted != got))
            diagonal, row[j] = row[j], best
    return row[-1]


def _errors(reference: Sequence[str], hypothesis: Sequence[str]) -> Weighted:
    if not reference:
        raise MetricError("the reference text has no words")
    errors = edit_distance(reference, hypothesis)
    return Weighted(100 * errors / len(reference), len(reference))


def _known(transcript: str, reference: np.ndarray) -> list[str]:
    if not transcript:
        raise MetricError("the manifest has no transcript of it")
    check_level(reference, "reference")  # or every codec would be blamed
    return normalize(transcript)


def _heard(
    recognizer: Callable[..., str], output: np.ndarray, sample_rate: int, model: str
) -> list[str]:
    """Write down the words of an output; silence, which codecs may make, has none."""
    try:
        return normalize(recognizer(output, sample_rate, model))
    except SilenceError:
        return []


def wer(
    reference: np.ndarray,
    output: np.ndarray,
    sample_rate: int,
    model: str = "",
    transcript: str = "",
) -> Weighted:
    """Compute the word error rate against the transcript, weighted by its words.

    Arguments
    ---------
    reference : np.ndarray
        Shape [T]; must not be silent.
    output : np.ndarray
        Shape [T].
    sample_rate : int
        In Hz.
    model : str
        Folder of a SpeechBrain recognizer; PocketSphinx if empty.
    transcript : str
        What is said.

    Returns
    -------
    Weighted
        Percent, and the number of words; 100 where the output is silent.
    """
    known = _known(transcript, reference)
    return _errors(known, _heard(recognize, output, sample_rate, model))


def cer(
    reference: np.ndarray,
    output: np.ndarray,
    sample_rate: int,
    model: str = "",
    transcript: str = "",
) -> Weighted:
    """Compute the character error rate against the transcript; spaces count.

    Arguments as `wer`; weighted by the characters.
    """
    known = " ".join(_known(transcript, reference))
    heard = " ".join(_heard(recognize, output, sample_rate, model))
    return _errors(known, heard)


def dwer(
    reference: np.ndarray, output: np.ndarray, sample_rate: int, model: str = ""
) -> Weighted:
    """Compute the word error rate against what is recognized in the reference.

    Arguments as `wer`.
    """
    expected = normalize(recognize(reference, sample_rate, model, "reference"))
    if not expected:
        raise MetricError("no word is recognized in the reference")
    return _errors(expected, _heard(recognize, output, sample_rate, model))


def whisper_wer(
    reference: np.ndarray,
    output: np.ndarray,
    sample_rate: int,
    model: str,
    transcript: str = "",
) -> Weighted:
    """Compute the word error rate of what Whisper hears against the transcript.

    Arguments as `wer`; ``model`` is the folder of a transformers model.
    """
    known = _known(transcript, reference)
    return _errors(known, _heard(whisper, output, sample_rate, model))
