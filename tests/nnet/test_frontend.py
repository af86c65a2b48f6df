"""Frontends and encoders: an item of a padded batch is what it is alone."""

from __future__ import annotations

import math

import pytest
import torch
from speechbrain.lobes.features import Fbank

from dac_lobe.nnet.embedding import TokenEmbedding
from dac_lobe.nnet.encoder import ConformerEncoder, LSTMEncoder
from dac_lobe.nnet.frontend import FbankFrontend, TokenFrontend, make_fbank
from dac_lobe.nnet.masks import SpanMask, valid_mask


def test_valid_mask():
    mask = valid_mask(10, torch.tensor([0.3, 1.0, 0.01]))
    assert mask.sum(1).tolist() == [3, 10, 1]


def test_spans_are_short_and_only_in_training():
    mask = SpanMask(spans=2, longest=5, dim=1)
    ones = torch.ones(400, 30, 3)
    hidden = (mask(ones) == 0).all(2).sum(1)
    assert hidden.max() <= 10
    assert hidden.float().mean() > 1
    assert torch.equal(mask.eval()(ones), ones)
    bands = SpanMask(2, 5, dim=2)(torch.ones(400, 7, 30)) == 0
    assert torch.equal(bands.any(1), bands.all(1))
    assert bands.all(1).sum(1).max() <= 10


def test_spans_reach_the_edges_as_often():
    hidden = (SpanMask(1, 10, dim=1)(torch.ones(20000, 20, 1)) == 0).float().mean(0)
    assert float(hidden[0]) == pytest.approx(float(hidden[10]), rel=0.1)


def test_item_of_a_batch_is_the_item_alone():
    torch.manual_seed(0)
    frontend = TokenFrontend(TokenEmbedding(2, 16, 8)).eval()
    encoder = LSTMEncoder(8, 12, num_layers=2, subsample=2).eval()
    tokens = torch.randint(16, (3, 40, 2))
    lengths = torch.tensor([1.0, 0.5, 0.7])
    whole = encoder(frontend(tokens, lengths), lengths)
    for item, frames in enumerate([40, 20, 28]):
        one = torch.ones(1)
        alone = encoder(frontend(tokens[item : item + 1, :frames], one), one)
        torch.testing.assert_close(
            whole[item : item + 1, : alone.shape[1]], alone, atol=1e-5, rtol=1e-4
        )


def test_conformer_attends_to_no_padding():
    """Its kernels reach 15 frames past an item's end; attention does not."""
    encoder = ConformerEncoder(8, d_model=16, num_layers=1, nhead=2, d_ffn=32).eval()
    features, lengths = torch.randn(2, 80, 8), torch.tensor([1.0, 0.5])
    changed = features.clone()
    changed[1, 56:] += 1.0
    before, after = encoder(features, lengths), encoder(changed, lengths)
    torch.testing.assert_close(before[1, :40], after[1, :40])
    assert not torch.allclose(before[1, 60:], after[1, 60:])


def test_lstm_hears_both_sides():
    encoder = LSTMEncoder(4, 8, num_layers=1).eval()
    features = torch.randn(1, 20, 4)
    changed = features.clone()
    changed[0, 10] += 1.0
    moved = (encoder(features, torch.ones(1)) != encoder(changed, torch.ones(1))).any(2)
    assert moved[0, 0]
    assert moved[0, -1]


def test_filterbanks_ignore_level_and_padding():
    frontend = FbankFrontend(16000, emb_dim=8).eval()
    wav = torch.randn(1, 16000)
    one = torch.ones(1)
    alone = frontend(wav, one)
    louder = frontend(4 * wav, one)
    torch.testing.assert_close(alone, louder, atol=1e-3, rtol=1e-3)
    padded = frontend(torch.cat([wav, torch.zeros(1, 16000)], 1), torch.tensor([0.5]))
    # The last window of the padded item sees silence where the item alone ends.
    torch.testing.assert_close(padded[:, :48], alone[:, :48], atol=0.05, rtol=0.05)
    assert not padded[:, 51:].any()


def test_prefixes_in_training_only():
    frontend = TokenFrontend(TokenEmbedding(3, 16, 8), prefix_probability=1.0)
    tokens, lengths = torch.randint(16, (8, 5, 3)), torch.ones(8)
    assert not torch.equal(frontend(tokens, lengths), frontend(tokens, lengths))
    frontend.eval()
    assert torch.equal(frontend(tokens, lengths), frontend(tokens, lengths))
    one = frontend(tokens, lengths, num_codebooks=1)
    torch.testing.assert_close(one, frontend(tokens[..., :1], lengths))


@pytest.mark.parametrize("stack", [1, 2, 4])
@pytest.mark.parametrize("samples", [1, 159, 160, 479])
def test_filterbanks_of_a_moment_are_a_frame_at_least(stack, samples):
    """As tokens are: a codec fills its last frame up with zeros."""
    frontend = FbankFrontend(16000, emb_dim=8, stack=stack, context_layers=1).eval()
    wavs = torch.randn(2, samples)
    features = frontend(wavs, torch.tensor([1.0, 0.5]))
    assert features.shape == (2, max(1, (1 + samples // 160) // stack), 8)
    assert torch.isfinite(features).all()


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 24000, 44100, 48000])
def test_filterbanks_of_any_rate(rate):
    """A hundred frames a second, and a tone in the filter that it belongs to."""
    time = torch.arange(rate) / rate
    mels = make_fbank(rate, 40)(torch.sin(2 * torch.pi * 1000 * time)[None])[0]
    assert mels.shape[0] == pytest.approx(101, abs=1)  # 22050 / 100 is rounded
    highest, wanted = (2595 * math.log10(1 + hz / 700) for hz in (rate / 2, 1000))
    assert int(mels.mean(0).argmax()) == pytest.approx(
        41 * wanted / highest - 1, abs=1.0
    )


def test_filterbanks_at_16_khz_are_those_of_speechbrain():
    wav = torch.randn(2, 16000)
    assert torch.equal(make_fbank(16000, 40)(wav), Fbank(n_mels=40)(wav))
