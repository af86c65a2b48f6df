"""What a recognizer hears in a clip: PocketSphinx's model, or one of your own.

PocketSphinx (https://github.com/cmusphinx/pocketsphinx) brings a model of US English
from before neural networks. It gets about half of the words of clean read speech
wrong, so that its error rates are for comparing systems and say little by themselves.

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
from evaluation.metrics.folders import once_per_folder
from evaluation.metrics.metric import import_package, weights_path
from evaluation.metrics.speech import SAMPLE_RATE, check_level, speech
from evaluation.recordings.clips import resample

__all__ = ["SPHINX", "recognize", "whisper"]

_MODEL = "pocketsphinx:model/en-us"
SPHINX = (
    f"{_MODEL}/cmudict-en-us.dict",
    f"{_MODEL}/en-us.lm.bin",
    *(
        f"{_MODEL}/en-us/{name}"
        for name in (
            *("feat.params", "mdef", "means", "noisedict", "sendump"),
            *("transition_matrices", "variances"),
        )
    ),
)
SHORTEST = 0.1  # seconds
WHISPER_SECONDS = 30


def recognize(
    wav: np.ndarray, sample_rate: int, model: str = "", name: str = "output"
) -> str:
    """Write down what is said.

    Arguments
    ---------
    wav : np.ndarray
        Shape [T].
    sample_rate : int
        In Hz.
    model : str
        Folder of a SpeechBrain recognizer; PocketSphinx's US English if empty.
    name : str
        What the clip is called in an error.

    Returns
    -------
    str
        Words, as the recognizer spells them; empty if it hears none.

    Raises
    ------
    MetricError
        If PocketSphinx is given less than 0.1 s; a SilenceError below -70 dBFS.
    """
    if model:
        check_level(wav, name)
        return _speechbrain(wav, sample_rate, model)
    return _heard(speech(wav, sample_rate, name, SHORTEST).tobytes())


@lru_cache(maxsize=1)
def _decoder() -> Any:
    """Load PocketSphinx's decoder.

    One pass of a bounded width takes two thirds of the time of the default, for three
    more errors in a hundred words. Cepstral means are of the clip alone.
    """
    dictionary, grammar, acoustic = (weights_path(name) for name in SPHINX[:3])
    return import_package("pocketsphinx", "pocketsphinx").Decoder(
        hmm=str(acoustic.parent),
        lm=str(grammar),
        dict=str(dictionary),
        samprate=SAMPLE_RATE,
        cmn="batch",
        fwdflat=False,
        maxhmmpf=5000,
        loglevel="FATAL",
    )


@lru_cache(maxsize=4)
def _heard(samples: bytes) -> str:
    """Run PocketSphinx once on what several metrics ask for in turn."""
    wav = np.frombuffer(samples, np.float32)
    decoder = _decoder()
    decoder.reinit_feat()  # else it takes noise for what was noise in the clip before
    decoder.start_utt()
    decoder.process_raw((wav * 32767).astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()
    found = decoder.hyp()
    return found.hypstr if found else ""


@once_per_folder
def _recognizer(source: str) -> Any:
    """Load a SpeechBrain recognizer, whichever interface its YAML is for."""
    inference = import_package("speechbrain.inference.ASR", "speechbrain")
    text = (Path(source) / "hyperparams.yaml").read_text(encoding="utf-8")
    # An encoder-decoder's modules have a decoder; a CTC model's have not.
    kind = (
        "EncoderDecoderASR" if re.search(r"^\s+decoder:", text, re.M) else "EncoderASR"
    )
    return getattr(inference, kind).from_hparams(source=source, savedir=source)


def _speechbrain(wav: np.ndarray, sample_rate: int, source: str) -> str:
    import torch

    model = _recognizer(source)
    rate = int(getattr(model.hparams, "sample_rate", SAMPLE_RATE))
    wav = resample(wav.astype(np.float32), sample_rate, rate)
    with torch.inference_mode():
        found = model.transcribe_batch(torch.from_numpy(wav)[None], torch.ones(1))[0]
    return found[0] if isinstance(found[0], str) else " ".join(found[0])


@once_per_folder
def _whisper(folder: str) -> tuple[Any, Any]:
    transformers = import_package("transformers", "transformers")
    prepare = transformers.AutoProcessor.from_pretrained(folder)
    model = transformers.WhisperForConditionalGeneration.from_pretrained(folder)
    return prepare, model.eval()


def whisper(wav: np.ndarray, sample_rate: int, folder: str) -> str:
    """Write down what a Whisper model hears (https://arxiv.org/abs/2212.04356).

    Arguments
    ---------
    wav : np.ndarray
        Shape [T], up to 30 s.
    sample_rate : int
        In Hz.
    folder : str
        Of a transformers model and its processor.

    Returns
    -------
    str
        The likeliest word at each step; the language is detected.

    Raises
    ------
    MetricError
        If it is shorter than 0.1 s or longer than 30 s; a SilenceError below -70 dBFS.
    """
    import torch

    if len(wav) > WHISPER_SECONDS * sample_rate:
        raise MetricError(f"longer than the {WHISPER_SECONDS} s that Whisper takes")
    wav = speech(wav, sample_rate, seconds=SHORTEST)
    prepare, model = _whisper(folder)
    inputs = prepare(wav, sampling_rate=SAMPLE_RATE, return_tensors="pt")
    with torch.inference_mode():
        found = model.generate(inputs.input_features, num_beams=1, do_sample=False)
    return prepare.batch_decode(found, skip_special_tokens=True)[0]
