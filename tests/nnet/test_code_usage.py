"""Shares of codes, and codes that nobody uses."""

from __future__ import annotations

import pytest
import torch

from dac_lobe import DAC
from dac_lobe.nnet.code_usage import CodeUsage

SIZE = 8


@pytest.fixture
def codec() -> DAC:
    torch.manual_seed(0)
    return DAC(4, (2, 4), None, 16, (4, 2), n_codebooks=3, codebook_size=SIZE)


def test_shares_sum_to_one_and_approach_what_is_seen(codec):
    usage = CodeUsage(codec, decay=0.5)
    codes = torch.randint(0, SIZE, (2, 3, 50))
    for _ in range(30):
        usage.update(codes)
        torch.testing.assert_close(usage.share.sum(1), torch.ones(3))
    for stage in range(3):
        seen = torch.bincount(codes[:, stage].flatten(), minlength=SIZE) / 100
        torch.testing.assert_close(usage.share[stage], seen, atol=1e-6, rtol=0)


def test_codebooks_that_were_not_used_keep_their_shares(codec):
    usage = CodeUsage(codec)
    usage.update(torch.zeros(1, 2, 10, dtype=torch.long))
    torch.testing.assert_close(usage.share[2], torch.full((SIZE,), 1 / SIZE))
    assert usage.share[0, 0] > 1 / SIZE > usage.share[1, 1]


def test_dead_codes_alone_move_and_count_as_used_again(codec):
    usage = CodeUsage(codec, decay=0.0)
    usage.update(torch.arange(SIZE - 2).expand(1, 3, -1))  # the last two are dead
    stages = codec.quantizer.quantizers
    before = [stage.codebook.weight.detach().clone() for stage in stages]
    dims = [stage.codebook_dim for stage in stages]
    latents = torch.randn(1, sum(dims), 20)
    assert usage.restart(codec, latents, share=0.5) == 2 * 3
    parts = latents[0].split(dims)
    for stage, old, part, share in zip(stages, before, parts, usage.share, strict=True):
        new = stage.codebook.weight
        torch.testing.assert_close(new[:-2], old[:-2], rtol=0, atol=0)
        for code in new[-2:]:
            assert (part.T == code).all(1).any(), "not a latent of its own stage"
        torch.testing.assert_close(share[-2:], torch.full((2,), 1 / SIZE))
    assert usage.restart(codec, latents, share=0.5) == 0


def test_checkpoints_of_the_recipe_load(codec):
    """What the recipe saved before the class had a module of its own: two tensors."""
    usage = CodeUsage(codec)
    saved = {"share": torch.rand(3, SIZE), "started": torch.tensor(True)}
    usage.load_state_dict(saved)
    assert usage.started
    torch.testing.assert_close(usage.share, saved["share"])
