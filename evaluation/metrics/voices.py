"""Whether it is still the same voice: cosines between embeddings of speakers.

Without a model of your own the encoder is Resemblyzer's, trained on the loss of
L. Wan et al., Generalized end-to-end loss for speaker verification,
https://arxiv.org/abs/1710.10467. Of the package ``resemblyzer`` only the weights
are used: its code imports what newer scipy and setuptools have no more, and what
it computes before the network is computed here.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from evaluation.metrics.folders import once_per_folder
from evaluation.metrics.metric import import_package, weights_path
from evaluation.metrics.spectral import mel_power
from evaluation.metrics.speech import SAMPLE_RATE, speech
from evaluation.recordings.clips import resample

__all__ = ["RESEMBLYZER", "embed", "speaker_similarity", "wavlm_similarity"]

RESEMBLYZER = "resemblyzer:pretrained.pt"
HOP, BANDS, HIDDEN = 160, 40, 256
FRAMES, STEP = 160, 77  # windows of 1.6 s, 1.3 of them a second
COVERED = 0.75  # of the last window, or it is left out
LEAST_DB = -30.0
SHORTEST = 0.4  # seconds; less is mostly the zeros that fill a window


@lru_cache(maxsize=1)
def _encoder() -> Any:
    """Load Resemblyzer's network: mel frames [B, F, 40] to unit vectors [B, 256]."""
    import torch

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = torch.nn.LSTM(BANDS, HIDDEN, num_layers=3, batch_first=True)
            self.linear = torch.nn.Linear(HIDDEN, HIDDEN)

        def forward(self, mels: Any) -> Any:
            _, (hidden, _) = self.lstm(mels)
            return torch.nn.functional.normalize(self.linear(hidden[-1]).relu())

    file = torch.load(weights_path(RESEMBLYZER), map_location="cpu", weights_only=True)
    encoder = Encoder()
    # The two numbers beside the network belong to the loss.
    state = {
        name: weight
        for name, weight in file["model_state"].items()
        if not name.startswith("similarity_")
    }
    encoder.load_state_dict(state)
    return encoder.eval()


def embed(wav: np.ndarray) -> np.ndarray:
    """Embed a voice by Resemblyzer's encoder.

    Arguments
    ---------
    wav : np.ndarray
        Shape [T], float32 at 16 kHz.

    Returns
    -------
    np.ndarray
        Unit vector of shape [256], nothing below 0.
    """
    return _embedded(wav.tobytes())


@lru_cache(maxsize=4)
def _embedded(samples: bytes) -> np.ndarray:
    """Embed once what is asked for in turn: a reference at each operating point."""
    import torch

    wav = np.frombuffer(samples, np.float32)
    level = 10 * np.log10(np.mean(np.square(wav, dtype=np.float64)))
    wav = wav * 10 ** (max(0.0, LEAST_DB - level) / 20)
    frames = -(-(len(wav) + 1) // HOP)
    starts = list(range(0, max(1, frames - FRAMES + STEP + 1), STEP))
    if len(starts) > 1 and len(wav) - starts[-1] * HOP < COVERED * FRAMES * HOP:
        starts.pop()
    missing = (starts[-1] + FRAMES) * HOP - len(wav)
    mels = mel_power(np.pad(wav, (0, max(0, missing))), SAMPLE_RATE, 400, HOP, BANDS)
    windows = np.stack([mels[start : start + FRAMES] for start in starts])
    with torch.inference_mode():
        found = _encoder()(torch.from_numpy(windows.astype(np.float32))).numpy()
    mean = found.mean(axis=0, dtype=np.float64)
    return mean / np.linalg.norm(mean)


@once_per_folder
def _speaker_model(source: str) -> Any:
    inference = import_package("speechbrain.inference.classifiers", "speechbrain")
    return inference.EncoderClassifier.from_hparams(source=source, savedir=source)


def _speechbrain(wav: np.ndarray, sample_rate: int, source: str) -> np.ndarray:
    import torch

    model = _speaker_model(source)
    rate = int(getattr(model.hparams, "sample_rate", SAMPLE_RATE))
    wav = resample(wav.astype(np.float32), sample_rate, rate)
    with torch.inference_mode():
        found = model.encode_batch(torch.from_numpy(wav)[None], torch.ones(1))
    return found.flatten().double().numpy()


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def speaker_similarity(
    reference: np.ndarray, output: np.ndarray, sample_rate: int, model: str = ""
) -> float:
    """Compute the cosine between the speaker embeddings of reference and output.

    Arguments
    ---------
    reference : np.ndarray
        Shape [T].
    output : np.ndarray
        Shape [T].
    sample_rate : int
        In Hz.
    model : str
        Folder of a SpeechBrain ``EncoderClassifier`` with its hyperparams.yaml;
        Resemblyzer's encoder if empty.

    Returns
    -------
    float
        From -1 to 1 (Resemblyzer: from 0), higher is better.
    """
    pair = (("reference", reference), ("output", output))
    if model:
        ours, theirs = (_speechbrain(wav, sample_rate, model) for _, wav in pair)
        return _cosine(ours, theirs)
    ours, theirs = (
        embed(speech(wav, sample_rate, name, SHORTEST)) for name, wav in pair
    )
    return float(ours @ theirs)


@once_per_folder
def _xvector(folder: str) -> Any:
    """Load a transformers model of speakers, with what prepares samples for it."""
    transformers = import_package("transformers", "transformers")
    prepare = transformers.AutoFeatureExtractor.from_pretrained(folder)
    model = transformers.AutoModelForAudioXVector.from_pretrained(folder)
    return prepare, model.eval()


def wavlm_similarity(
    reference: np.ndarray, output: np.ndarray, sample_rate: int, model: str
) -> float:
    """Compute the cosine between the x-vectors of reference and output.

    S. Chen et al., WavLM, https://arxiv.org/abs/2110.13900, section V-B.

    Arguments
    ---------
    reference : np.ndarray
        Shape [T].
    output : np.ndarray
        Shape [T].
    sample_rate : int
        In Hz.
    model : str
        Folder of a transformers model with an x-vector head.

    Returns
    -------
    float
        From -1 to 1, higher is better.
    """
    import torch

    prepare, network = _xvector(model)
    found = []
    for name, wav in (("reference", reference), ("output", output)):
        wav = speech(wav, sample_rate, name, seconds=0.5)
        inputs = prepare(wav, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        with torch.inference_mode():
            found.append(network(**inputs).embeddings[0].double().numpy())
    return _cosine(*found)
