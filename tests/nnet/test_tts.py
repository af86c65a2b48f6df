"""The speaking model: step by step equals all at once, and only codes come out."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dac_lobe.data.text import ALPHABET, to_ids
from dac_lobe.nnet.delay import delay, undelay
from dac_lobe.nnet.tts import TokenSynthesizer

SIZES = {"d_model": 32, "nhead": 2, "num_layers": 2, "d_ffn": 48, "text_layers": 1}


@pytest.fixture
def model():
    torch.manual_seed(1)
    return TokenSynthesizer(3, 16, 30, num_speakers=2, **SIZES).eval()


@given(st.integers(1, 12), st.integers(1, 6))
def test_delay_and_back(frames, codebooks):
    tokens = torch.randint(16, (2, frames, codebooks))
    delayed = delay(tokens, torch.full((2,), frames), absent=99)
    assert delayed.shape == (2, frames + codebooks - 1, codebooks)
    assert torch.equal(undelay(delayed), tokens)
    assert int((delayed == 99).sum()) == 2 * codebooks * (codebooks - 1)


def test_delay_leaves_padding_out():
    tokens = torch.arange(12).view(1, 6, 2)
    delayed = delay(tokens, torch.tensor([4]), absent=99)
    assert set(delayed.flatten().tolist()) == {*range(8), 99}


def test_targets_are_codes_and_one_stop(model):
    text, tokens = torch.randint(1, 30, (2, 6)), torch.randint(16, (2, 10, 3))
    lengths = torch.tensor([1.0, 0.6])
    made = model(text, torch.ones(2), tokens, lengths)
    logits, targets = made.logits, made.targets
    assert logits.shape == (2, 13, 3, 17)
    assert (targets == model.stop).nonzero().tolist() == [[0, 10, 0], [1, 6, 0]]
    assert (targets >= 0).sum((1, 2)).tolist() == [31, 19]
    assert made.aligned.sum(1).tolist() == [10, 6]
    assert float(made.aligned.min()) >= 1
    assert torch.isinf(logits[..., 1:, model.stop]).all()


def test_no_step_sees_itself_or_later(model):
    text, tokens = torch.randint(1, 30, (1, 6)), torch.randint(16, (1, 10, 3))
    one = torch.ones(1)
    durations = torch.tensor([[1.0, 2.0, 1.0, 3.0, 2.0, 1.0]])
    before = model(text, one, tokens, one, durations=durations).logits
    changed = tokens.clone()
    changed[0, 5, 0] = (changed[0, 5, 0] + 1) % 16
    after = model(text, one, changed, one, durations=durations).logits
    assert torch.equal(before[:, :6], after[:, :6])
    assert not torch.equal(before[:, 6], after[:, 6])


def test_an_item_of_a_batch_is_the_item_alone(model):
    text, tokens = torch.randint(1, 30, (2, 8)), torch.randint(16, (2, 10, 3))
    text[1, 4:] = 0
    text_lengths, lengths = torch.tensor([1.0, 0.5]), torch.tensor([1.0, 0.6])
    speakers = torch.tensor([0, 1])
    whole = model(text, text_lengths, tokens, lengths, speakers)
    one = torch.ones(1)
    alone = model(text[1:, :4], one, tokens[1:, :6], one, speakers[1:])
    torch.testing.assert_close(
        whole.logits[1:, :9], alone.logits[:, :9], atol=1e-5, rtol=1e-4
    )
    torch.testing.assert_close(whole.durations[1:, :4], alone.durations)
    assert torch.equal(whole.aligned[1:, :4], alone.aligned)
    assert not whole.aligned[1, 4:].any()


def test_given_durations_are_used(model):
    text, tokens = torch.randint(1, 30, (1, 3)), torch.randint(16, (1, 10, 3))
    one = torch.ones(1)
    found = model(text, one, tokens, one)
    again = model(text, one, tokens, one, durations=found.aligned)
    assert torch.equal(found.logits, again.logits)
    assert float(found.alignment_loss.detach()) > 0
    assert float(again.alignment_loss) == 0
    other = model(text, one, tokens, one, durations=found.aligned.flip(1) + 1)
    assert not torch.equal(found.logits, other.logits)


def test_every_item_can_lose_its_text(model):
    """With no text at all, what is written makes no difference."""
    model.train()
    model.dropout.p = 0.0
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    model.unconditional_probability = 1.0
    tokens, one = torch.randint(16, (1, 10, 3)), torch.ones(1)
    durations = torch.full((1, 5), 2.0)
    first = model(torch.tensor([[1, 2, 3, 4, 5]]), one, tokens, one, None, durations)
    other = model(torch.tensor([[5, 4, 3, 2, 1]]), one, tokens, one, None, durations)
    assert torch.equal(first.logits, other.logits)
    model.unconditional_probability = 0.0
    given = model(torch.tensor([[1, 2, 3, 4, 5]]), one, tokens, one, None, durations)
    assert not torch.equal(first.logits, given.logits)


def _place_as_generation_does(model, text, tokens):
    """Logits of all steps at once, the text placed by its own durations."""
    memory, _ = model.read_text(text, torch.ones(1), None)
    frames = torch.tensor([tokens.shape[1]])
    inputs = delay(tokens, frames, model.absent)
    start = torch.full((1, 1, model.num_codebooks), model.absent)
    inputs = torch.cat([start, inputs[:, :-1]], dim=1)
    positions = torch.arange(inputs.shape[1])
    x = model.embed_steps(inputs, positions, None)
    for layer in model.layers:
        x, _ = layer(x, memory, layer.read(memory), positions)
    return model.score_steps(x)


def test_steps_with_a_cache_equal_all_at_once(model):
    """Greedy generation picks what a pass over its own result would pick."""
    text = torch.randint(1, 30, (1, 6))
    made = model.generate(text, torch.ones(1), temperature=0, max_frames=20)
    tokens = made.tokens[0][None]
    logits = _place_as_generation_does(model, text, tokens)
    picked = undelay(logits.argmax(-1))
    frames = tokens.shape[1] - (not made.stopped[0])
    assert torch.equal(picked[:, :frames], tokens[:, :frames])
    assert frames > 2


def test_only_codes_come_out(model):
    """However it is drawn, stopped or cut off."""
    text, lengths = torch.randint(1, 30, (4, 6)), torch.tensor([1.0, 0.5, 0.2, 0.9])
    for stop_bias in (-100.0, 0.0, 2.0, 100.0):
        with torch.no_grad():
            model.heads.bias[model.stop] = stop_bias
        made = model.generate(text, lengths, max_frames=15, top_k=17, temperature=1.0)
        for tokens, stopped in zip(made.tokens, made.stopped, strict=True):
            assert tokens.shape[1] == 3
            assert tokens.numel() == 0 or 0 <= int(tokens.min())
            assert tokens.numel() == 0 or int(tokens.max()) < 16
            assert stopped or len(tokens) == 15
    assert made.stopped == [True] * 4
    assert all(len(tokens) == 0 for tokens in made.tokens)


def test_what_does_not_stop_ends_as_it_would_alone(model):
    """A long neighbour gives no item more time."""
    with torch.no_grad():
        model.heads.bias[model.stop] = -100.0
    text, lengths = torch.randint(1, 30, (2, 12)), torch.tensor([1.0, 0.25])
    text[1, 3:] = 0
    long, short = model.generate(text, lengths, temperature=0).tokens
    alone = model.generate(text[1:, :3], torch.ones(1), temperature=0).tokens[0]
    assert len(long) > len(short)
    assert torch.equal(short, alone)


def test_guidance_moves_away_from_no_text(model):
    text, ones = torch.randint(1, 30, (2, 6)), torch.ones(2)
    options = {"temperature": 0, "max_frames": 12}
    plain = model.generate(text, ones, **options)
    close = model.generate(text, ones, guidance_scale=1 + 1e-6, **options)
    strong = model.generate(text, ones, guidance_scale=5.0, **options)
    assert all(map(torch.equal, plain.tokens, close.tokens))
    assert not all(map(torch.equal, plain.tokens, strong.tokens))
    # 0 leaves the text out: only its durations are left, equal here.
    without = model.generate(text[:1].repeat(2, 1), ones, guidance_scale=0.0, **options)
    with torch.no_grad():
        model.text.embedding.weight.zero_()
    zeroed = model.generate(text[:1].repeat(2, 1), ones, guidance_scale=0.0, **options)
    assert all(map(torch.equal, without.tokens, zeroed.tokens))
    model.unconditional_probability = 0.0
    with pytest.raises(ValueError, match="guidance_scale=1"):
        model.generate(text, ones, guidance_scale=2.0)


def test_generation_repeats_with_its_seed(model):
    text = torch.randint(1, 30, (2, 6))

    def make(seed):
        draws = torch.Generator().manual_seed(seed)
        return model.generate(text, torch.ones(2), max_frames=8, generator=draws)

    first, again, other = make(1), make(1), make(2)
    assert all(map(torch.equal, first.tokens, again.tokens))
    assert not all(map(torch.equal, first.tokens, other.tokens))


def test_attention_starts_on_the_diagonal():
    """Without training, a changed character matters where it is spoken."""
    torch.manual_seed(0)
    model = TokenSynthesizer(1, 16, 30, **{**SIZES, "text_layers": 0}).eval()
    tokens, one = torch.randint(16, (1, 60, 1)), torch.ones(1)
    text = torch.randint(1, 29, (1, 10))
    changed = text.clone()
    changed[0, 2] += 1
    even = torch.full((1, 10), 6.0)
    with torch.no_grad():
        before = model(text, one, tokens, one, durations=even).logits[0, :60, 0, :16]
        after = model(changed, one, tokens, one, durations=even).logits[0, :60, 0, :16]
    moved = (before - after).abs().sum(-1)
    assert moved[9:21].mean() > 5 * moved[45:].mean()


def test_it_learns_to_speak_two_sentences():
    """Both texts, one after the other, from the text alone; and it stops."""
    torch.manual_seed(0)
    sizes = {**SIZES, "num_layers": 1}
    model = TokenSynthesizer(2, 8, 30, **sizes, dropout=0.0, mask_probability=0.3)
    text = torch.tensor([[1, 5, 6, 1], [1, 7, 8, 1]])
    tokens = torch.randint(8, (2, 12, 2))
    lengths = torch.tensor([1.0, 10 / 12])
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    for _ in range(120):
        made = model(text, torch.ones(2), tokens, lengths)
        loss = torch.nn.functional.cross_entropy(
            made.logits.flatten(0, 2), made.targets.flatten()
        )
        loss = loss + 0.1 * made.alignment_loss
        loss = loss + (made.durations / made.aligned).log().abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    made = model.eval().generate(text, torch.ones(2), temperature=0)
    assert made.stopped == [True, True]
    assert torch.equal(made.tokens[0], tokens[0])
    assert torch.equal(made.tokens[1], tokens[1, :10])


def test_text_to_numbers():
    assert to_ids("HI") == [1, ALPHABET.index("H") + 1, ALPHABET.index("I") + 1, 1]
    assert max(to_ids(ALPHABET.strip())) == len(ALPHABET)
    for text in ("", "  ", "hi", "É"):
        with pytest.raises(ValueError, match="allowed are"):
            to_ids(text)
