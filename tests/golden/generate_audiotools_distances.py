"""Record what descript-audiotools and librosa compute, for the self-test.

descript-audiotools pins old packages, so run this in an environment of its own:

    pip install torch descript-audiotools==0.7.2 librosa
    python tests/golden/generate_audiotools_distances.py

Authors
 * The dac-lobe developers 2026
"""

import json
from pathlib import Path

import audiotools
import librosa
import numpy as np
import torch
from audiotools import AudioSignal
from audiotools.metrics.distance import L1Loss, SISDRLoss
from audiotools.metrics.spectral import MelSpectrogramLoss, MultiScaleSTFTLoss

SCALES = [32, 64, 128, 256, 512, 1024, 2048]
DISTANCES = {
    # The settings of the DAC paper's configuration files (conf/base.yml).
    "mel_dac7": MelSpectrogramLoss(
        n_mels=[5, 10, 20, 40, 80, 160, 320],
        window_lengths=SCALES,
        mel_fmin=[0] * 7,
        mel_fmax=[None] * 7,
        pow=1.0,
        clamp_eps=1.0e-5,
        mag_weight=0.0,
    ),
    "mel_audiotools": MelSpectrogramLoss(),
    "stft_dac": MultiScaleSTFTLoss(),
    "waveform_l1": L1Loss(),
}


def synthetic_pair(sample_rate, seed):
    """Make the signals of the tests (see test_metrics.py)."""
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(size=sample_rate))
    reference = (walk - walk.mean()) / (2 * np.abs(walk - walk.mean()).max())
    reference[: sample_rate // 10] = 0.0
    output = 0.9 * reference + 0.01 * rng.normal(size=sample_rate) + 0.003
    return reference.astype(np.float32), output.astype(np.float32)


def record(sample_rate, seed):
    """Score one pair."""
    pair = [
        AudioSignal(torch.from_numpy(wav)[None, None], sample_rate)
        for wav in synthetic_pair(sample_rate, seed)
    ]
    scores = {name: float(distance(*pair)) for name, distance in DISTANCES.items()}
    scores["si_sdr"] = -float(SISDRLoss()(*pair))  # the loss is negative
    return {"sample_rate": sample_rate, "seed": seed, "scores": scores}


def describe_filters(sample_rate, n_fft, n_mels):
    """Project librosa's filters on a ramp, and count the empty ones."""
    filters = librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels)
    weights = np.arange(1, filters.shape[1] + 1) / filters.shape[1]
    return {
        "shape": [sample_rate, n_fft, n_mels],
        "projection": (filters.astype(np.float64) @ weights).tolist(),
        "empty": int((filters.sum(axis=1) == 0).sum()),
    }


if __name__ == "__main__":
    recorded = {
        "made_by": {
            "descript-audiotools": audiotools.__version__,
            "librosa": librosa.__version__,
            "torch": torch.__version__.split("+")[0],
        },
        "cases": [record(rate, rate + 1) for rate in (16000, 24000, 44100)],
        "filters": [
            describe_filters(rate, window, bands)
            for rate in (16000, 44100)
            for window, bands in zip([32, 512, 2048], [5, 80, 320], strict=True)
        ],
    }
    root = Path(__file__).resolve().parents[2]
    target = root / "evaluation" / "assets" / "audiotools_distances.json"
    target.write_text(json.dumps(recorded, indent=1) + "\n", encoding="utf-8")
