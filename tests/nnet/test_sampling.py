"""Guidance and draws."""

from __future__ import annotations

import pytest
import torch

from dac_lobe.nnet.sampling import draw, guide


def test_scale_1_is_the_model_and_0_is_without_text():
    given, free = torch.randn(5, 9), torch.randn(5, 9)
    torch.testing.assert_close(guide(given, free, 1.0), given.log_softmax(-1))
    torch.testing.assert_close(guide(given, free, 0.0), free.log_softmax(-1))


def test_more_guidance_moves_on_the_same_line():
    given, free = torch.randn(9), torch.randn(9)
    one, three = (guide(given, free, scale) for scale in (1.0, 3.0))
    zero = free.log_softmax(-1)
    torch.testing.assert_close(three - zero, 3 * (one - zero))


def test_what_is_not_allowed_stays_so():
    given = torch.tensor([0.0, float("-inf"), 1.0])
    guided = guide(given, torch.tensor([1.0, float("-inf"), 0.0]), 4.0)
    assert guided.isinf().tolist() == [False, True, False]
    assert not guided.isnan().any()


@pytest.mark.parametrize("top_k", [1, 3, None])
def test_only_the_best_are_drawn(top_k):
    scores = torch.randn(4, 7)
    draws = torch.Generator().manual_seed(0)
    allowed = scores.topk(top_k or 7).indices
    seen = [set() for _ in range(4)]
    for _ in range(200):
        for row, token in enumerate(draw(scores, 2.0, top_k, draws).tolist()):
            assert token in allowed[row]
            seen[row].add(token)
    assert all(len(tokens) > 1 for tokens in seen) == (top_k != 1)


def test_draws_follow_the_temperature():
    scores = torch.tensor([0.0, 1.0]).expand(20_000, 2)
    draws = torch.Generator().manual_seed(0)
    for temperature in (0.5, 1.0, 2.0):
        share = draw(scores, temperature, None, draws).float().mean()
        wanted = torch.sigmoid(torch.tensor(1 / temperature))
        assert float(share) == pytest.approx(float(wanted), abs=0.02)


@pytest.mark.parametrize("temperature", [-1.0, float("nan"), float("inf")])
def test_temperatures_that_are_none(temperature):
    with pytest.raises(ValueError, match="temperature=.* Give 0, for the likeliest"):
        draw(torch.zeros(2, 3), temperature)


@pytest.mark.parametrize("top_k", [0, -1])
def test_nothing_to_draw_from(top_k):
    with pytest.raises(ValueError, match=f"top_k={top_k}. Give a number of tokens"):
        draw(torch.zeros(2, 3), 1.0, top_k)
