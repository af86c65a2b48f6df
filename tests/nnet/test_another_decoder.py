"""A codec with another decoder: same codes, and nearly the same audio to begin with."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dac_lobe import DAC
from dac_lobe.network.layers import fold_weight_norm
from dac_lobe.nnet.another_decoder import with_decoder


def small(decoder_dim=16, rates=(4, 2, 2), **changes):
    """A codec whose decoder has three blocks."""
    options = {
        "encoder_dim": 4,
        "encoder_rates": list(reversed(rates)),
        "latent_dim": 12,
        "decoder_dim": decoder_dim,
        "decoder_rates": list(rates),
        "n_codebooks": 3,
        "codebook_size": 16,
    }
    return DAC(**{**options, **changes}).eval()


@given(st.integers(1, 3), st.sampled_from([(4, 2, 2), (5, 3, 2), (2, 8)]))
def test_a_wider_decoder_with_the_same_strides_is_the_same_function(factor, rates):
    """Channels that nothing listens to change nothing: Net2Net's law."""
    codec = small(rates=rates)
    wider = with_decoder(codec, decoder_dim=16 * factor).eval()
    z = torch.randn(2, 12, 9)
    torch.testing.assert_close(wider.decoder(z), codec.decoder(z), atol=1e-6, rtol=1e-5)
    assert wider.decoder_dim == 16 * factor


@pytest.mark.parametrize("rates", [(4, 4), (8, 2), (16,)])
def test_codes_and_their_latents_stay(rates):
    """Only the decoder is new."""
    codec = small(decoder_dim=32)
    other = with_decoder(codec, decoder_dim=64, decoder_rates=rates).eval()
    wav = torch.randn(2, 1, 333) / 5
    codes = codec.encode(wav).codes
    assert torch.equal(other.encode(wav).codes, codes)
    assert torch.equal(other.dequantize(codes).z, codec.dequantize(codes).z)
    assert other.decode_codes(codes, length=333).shape == (2, 1, 333)
    assert other.decoder_rates == list(rates)


def test_blocks_in_a_row_merge_exactly_where_they_are_linear():
    """Without Snake and residual units between them, two blocks are one, but for the ends.

    The dropped outer taps are zero here, which makes the equality exact.
    """
    codec = fold_weight_norm(small())
    first, second = codec.decoder.model[2].block, codec.decoder.model[3].block
    for block in (first, second):
        for unit in block[2:]:
            torch.nn.init.zeros_(unit.block[-1].weight)
            torch.nn.init.zeros_(unit.block[-1].bias)
    with torch.no_grad():
        second[1].weight[:, :, [0, -1]] = 0
        second[1].weight[:, :, 1] = second[1].weight[:, :, 2]  # one bias for all phases
    merged = with_decoder(codec, decoder_rates=[4, 4])
    x = torch.randn(1, 8, 11)
    between = first[1](x)
    wanted = second[1](between)
    got = merged.decoder.model[2].block[1](x)[:, : wanted.shape[1]]
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-4)


def test_nothing_asked_for_gives_the_codec_itself():
    """A recipe's null leaves everything as it is, weight norm too."""
    codec = small()
    before = set(codec.state_dict())
    assert with_decoder(codec) is codec
    assert set(codec.state_dict()) == before


def test_gradients_reach_the_new_channels():
    """What starts unheard can be heard after a step."""
    wider = with_decoder(small(), decoder_dim=32)
    wider.decoder(torch.randn(1, 12, 5)).square().sum().backward()
    last = wider.decoder.model[-2].weight
    assert bool((last[:, 2:] == 0).all())
    assert float(last.grad[:, 2:].abs().max()) > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decoder_rates": [2, 8]}, "product of neighbours"),
        ({"decoder_rates": [4, 2]}, "product of neighbours"),
        ({"decoder_rates": [4, 2, 2, 1]}, "product of neighbours"),
        ({"decoder_dim": 8}, "Multiply decoder_dim by 2"),
        ({"decoder_rates": []}, "product of neighbours"),
    ],
)
def test_a_decoder_that_does_not_follow_is_refused(options, message):
    """With what there is and what to do."""
    with pytest.raises(ValueError, match=message):
        with_decoder(small(), **options)


def test_odd_strides_do_not_merge():
    """Their padding is not half a stride."""
    with pytest.raises(ValueError, match="even"):
        with_decoder(small(rates=(3, 2, 2)), decoder_rates=[6, 2])
