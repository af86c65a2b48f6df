"""Losses against independent formulas and implementations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import signal

from dac_lobe.audio import mel_filters
from dac_lobe.nnet.losses import (
    GANLoss,
    MelSpectrogramLoss,
    MultiScaleSTFTLoss,
    WaveformLoss,
)


def spectrogram(wav, window_length):
    """Magnitudes by scipy, reflected at the ends, scaled as torch.stft is not."""
    padded = np.pad(wav, window_length // 2, mode="reflect")
    window = signal.get_window("hann", window_length)
    _, _, spectrum = signal.stft(
        padded,
        window=window,
        nperseg=window_length,
        noverlap=window_length - window_length // 4,
        boundary=None,
        padded=False,
    )
    return np.abs(spectrum) * window.sum()


def test_mel_loss_equals_formula():
    """The multi-scale mel loss is the paper's formula, computed by scipy."""
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((2, 4000)) * 0.1
    expected = 0.0
    for n_mels, length in MelSpectrogramLoss(16000).scales:
        bank = mel_filters(16000, length, n_mels)
        logs = [
            np.log10(np.maximum(bank @ spectrogram(w, length), 1e-5)) for w in (x, y)
        ]
        expected += np.abs(logs[0] - logs[1]).mean()
    waves = [torch.from_numpy(w).float()[None, None] for w in (x, y)]
    loss = MelSpectrogramLoss(16000)(*waves)
    assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_stft_loss_equals_formula():
    """The STFT loss is log power plus magnitude, summed over windows."""
    generator = np.random.default_rng(1)
    x, y = generator.standard_normal((2, 4000)) * 0.1
    expected = 0.0
    for length in (2048, 512):
        a, b = (spectrogram(w, length) for w in (x, y))
        logs = [np.log10(np.maximum(m, 1e-5) ** 2) for m in (a, b)]
        expected += np.abs(logs[0] - logs[1]).mean() + np.abs(a - b).mean()
    waves = [torch.from_numpy(w).float()[None, None] for w in (x, y)]
    assert float(MultiScaleSTFTLoss()(*waves)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "loss", [MelSpectrogramLoss(16000), MultiScaleSTFTLoss(), WaveformLoss()]
)
def test_losses_grow_with_noise_and_survive_silence(loss):
    """Zero for equal waveforms, larger for more noise, finite gradients at silence."""
    wav = torch.sin(torch.arange(4000) / 10)[None, None]
    noise = torch.randn_like(wav)
    values = [float(loss(wav + level * noise, wav)) for level in (0.0, 0.01, 0.1)]
    assert values[0] == 0.0
    assert values[0] < values[1] < values[2]
    silent = torch.zeros(1, 1, 4000, requires_grad=True)
    loss(silent, torch.zeros(1, 1, 4000)).backward()
    assert torch.isfinite(silent.grad).all()


def test_mismatched_scales_are_refused():
    """One number of bands per window."""
    with pytest.raises(ValueError, match="one number of bands per window"):
        MelSpectrogramLoss(16000, n_mels=[5], window_lengths=[32, 64])


def test_gan_losses_equal_formula():
    """Least squares on the last maps, L1 on all others, real features detached."""
    fake = [[torch.randn(2, 3, requires_grad=True) for _ in range(3)] for _ in range(2)]
    real = [[torch.randn(2, 3, requires_grad=True) for _ in range(3)] for _ in range(2)]
    loss = GANLoss()
    expected = sum(
        float(((f[-1] ** 2).mean() + ((1 - r[-1]) ** 2).mean()).detach())
        for f, r in zip(fake, real, strict=True)
    )
    assert float(loss.discriminator(fake, real).detach()) == pytest.approx(expected)
    adversarial, matching = loss.generator(fake, real)
    assert float(adversarial.detach()) == pytest.approx(
        sum(float(((1 - f[-1]) ** 2).mean().detach()) for f in fake)
    )
    pairs = [
        (a, b)
        for f, r in zip(fake, real, strict=True)
        for a, b in zip(f[:-1], r[:-1], strict=True)
    ]
    assert float(matching.detach()) == pytest.approx(
        sum(float((a - b).abs().mean().detach()) for a, b in pairs)
    )
    matching.backward()
    assert real[0][0].grad is None
    assert fake[0][0].grad is not None
