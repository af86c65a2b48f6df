"""Measures by trained models, given by path: word errors and speaker similarity.

Their numbers compare only among runs with the same model, so its path and the
hash of its configuration are part of the definition.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.errors import MetricError
from evaluation.metrics.metric import Weighted, import_package
from evaluation.recordings.clips import resample

__all__ = ["dwer", "normalize", "wer"]


@lru_cache(maxsize=2)
def _recognizer(source: str) -> Any:
    """Load a SpeechBrain recognizer, whichever interface its YAML is for."""
    inference = import_package("speechbrain.inference.ASR", "speechbrain")
    text = (Path(source) / "hyperparams.yaml").read_text(encoding="utf-8")
    # An encoder-decoder's modules have a decoder; a CTC model's have not.
    kind = (
        "EncoderDecoderASR" if re.search(r"^\s+decoder:", text, re.M) else "EncoderASR"
    )
    return getattr(inference, kind).from_hparams(source=source, savedir=source)


def _rate(model: Any) -> int:
    return int(getattr(model.hparams, "sample_rate", 16000))


def _batch(wav: np.ndarray, sample_rate: int, model: Any) -> tuple[Any, Any]:
    import torch

    wav = resample(wav.astype(np.float32), sample_rate, _rate(model))
    return torch.from_numpy(wav)[None], torch.ones(1)


def _transcribe(model: Any, wav: np.ndarray, sample_rate: int) -> list[str]:
    import torch

    with torch.inference_mode():
        words = model.transcribe_batch(*_batch(wav, sample_rate, model))[0]
    return normalize(words[0] if isinstance(words[0], str) else " ".join(words[0]))


def normalize(text: str) -> list[str]:
    """Split a text into words: upper case, only letters, digits and apostrophes.

    Example
    -------
    >>> normalize("Don't  stop, 2 times!")
    ["DON'T", 'STOP', '2', 'TIMES']
    """
    return re.sub(r"[^\w' ]|_", " ", text.upper()).split()


def _errors(reference: list[str], hypothesis: list[str]) -> Weighted:
    if not reference:
        raise MetricError("the reference text has no words")
    distance = import_package("speechbrain.utils.edit_distance", "speechbrain")
    stats = distance.accumulatable_wer_stats([reference], [hypothesis])
    return Weighted(stats["WER"], len(reference))


def wer(
    reference: np.ndarray,
    output: np.ndarray,
    sample_rate: int,
    model: str,
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
        Folder of a SpeechBrain recognizer with its hyperparams.yaml.
    transcript : str
        What is said.

    Returns
    -------
    Weighted
        Percent, and the number of words.
    """
    if not transcript:
        raise MetricError("the manifest has no transcript of it")
    heard = _transcribe(_recognizer(model), output, sample_rate)
    return _errors(normalize(transcript), heard)


def dwer(
    reference: np.ndarray, output: np.ndarray, sample_rate: int, model: str
) -> Weighted:
    """Compute the word error rate against what is recognized in the reference.

    Arguments as `wer`.
    """
    recognizer = _recognizer(model)
    expected = _transcribe(recognizer, reference, sample_rate)
    return _errors(expected, _transcribe(recognizer, output, sample_rate))
