"""The eight samples: measured on odd-stride models that are trained here.

docs/delay.md tells the story and quotes these measurements.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dac_lobe import DAC
from dac_lobe.network.receptive_field import convolutions, reported_delay

RATES = [2, 4, 5]  # the odd stride and those after it, as in the 16 kHz model
STEPS = 150


def crop_odd_strides(part: nn.Module, less: bool) -> None:
    """Make odd strides crop floor(s / 2) positions, or upstream's ceil(s / 2)."""
    for layer in convolutions(part):
        stride = layer.stride[0]
        if stride % 2 and stride > 1:
            layer.padding = (stride // 2 if less else -(-stride // 2),)


def low_noise(batch: int, samples: int, generator: torch.Generator) -> torch.Tensor:
    """Draw noise below a twentieth of the sample rate, easy to learn."""
    spectrum = torch.fft.rfft(torch.randn(batch, 1, samples, generator=generator))
    spectrum[..., samples // 20 :] = 0
    noise = torch.fft.irfft(spectrum, samples)
    return 0.3 * noise / noise.std()


def train(decoder_crops_less: bool, encoder_crops_less: bool = False) -> DAC:
    """Train encoder and decoder as an autoencoder, then crop as upstream does."""
    generator = torch.Generator().manual_seed(0)
    codec = DAC(
        encoder_dim=8,
        encoder_rates=RATES,
        latent_dim=64,
        decoder_dim=64,
        decoder_rates=RATES[::-1],
        n_codebooks=1,
        codebook_size=2,
    )
    crop_odd_strides(codec.decoder, decoder_crops_less)
    crop_odd_strides(codec.encoder, encoder_crops_less)
    with torch.no_grad():
        for layer in codec.modules():
            if isinstance(layer, nn.Conv1d):
                weight = torch.empty_like(layer.weight)
                nn.init.kaiming_normal_(weight, generator=generator)
                layer.weight = 0.5 * weight
    weights = [*codec.encoder.parameters(), *codec.decoder.parameters()]
    optimizer = torch.optim.AdamW(weights, betas=(0.8, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, STEPS)
    for _ in range(STEPS):
        wav = low_noise(8, 20 * codec.hop_length, generator)
        output = codec.decoder(codec.encoder(wav))
        output = F.pad(output, (0, wav.shape[-1] - output.shape[-1]))
        optimizer.zero_grad()
        (output - wav).abs().mean().backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
    crop_odd_strides(codec, less=False)
    return codec.eval()


@torch.no_grad()
def measured_delay(codec: DAC) -> int:
    """Return by how many samples the raw output is early."""
    wav = low_noise(4, 40 * codec.hop_length, torch.Generator().manual_seed(1))
    raw = codec.decode(codec.encoder(wav))
    reach = 30
    inside = raw[..., reach : raw.shape[-1] - reach]
    likeness = {
        lag: F.cosine_similarity(
            inside.flatten(),
            wav[..., reach + lag :][..., : inside.shape[-1]].flatten(),
            0,
        )
        for lag in range(-reach, reach + 1)
    }
    best = max(likeness, key=likeness.get)
    assert likeness[best] > 0.95  # it has learned to reconstruct
    return best


@pytest.mark.slow
def test_trained_as_here_there_is_no_delay():
    assert measured_delay(train(decoder_crops_less=False)) == 0


@pytest.mark.slow
def test_trained_with_the_smaller_crop_output_is_early():
    codec = train(decoder_crops_less=True)
    assert measured_delay(codec) == reported_delay(codec.decoder) == 8


@pytest.mark.slow
def test_trained_with_both_crops_smaller_the_shifts_cancel():
    assert measured_delay(train(True, encoder_crops_less=True)) == 0


@pytest.mark.parametrize(
    ("rates", "delay"),
    [([8, 5, 4, 2], 8), ([5, 4, 2], 8), ([5, 2], 2), ([3, 3], 4), ([8, 8, 4, 2], 0)],
)
def test_the_delay_counts_odd_strides(make_dac, rates, delay):
    codec = make_dac(
        encoder_rates=rates[::-1], decoder_rates=rates, encoder_dim=1, decoder_dim=16
    )
    assert reported_delay(codec.decoder) == delay
    # As many samples as the raw output is short of whole hops.
    raw = codec.decode(torch.zeros(1, codec.latent_dim, 3))
    assert 3 * codec.hop_length - raw.shape[-1] == delay
