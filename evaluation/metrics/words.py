"""Word and character errors of what a recognizer hears.

Their numbers compare only among runs with the same recognizer, which is part of the
definition.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from evaluation.errors import MetricError
from evaluation.metrics.metric import Weighted
from evaluation.metrics.recognizers import recognize, whisper

__all__ = ["cer", "dwer", "edit_distance", "normalize", "wer", "whisper_wer"]


def normalize(text: str) -> list[str]:
    """Split a text into words: upper case, only letters, digits and apostrophes.

    Example
    -------
    >>> normalize("Don't  stop, 2 times!")
    ["DON'T", 'STOP', '2', 'TIMES']
    """
    return re.sub(r"[^\w' ]|_", " ", text.upper()).split()


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


def _known(transcript: str) -> list[str]:
    if not transcript:
        raise MetricError("the manifest has no transcript of it")
    return normalize(transcript)


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
        Not used.
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
        Percent, and the number of words.
    """
    known = _known(transcript)
    return _errors(known, normalize(recognize(output, sample_rate, model)))


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
    known = " ".join(_known(transcript))
    heard = " ".join(normalize(recognize(output, sample_rate, model)))
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
    return _errors(expected, normalize(recognize(output, sample_rate, model)))


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
    known = _known(transcript)
    return _errors(known, normalize(whisper(output, sample_rate, model)))
