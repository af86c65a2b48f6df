"""An embedding that starts from a store is the codec's own latent."""

from __future__ import annotations

import pytest
import torch

from dac_lobe.nnet.embedding import POOLINGS, TokenEmbedding, draw_prefixes
from dac_lobe.tokens import load_codebooks
from dac_lobe.tokens.codebooks import save_codebooks

TOKENS = torch.randint(16, (2, 9, 3), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def books(tiny_dac, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    save_codebooks(tiny_dac, folder)
    return folder


def test_sum_is_the_quantised_latent(tiny_dac, books):
    embedding = TokenEmbedding(3, 16, init_from=books)
    latent = tiny_dac.quantizer.from_codes(TOKENS.transpose(1, 2)).z.transpose(1, 2)
    torch.testing.assert_close(embedding(TOKENS), latent, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_a_prefix_is_the_latent_of_the_prefix(tiny_dac, books, keep):
    """Asked for by fewer tokens, or by ``keep``: the same features."""
    embedding = TokenEmbedding(3, 16, init_from=books)
    codes = TOKENS.transpose(1, 2)[:, :keep]
    latent = tiny_dac.quantizer.from_codes(codes).z.transpose(1, 2)
    for features in (
        embedding(TOKENS[..., :keep]),
        embedding(TOKENS, keep=torch.full((2,), keep)),
    ):
        torch.testing.assert_close(features, latent, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("from_store", [True, False])
def test_dropped_codebooks_do_not_count(books, pooling, from_store):
    """Whatever stands in them, and items of a batch keep their own prefix."""
    init = books if from_store else None
    embedding = TokenEmbedding(3, 16, 12, pooling=pooling, init_from=init)
    other = TOKENS.clone()
    other[0, :, 1:] = torch.randint(16, other[0, :, 1:].shape)
    keep = torch.tensor([1, 3])
    torch.testing.assert_close(embedding(TOKENS, keep), embedding(other, keep))
    alone = embedding(TOKENS[:1, :, :1])
    torch.testing.assert_close(embedding(TOKENS, keep)[:1], alone)
    assert embedding(TOKENS).shape == (2, 9, 12)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_codebook_counts_and_learns(books, pooling):
    embedding = TokenEmbedding(3, 16, pooling=pooling, init_from=books)
    for codebook in range(3):
        other = TOKENS.clone()
        other[..., codebook] = (other[..., codebook] + 1) % 16
        assert not torch.allclose(embedding(TOKENS), embedding(other))
    embedding(TOKENS).square().sum().backward()
    assert all(
        parameter.grad is not None and parameter.grad.abs().sum() > 0
        for parameter in embedding.parameters()
    )


def test_codebooks_of_different_sizes(make_dac, tmp_path):
    """The official 24 kHz model has them alike; the format does not ask for it."""
    codec = make_dac(codebook_dim=[2, 5, 3])
    save_codebooks(codec, tmp_path)
    latent = codec.quantizer.from_codes(TOKENS.transpose(1, 2)).z.transpose(1, 2)
    features = TokenEmbedding(3, 16, init_from=tmp_path)(TOKENS)
    torch.testing.assert_close(features, latent, atol=1e-5, rtol=1e-5)


def test_training_changes_no_store(books):
    embedding = TokenEmbedding(3, 16, init_from=load_codebooks(books))
    with torch.no_grad():
        embedding.rows.weight.add_(1.0)
        embedding.weight.add_(1.0)
    fresh = TokenEmbedding(3, 16, init_from=books)
    assert not torch.equal(fresh.rows.weight, embedding.rows.weight)


def test_tokens_are_not_changed():
    tokens = TOKENS.clone()
    TokenEmbedding(3, 16, 8)(tokens, keep=torch.tensor([1, 2]))
    assert torch.equal(tokens, TOKENS)


def test_sizes_make_the_shape_of_a_codec(books):
    """What export relies on: sizes alone give the same parameters."""
    made = TokenEmbedding(3, 16, 5, init_from=books)
    sizes = {"codebook_dim": made.rows.weight.shape[1], "latent_dim": 16}
    again = TokenEmbedding(3, 16, 5, **sizes)
    again.load_state_dict(made.state_dict())
    torch.testing.assert_close(again(TOKENS), made(TOKENS))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pooling": "mean"}, "sum, attention, concat"),
        ({"num_codebooks": 4}, "Choose 1 to 3"),
        ({"vocab_size": 32}, "have 16 codes"),
    ],
)
def test_bad_arguments(books, arguments, message):
    options = {"num_codebooks": 3, "vocab_size": 16, "init_from": books, **arguments}
    with pytest.raises(ValueError, match=message):
        TokenEmbedding(**options)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (torch.zeros(2, 3, dtype=torch.long), r"\[B, F, K\]"),
        (torch.zeros(1, 3, 4, dtype=torch.long), "1 to 3 codebooks"),
        (torch.full((1, 2, 3), 16), r"vocabulary is \[0, 15\]"),
        (torch.full((1, 2, 3), -1), r"tokens lie in \[-1, -1\]"),
    ],
)
def test_bad_tokens(tokens, message):
    with pytest.raises(ValueError, match=message):
        TokenEmbedding(3, 16, 8)(tokens)


def test_prefixes_are_drawn_evenly():
    drawn = draw_prefixes(20000, 4)
    shares = torch.bincount(drawn, minlength=5)[1:] / 20000
    torch.testing.assert_close(shares, torch.full((4,), 0.25), atol=0.02, rtol=0)
    half = draw_prefixes(20000, 4, probability=0.5)
    assert float((half == 4).float().mean()) == pytest.approx(0.625, abs=0.02)
