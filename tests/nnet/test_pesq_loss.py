"""The loss that follows PESQ, against the pesq package."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from dac_lobe import DAC, load_audio
from dac_lobe.nnet.pesq_loss import BINS, CORRECTIONS, THRESHOLDS, WIDTHS, PESQLoss

CLIPS = sorted((Path(__file__).parents[2] / "demo" / "clips").glob("*.flac"))


def mapped(loss):
    """P.862.2's scale of a raw score."""
    return 0.999 + 4 / (1 + math.exp(-1.3669 * (4.5 - float(loss)) + 3.8224))


@pytest.fixture(scope="module")
def clips():
    """The demo's clips, [1, 1, T] each."""
    return [load_audio(path, 16000).reshape(1, 1, -1) for path in CLIPS]


def test_follows_pesq_on_codecs_and_noise(clips):
    """Mapped, it is PESQ-WB to 0.2, and puts what it hears in the same order."""
    pesq = pytest.importorskip("pesq").pesq
    codec = DAC.from_pretrained("16khz-small")
    generator = torch.Generator().manual_seed(0)
    ours, theirs = [], []
    for wav in clips:
        codes = codec.encode(wav).codes
        degraded = [codec.decode_codes(codes[:, :k]) for k in (2, 6, 12)]
        noise = torch.randn(wav.shape, generator=generator)
        degraded += [wav + 10 ** (-snr / 20) * wav.std() * noise for snr in (10, 30)]
        for other in degraded:
            audio = other[..., : wav.shape[-1]]
            ours.append(mapped(PESQLoss()(audio, wav)))
            theirs.append(pesq(16000, wav[0, 0].numpy(), audio[0, 0].numpy(), "wb"))
    assert np.corrcoef(ours, theirs)[0, 1] > 0.98
    assert np.abs(np.subtract(ours, theirs)).mean() < 0.1


def test_the_tables_cover_the_spectrum():
    """49 bands, from which the highest bin and the constant one are left out."""
    assert {len(t) for t in (BINS, WIDTHS, CORRECTIONS, THRESHOLDS)} == {49}
    assert sum(BINS) == 256
    assert sum(WIDTHS) == pytest.approx(21.3, abs=0.1)  # Bark at 8 kHz


@pytest.mark.parametrize("gain", [0.1, 3.0])
def test_the_level_of_both_does_not_matter(clips, gain):
    """Both are brought to one level first."""
    wav = clips[0]
    other = wav + 0.1 * wav.std() * torch.randn(wav.shape)
    at_first = PESQLoss()(other, wav)
    torch.testing.assert_close(PESQLoss()(gain * other, gain * wav), at_first)


def test_a_batch_is_the_mean_of_its_items(clips):
    """No item hears of another."""
    wavs = torch.cat([wav[..., :40000] for wav in clips[:3]])
    others = wavs + 0.01 * torch.randn(wavs.shape)
    one_by_one = [
        PESQLoss()(o[None], w[None]) for o, w in zip(others, wavs, strict=True)
    ]
    torch.testing.assert_close(
        PESQLoss()(others, wavs), torch.stack(one_by_one).mean(), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("quiet", ["estimate", "reference", "both", "neither"])
def test_gradients_are_finite_and_small_steps_along_them_help(clips, quiet):
    """Also where there is nothing to hear."""
    reference = clips[0][..., 20000:28000].clone()
    estimate = reference + 0.01 * torch.randn(reference.shape)
    if quiet in ("reference", "both"):
        reference.zero_()
    if quiet in ("estimate", "both"):
        estimate = torch.zeros_like(reference)
    estimate.requires_grad_()
    before = PESQLoss()(estimate, reference)
    before.backward()
    assert torch.isfinite(estimate.grad).all()
    if quiet == "neither":
        step = 1e-3 * estimate.grad / estimate.grad.norm()
        assert PESQLoss()(estimate - step, reference) < before


def test_what_it_cannot_hear_is_refused():
    """Other rates and short segments are errors that say what to do."""
    with pytest.raises(ValueError, match="Resample"):
        PESQLoss(24000)
    short = torch.zeros(1, 1, 5375)
    with pytest.raises(ValueError, match="5376"):
        PESQLoss()(short, short)
    PESQLoss()(*torch.zeros(2, 1, 1, 5376))


def test_holds_no_state():
    """Nothing of it is in a checkpoint."""
    assert not PESQLoss().state_dict()
