"""Lengths in any type of whole numbers, and what is no length."""

from __future__ import annotations

import pytest
import torch

from dac_lobe.network.lengths import sample_lengths, wanted_lengths

NARROW = [torch.uint8, torch.int8, torch.uint16, torch.int16, torch.uint32]


@pytest.mark.parametrize("dtype", NARROW)
def test_counts_may_be_narrower_than_the_longest(dtype):
    given = torch.tensor([100, 7]).to(dtype)
    assert sample_lengths(given, 2, 66_000).tolist() == [100, 7]
    wanted = wanted_lengths(given, batch=2, frames=9000, hop_length=320)
    assert wanted.samples.tolist() == [100, 7]


def test_a_mask_is_no_length(tiny_dac):
    with pytest.raises(ValueError, match=r"bool.*mask.sum"):
        tiny_dac.encode(torch.zeros(2, 1, 80), lengths=torch.tensor([True, True]))
    with pytest.raises(ValueError, match="whole number of samples"):
        wanted_lengths(torch.tensor([True]), 1, 1, 8)
