"""Losses that train a neural codec: spectral, waveform, adversarial.

Definitions follow the Descript Audio Codec (https://arxiv.org/abs/2306.06546,
section 3.5, and its published configuration), in plain torch. They hold no
parameters and no buffers, so they stay out of checkpoints and of DDP.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from dac_lobe import audio

__all__ = [
    "GANLoss",
    "GeneratorLosses",
    "MelSpectrogramLoss",
    "MultiScaleSTFTLoss",
    "WaveformLoss",
]

MEL_BANDS = (5, 10, 20, 40, 80, 160, 320)
MEL_WINDOWS = (32, 64, 128, 256, 512, 1024, 2048)
FLOOR = 1e-5


def __getattr__(name: str) -> Any:
    """Find `mel_filters`, which was here in version 0.2 and gave a tensor; and warn."""
    if name != "mel_filters":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(
        f"{__name__}.mel_filters is now dac_lobe.audio.mel_filters, an array; the old "
        "name goes with version 0.4.",
        DeprecationWarning,
        stacklevel=2,
    )
    return lambda *given: torch.tensor(audio.mel_filters(*given)).float()


def _magnitudes(wav: torch.Tensor, window_length: int) -> torch.Tensor:
    """Magnitude spectrogram [N, bins, frames] of [B, C, T], hop a quarter window."""
    window = torch.hann_window(window_length, device=wav.device, dtype=wav.dtype)
    spectrum = torch.stft(
        wav.flatten(0, -2),
        n_fft=window_length,
        hop_length=window_length // 4,
        window=window,
        center=True,
        return_complex=True,
    )
    # The floor inside the root bounds the gradient at silence; it lies far
    # below the 1e-5 at which all logarithms are clamped.
    return (spectrum.real.square() + spectrum.imag.square() + 1e-14).sqrt()


class MelSpectrogramLoss(nn.Module):
    """Sum over scales of the mean absolute difference of log10 mel spectrograms.

    Arguments
    ---------
    sample_rate : int
        In Hz.
    n_mels : sequence of int
        Bands per scale.
    window_lengths : sequence of int
        Window per scale, in samples; the longest must be under twice the audio.

    Example
    -------
    >>> loss = MelSpectrogramLoss(16000)
    >>> wav = torch.randn(1, 1, 4000)
    >>> float(loss(wav, wav))
    0.0
    """

    def __init__(
        self,
        sample_rate: int,
        n_mels: Sequence[int] = MEL_BANDS,
        window_lengths: Sequence[int] = MEL_WINDOWS,
    ):
        super().__init__()
        if len(n_mels) != len(window_lengths):
            raise ValueError(
                f"{len(n_mels)} n_mels for {len(window_lengths)} window_lengths; "
                "give one number of bands per window."
            )
        self.sample_rate = sample_rate
        self.scales = list(zip(n_mels, window_lengths, strict=True))

    def forward(self, estimate: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        """Compare waveforms [B, 1, T]; returns a scalar in log10 units."""
        total = estimate.new_zeros(())
        both = torch.cat([estimate, reference])
        for n_mels, window_length in self.scales:
            filters = audio.mel_filters(self.sample_rate, window_length, n_mels)
            bands = torch.tensor(filters).float().to(both)
            mels = (bands @ _magnitudes(both, window_length)).clamp(min=FLOOR)
            logs = mels.log10().chunk(2)
            ours, theirs = logs
            total = total + F.l1_loss(ours, theirs)
        return total


class MultiScaleSTFTLoss(nn.Module):
    """Log-power and linear magnitude differences, summed over two windows.

    Arguments
    ---------
    window_lengths : sequence of int
        In samples.

    Example
    -------
    >>> wav = torch.randn(1, 1, 4000)
    >>> float(MultiScaleSTFTLoss()(wav, wav))
    0.0
    """

    def __init__(self, window_lengths: Sequence[int] = (2048, 512)):
        super().__init__()
        self.window_lengths = list(window_lengths)

    def forward(self, estimate: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        """Compare waveforms [B, 1, T]; returns a scalar."""
        total = estimate.new_zeros(())
        both = torch.cat([estimate, reference])
        for window_length in self.window_lengths:
            magnitudes = _magnitudes(both, window_length)
            logs = magnitudes.clamp(min=FLOOR).square().log10().chunk(2)
            for ours, theirs in (logs, magnitudes.chunk(2)):
                total = total + F.l1_loss(ours, theirs)
        return total


class WaveformLoss(nn.Module):
    """Absolute difference of waveforms, relative to the reference's level.

    Not a term of the paper: a deviation for small corpora, where the mel loss
    alone does not learn phase.

    Arguments
    ---------
    floor : float
        Added to the level, so that silence does not divide by zero.

    Example
    -------
    >>> WaveformLoss(floor=0.0)(torch.zeros(1, 1, 8), torch.ones(1, 1, 8))
    tensor(1.)
    """

    def __init__(self, floor: float = 1e-3):
        super().__init__()
        self.floor = floor

    def forward(self, estimate: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        """Compare waveforms [B, 1, T]; returns a scalar, 1 for a silent estimate."""
        level = reference.abs().mean() + self.floor
        return F.l1_loss(estimate, reference) / level


class GeneratorLosses(NamedTuple):
    """What the generator hears of the discriminator.

    Attributes
    ----------
    adversarial : torch.Tensor
        Least-squares loss, summed over sub-discriminators.
    feature_matching : torch.Tensor
        L1 of all feature maps but the last, summed.
    """

    adversarial: torch.Tensor
    feature_matching: torch.Tensor


FeatureMaps = Sequence[Sequence[torch.Tensor]]


class GANLoss(nn.Module):
    """Least-squares adversarial and feature-matching losses.

    Works on feature maps, so that the caller decides how often and on what the
    discriminator runs. Each sub-discriminator's last map holds its scores.

    Example
    -------
    >>> loss = GANLoss()
    >>> real, fake = [[torch.ones(1, 2)]], [[torch.zeros(1, 2)]]
    >>> float(loss.discriminator(fake, real)), float(loss.generator(fake, real)[0])
    (0.0, 1.0)
    """

    def discriminator(self, fake: FeatureMaps, real: FeatureMaps) -> torch.Tensor:
        """Loss of the discriminator: real scores to 1, fake scores to 0."""
        losses = [
            f[-1].square().mean() + (1 - r[-1]).square().mean()
            for f, r in zip(fake, real, strict=True)
        ]
        return torch.stack(losses).sum()

    def generator(self, fake: FeatureMaps, real: FeatureMaps) -> GeneratorLosses:
        """Losses of the generator: fake scores to 1, fake features to real ones."""
        adversarial = torch.stack([(1 - f[-1]).square().mean() for f in fake]).sum()
        matching = sum(
            F.l1_loss(ours, theirs.detach())
            for f, r in zip(fake, real, strict=True)
            for ours, theirs in zip(f[:-1], r[:-1], strict=True)
        )
        return GeneratorLosses(adversarial, torch.as_tensor(matching))
