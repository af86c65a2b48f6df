"""Codec and discriminators: each learns from its own losses alone."""

from __future__ import annotations

import pytest
import torch

from dac_lobe.nnet.adversary import Adversary, judged_items
from dac_lobe.nnet.discriminators import Discriminator


@pytest.mark.parametrize(
    ("size", "number"), [(8, 4), (8, 3), (8, None), (2, 4), (3, 1)]
)
def test_discriminators_see_items_with_all_codebooks(size, number):
    """Dropout of codebooks takes the first half of a batch; both halves are seen."""
    seen = judged_items(size, number)
    assert len(set(seen)) == min(number or size, size)
    assert all(0 <= item < size for item in seen)
    assert any(item >= size // 2 for item in seen)
    if len(seen) > 1:
        assert any(item < size // 2 for item in seen)


@pytest.fixture
def judge():
    torch.manual_seed(0)
    return Discriminator(periods=[2], fft_sizes=[256])


@pytest.fixture
def batch(judge):
    """Three outputs of a codec, which is to learn, and its inputs."""
    audio, wav = 0.1 * torch.randn(2, 3, 1, 2048)
    return audio.requires_grad_(), wav


def test_each_learns_from_its_own_losses(judge, batch):
    audio, wav = batch
    adversary = Adversary(judge, items=1)
    adversary.discriminator_loss(audio, wav).backward()
    assert audio.grad is None
    assert all(parameter.grad is not None for parameter in judge.parameters())
    judge.zero_grad(set_to_none=True)
    sum(adversary.codec_losses(audio, wav)).backward()
    assert [bool(item.any()) for item in audio.grad] == [False, True, False]
    assert all(parameter.grad is None for parameter in judge.parameters())
    assert all(parameter.requires_grad for parameter in judge.parameters())


def test_losses_are_float32_in_any_precision(judge, batch):
    half = Adversary(judge, None, lambda: torch.autocast("cpu", torch.bfloat16))
    losses, wanted = (
        [adversary.discriminator_loss(*batch), *adversary.codec_losses(*batch)]
        for adversary in (half, Adversary(judge))
    )
    for loss, exact in zip(losses, wanted, strict=True):
        assert loss.dtype == torch.float32
        assert loss != exact
        torch.testing.assert_close(loss, exact, rtol=0.05, atol=0.01)
