"""Listening: a frontend learns filterbanks that its tokens determine, and no others."""

from __future__ import annotations

import pytest
import torch

from dac_lobe.nnet.embedding import TokenEmbedding
from dac_lobe.nnet.filterbank_pretraining import pretrain_on_filterbanks
from dac_lobe.nnet.frontend import Filterbanks, TokenFrontend

FRAME = 320  # samples of a 50 Hz frame


def make_batch(seed: int) -> tuple[torch.Tensor, ...]:
    """Frames of one of four tones, a token each; the second item is shorter."""
    draw = torch.Generator().manual_seed(seed)
    tokens = torch.randint(4, (2, 50, 1), generator=draw)
    time = torch.arange(FRAME) / 16000
    tones = torch.stack([(2 * torch.pi * hz * time).sin() for hz in (200, 500, 1500)])
    tones = torch.cat([torch.zeros(1, FRAME), 0.3 * tones])
    wavs = tones[tokens.squeeze(-1)].flatten(1)
    wavs += 1e-3 * torch.randn(wavs.shape, generator=draw)
    lengths = torch.tensor([1.0, 0.8])
    return tokens, lengths, wavs, lengths


def make_frontend() -> TokenFrontend:
    torch.manual_seed(0)
    embedding = TokenEmbedding(1, 4, emb_dim=16)
    return TokenFrontend(embedding, context_layers=1, num_bands=80)


def test_tokens_explain_their_sound():
    batches = [make_batch(seed) for seed in range(4)]
    explained = pretrain_on_filterbanks(
        make_frontend(), Filterbanks(16000), lambda: batches, 25, 0.02
    )
    assert explained[-1] > 0.5 > explained[0]


def test_shuffled_tokens_explain_little():
    """The control of recipes/asr is one here, too."""
    batches = []
    for seed in range(4):
        tokens, *rest = make_batch(seed)
        order = torch.randperm(50, generator=torch.Generator().manual_seed(seed))
        batches.append((tokens[:, order], *rest))
    explained = pretrain_on_filterbanks(
        make_frontend(), Filterbanks(16000), lambda: batches, 25, 0.02
    )
    assert explained[-1] < 0.35


def test_listening_repeats():
    frontends = make_frontend(), make_frontend()
    for frontend in frontends:
        torch.manual_seed(1)
        pretrain_on_filterbanks(
            frontend, Filterbanks(16000), lambda: [make_batch(0)], 2
        )
    first, second = (frontend.state_dict() for frontend in frontends)
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("num_bands", [0, 40])
def test_another_number_of_bands(num_bands):
    frontend = TokenFrontend(TokenEmbedding(1, 4, emb_dim=16), num_bands=num_bands)
    with pytest.raises(ValueError, match=f"has {num_bands} bands"):
        pretrain_on_filterbanks(
            frontend, Filterbanks(16000), lambda: [make_batch(0)], 1
        )


def test_neighbours_in_a_batch_do_not_matter():
    """An item in a padded batch is heard as it is alone."""
    frontend = make_frontend().eval()
    tokens, lengths, *_ = make_batch(3)
    alone = frontend(tokens[1:, :40], torch.ones(1))
    assert torch.allclose(frontend(tokens, lengths)[1:, :40], alone, atol=1e-6)
    assert not frontend(tokens, lengths)[1, 40:].any()
