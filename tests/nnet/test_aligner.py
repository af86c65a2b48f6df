"""The aligner: its loss and its path against every path, written out."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dac_lobe.nnet.aligner import (
    BLANK,
    TokenAligner,
    best_durations,
    forward_sum_loss,
)


def _paths(frames: int, characters: int):
    """All ways to go through the characters in order, as durations."""
    for cuts in itertools.combinations(range(1, frames), characters - 1):
        yield [b - a for a, b in itertools.pairwise((0, *cuts, frames))]


def _score(chances: torch.Tensor, durations: list[int]) -> float:
    spoken = [i for i, frames in enumerate(durations) for _ in range(frames)]
    return sum(float(chances[t, i]) for t, i in enumerate(spoken))


@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(1, 8))
def test_no_path_is_better(seed, frames, characters):
    characters = min(characters, frames)
    draws = torch.Generator().manual_seed(seed)
    chances = torch.randn(1, frames, characters, generator=draws).log_softmax(-1)
    found = best_durations(chances, torch.tensor([characters]), torch.tensor([frames]))
    best = max(_score(chances[0], path) for path in _paths(frames, characters))
    assert _score(chances[0], found[0].int().tolist()) == pytest.approx(best, abs=1e-5)
    assert found.sum() == frames
    assert found.min() >= 1


def _collapse(path: tuple[int, ...]) -> list[int]:
    return [label for label, _ in itertools.groupby(path) if label]


@pytest.mark.parametrize(("frames", "characters"), [(1, 1), (3, 2), (5, 3), (5, 1)])
def test_loss_sums_over_every_path(frames, characters):
    """Label 0 is a frame that speaks nothing; a character may not come twice."""
    torch.manual_seed(frames)
    chances = torch.randn(1, frames, characters).log_softmax(-1)
    scores = torch.cat([torch.full((1, frames, 1), BLANK), chances], dim=-1)
    scores = scores.log_softmax(-1)[0]
    total = 0.0
    for path in itertools.product(range(characters + 1), repeat=frames):
        if _collapse(path) == list(range(1, characters + 1)):
            total += math.exp(sum(float(scores[t, i]) for t, i in enumerate(path)))
    loss = forward_sum_loss(chances, torch.tensor([characters]), torch.tensor([frames]))
    assert float(loss) == pytest.approx(-math.log(total) / characters, rel=1e-4)


def test_an_item_of_a_batch_is_the_item_alone():
    torch.manual_seed(0)
    aligner = TokenAligner(2, 16, 30).eval()
    text, tokens = torch.randint(1, 30, (2, 6)), torch.randint(16, (2, 20, 2))
    text[1, 3:] = 0
    lengths, frames = torch.tensor([1.0, 0.5]), torch.tensor([1.0, 0.55])
    whole = aligner(text, lengths, tokens, frames)
    one = torch.ones(1)
    alone = aligner(text[1:, :3], one, tokens[1:, :11], one)
    torch.testing.assert_close(whole[1:, :11, :3], alone, atol=1e-5, rtol=1e-4)
    assert (whole[1, :, 3:] == float("-inf")).all()
    counts = torch.tensor([6, 3]), torch.tensor([20, 11])
    durations = best_durations(whole, *counts)
    assert torch.equal(
        durations[1:, :3], best_durations(alone, counts[0][1:], counts[1][1:])
    )
    assert durations.sum(1).tolist() == [20, 11]
    assert not durations[1, 3:].any()


def test_padding_leaves_the_gradient_finite():
    torch.manual_seed(0)
    aligner = TokenAligner(2, 16, 30)
    text, tokens = torch.randint(1, 30, (2, 6)), torch.randint(16, (2, 20, 2))
    text[1, 3:] = 0
    chances = aligner(text, torch.tensor([1.0, 0.5]), tokens, torch.tensor([1.0, 0.5]))
    forward_sum_loss(chances, torch.tensor([6, 3]), torch.tensor([20, 10])).backward()
    for name, parameter in aligner.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name


def test_more_characters_than_frames():
    """No path goes through all of them: nothing to learn, and no error."""
    chances = torch.randn(1, 2, 4).log_softmax(-1).requires_grad_()
    counts = torch.tensor([4]), torch.tensor([2])
    loss = forward_sum_loss(chances, *counts)
    loss.backward()
    assert float(loss.detach()) == 0
    assert torch.isfinite(chances.grad).all()
    assert best_durations(chances, *counts).sum() == 2


def test_it_finds_the_characters():
    """Each character has its own sound; where one ends is learned from nothing."""
    torch.manual_seed(0)
    aligner = TokenAligner(1, 12, 12, dropout=0.0)
    optimizer = torch.optim.Adam(aligner.parameters(), 3e-3)
    draws = torch.Generator().manual_seed(1)

    def batch():
        text = torch.stack([torch.randperm(11, generator=draws)[:5] for _ in range(8)])
        true = torch.randint(2, 16, (8, 5), generator=draws)
        frames = true.sum(1)
        tokens = torch.zeros(8, int(frames.max()), 1, dtype=torch.long)
        for item in range(8):
            spoken = text[item].repeat_interleave(true[item])
            tokens[item, : len(spoken), 0] = spoken
        return text + 1, tokens, frames, true

    five = torch.full((8,), 5)
    for _ in range(150):
        text, tokens, frames, _ = batch()
        chances = aligner(text, torch.ones(8), tokens, frames / tokens.shape[1])
        loss = forward_sum_loss(chances, five, frames)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    text, tokens, frames, true = batch()
    chances = aligner(text, torch.ones(8), tokens, frames / tokens.shape[1])
    found = best_durations(chances, five, frames)
    # To a frame or so at each end; sharing the time evenly is off by more.
    even = (frames / 5)[:, None]
    assert (found - true).abs().mean() < 1 < (even - true).abs().mean() / 2
