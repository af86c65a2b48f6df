"""Models of listeners: what people would say of a recording, without its reference.

    DNSMOS       https://arxiv.org/abs/2110.01763, P.808 and P.835 ratings
    PLCMOS       https://arxiv.org/abs/2305.15127, after packet loss
    DistillMOS   https://arxiv.org/abs/2502.05356, distilled from a wav2vec 2.0 predictor
    SCOREQ       https://arxiv.org/abs/2410.06675, contrastive regression on wav2vec 2.0

The packages ``speechmos`` and ``distillmos`` carry the weights; SCOREQ's lie in a folder
of the user's. Of speechmos only the weights are used: its code imports librosa for one
mel spectrogram, which is computed here. All rate 16 kHz speech from 1 to 5, and none
looks at the reference: the recordings themselves are rated as the system `reference`.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.metrics.folders import once_per_folder
from evaluation.metrics.metric import import_package, weights_path
from evaluation.metrics.spectral import mel_power
from evaluation.metrics.speech import SAMPLE_RATE, speech

__all__ = [
    "distillmos",
    "dnsmos_bak",
    "dnsmos_ovrl",
    "dnsmos_p808",
    "dnsmos_sig",
    "plcmos",
    "scoreq",
]

P835_WEIGHTS = "speechmos:dnsmos_models/sig_bak_ovr.onnx"
P808_WEIGHTS = "speechmos:dnsmos_models/model_v8.onnx"
PLCMOS_WEIGHTS = "speechmos:plcmos_models/plcmos_v2.onnx"
SCOREQ_FILE = "adapt_nr_telephone.onnx"
WINDOW = int(9.01 * SAMPLE_RATE)
# From raw outputs to ratings, highest power first (speechmos 0.0.1.1, dnsmos.py).
_SIG = (-0.08397278, 1.22083953, 0.0052439)
_BAK = (-0.13166888, 1.60915514, -0.39604546)
_OVRL = (-0.06766283, 1.11546468, 0.04602535)


@lru_cache(maxsize=4)
def _session(weights: str) -> Any:
    """Load an ONNX model of speechmos."""
    return _open(str(weights_path(weights)))


def _open(path: str) -> Any:
    """Load an ONNX model, on one thread as every worker has one."""
    runtime = import_package("onnxruntime", "onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return runtime.InferenceSession(path, options)


def _windows(wav: np.ndarray) -> list[np.ndarray]:
    """Cut windows of 9.01 s, a second apart; a shorter clip is doubled until it fits."""
    while len(wav) < WINDOW:
        wav = np.concatenate([wav, wav])
    hops = int(np.floor(len(wav) / SAMPLE_RATE) - 9.01) + 1
    starts = range(0, hops * SAMPLE_RATE, SAMPLE_RATE)
    cut = [wav[start : start + WINDOW] for start in starts]
    return [window for window in cut if len(window) == WINDOW]


def _p835(output: np.ndarray, sample_rate: int) -> np.ndarray:
    """Raw signal, background and overall outputs, shape [windows, 3]."""
    return _p835_of(speech(output, sample_rate).tobytes())


@lru_cache(maxsize=1)
def _p835_of(samples: bytes) -> np.ndarray:
    """Run the model once for its three ratings, which are asked for in turn."""
    session = _session(P835_WEIGHTS)
    found = [
        session.run(None, {"input_1": window[None]})[0][0]
        for window in _windows(np.frombuffer(samples, np.float32))
    ]
    return np.stack(found)


def dnsmos_sig(reference: np.ndarray, output: np.ndarray, sample_rate: int) -> float:
    """Rate the speech signal alone (P.835 SIG); the reference is not used."""
    return float(np.polyval(_SIG, _p835(output, sample_rate)[:, 0]).mean())


def dnsmos_bak(reference: np.ndarray, output: np.ndarray, sample_rate: int) -> float:
    """Rate the background alone (P.835 BAK); the reference is not used."""
    return float(np.polyval(_BAK, _p835(output, sample_rate)[:, 1]).mean())


def dnsmos_ovrl(reference: np.ndarray, output: np.ndarray, sample_rate: int) -> float:
    """Rate speech and background together (P.835 OVRL); the reference is not used."""
    return float(np.polyval(_OVRL, _p835(output, sample_rate)[:, 2]).mean())


def dnsmos_p808(reference: np.ndarray, output: np.ndarray, sample_rate: int) -> float:
    """Rate the whole as P.808 listeners do; the reference is not used."""
    session = _session(P808_WEIGHTS)
    found = [
        session.run(None, {"input_1": _log_mel(window[:-160])[None]})[0][0][0]
        for window in _windows(speech(output, sample_rate))
    ]
    return float(np.mean(found))


def _log_mel(wav: np.ndarray) -> np.ndarray:
    """Mel spectrogram as DNSMOS wants it, in (dB below the peak + 40) / 40."""
    power = mel_power(wav, SAMPLE_RATE, 321, 160, 120)
    decibels = 10 * np.log10(np.maximum(power, 1e-10))
    decibels -= decibels.max()
    return ((np.maximum(decibels, -80.0) + 40) / 40).astype(np.float32)


def plcmos(reference: np.ndarray, output: np.ndarray, sample_rate: int) -> float:
    """Rate speech after packet loss (PLCMOS v2); the reference is not used.

    The model rates as a rater whom 64 numbers describe. The package draws 15 raters
    anew for every clip; here the same 15 rate all, so that scores repeat.
    """
    session = _session(PLCMOS_WEIGHTS)
    features = _log_power(speech(output, sample_rate))[None, None]
    raters = np.random.default_rng(0).normal(size=(15, 1, 64)).astype(np.float32)
    found = [
        session.run(None, {"degraded_audio": features, "rater_embed": rater})[0]
        for rater in raters
    ]
    return float(np.mean(found))


def _log_power(wav: np.ndarray) -> np.ndarray:
    """Log spectrum of 512 points as PLCMOS wants it: half-overlapping Hamming windows.

    What the package calls a power is the magnitude, squared; zeros are 120 dB below
    the least that is not.
    """
    size, hop = 512, 256
    window = np.hamming(size + 1)[:-1]
    frames = -(-(len(wav) + size - hop) // hop)
    padded = np.zeros((frames - 1) * hop + size)
    padded[size - hop : size - hop + len(wav)] = wav
    cut = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    power = np.abs(np.fft.rfft(cut * window)) ** 2
    least = power[power > 0].min()
    logs = np.log(np.where(power > 0, power, least)) - (power == 0) * 12 * np.log(10)
    return (logs / 20).astype(np.float32)


@lru_cache(maxsize=1)
def _distilled() -> Any:
    package = import_package("distillmos", "distillmos")
    with redirect_stdout(io.StringIO()):  # it prints where its weights lie
        return package.ConvTransformerSQAModel().eval()


def distillmos(reference: np.ndarray, output: np.ndarray, sample_rate: int) -> float:
    """Rate the whole on a scale of 1 to 5; the reference is not used."""
    import torch

    wav = torch.from_numpy(speech(output, sample_rate))[None]
    with torch.inference_mode():
        return float(_distilled()(wav))


@once_per_folder
def _scoreq(folder: str) -> Any:
    return _open(str(Path(folder) / SCOREQ_FILE))


def scoreq(
    reference: np.ndarray, output: np.ndarray, sample_rate: int, model: str
) -> float:
    """Rate the whole on a scale of 1 to 5; the reference is not used.

    Arguments
    ---------
    reference : np.ndarray
        Not used.
    output : np.ndarray
        Shape [T].
    sample_rate : int
        In Hz.
    model : str
        Folder with ``adapt_nr_telephone.onnx``: natural speech, no reference.

    Returns
    -------
    float
        Higher is better.
    """
    wav = speech(output, sample_rate, seconds=0.1)
    # The model counts frames of 320 samples, and takes whole ones.
    wav = np.pad(wav, (0, -len(wav) % 320))[None]
    session = _scoreq(model)
    return float(session.run(None, {session.get_inputs()[0].name: wav})[0].item())
