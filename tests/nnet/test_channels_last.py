"""Channels-last convolutions compute what the layers as written compute."""

import copy
import pickle

import pytest
import torch
from torch import nn

from dac_lobe import DAC
from dac_lobe.network.layers import fold_weight_norm
from dac_lobe.nnet.channels_last import channels_last


def small():
    """Odd strides and odd widths, plain weights."""
    torch.manual_seed(0)
    codec = DAC(
        encoder_dim=6,
        encoder_rates=[3, 2, 4],
        decoder_dim=24,
        decoder_rates=[4, 2, 3],
        n_codebooks=3,
        codebook_size=64,
        sample_rate=8000,
    )
    return fold_weight_norm(codec)


def both(codec):
    """The codec and a copy whose encoder and decoder keep channels innermost."""
    other = copy.deepcopy(codec)
    channels_last(other.encoder)
    channels_last(other.decoder)
    return codec, other


def test_outputs_and_gradients_are_the_same():
    """Of encoder and decoder, for every parameter."""
    wav = torch.randn(2, 1, 24 * 19)
    results = []
    for codec in both(small()):
        codec.train()
        audio = codec.decoder(codec.encoder(wav))
        audio.square().sum().backward()
        grads = {name: p.grad for name, p in codec.named_parameters()}
        results.append((audio.detach(), grads))
    (audio, grads), (other_audio, other_grads) = results
    torch.testing.assert_close(other_audio, audio, atol=1e-5, rtol=1e-4)
    for name, grad in grads.items():
        if grad is not None:
            torch.testing.assert_close(other_grads[name], grad, atol=1e-4, rtol=1e-3)
    assert sum(grad is not None for grad in grads.values()) > 40


def test_activations_stay_in_that_order():
    """Nothing in between goes back to rows over time."""
    _, codec = both(small())
    strides = []
    for layer in codec.decoder.modules():
        if isinstance(layer, (nn.Conv1d, nn.ConvTranspose1d)) and layer.in_channels > 1:
            layer.register_forward_pre_hook(
                lambda layer, args: strides.append(args[0].stride(1))
            )
    codec.decoder(codec.encoder(torch.randn(2, 1, 24 * 19)))
    assert set(strides) == {1}


def test_the_codec_remains_one():
    """Names, copies, files and codes are those of the codec as it was."""
    codec, other = both(small())
    assert list(other.state_dict()) == list(codec.state_dict())
    wav = torch.randn(1, 1, 5000)
    codes = codec.encode(wav).codes
    sent = pickle.loads(pickle.dumps(other))  # noqa: S301
    for copied in (other, sent, copy.deepcopy(other)):
        assert torch.equal(copied.eval().encode(wav).codes, codes)
    assert channels_last(other.encoder) is other.encoder  # twice changes nothing


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (nn.utils.parametrizations.weight_norm(nn.Conv1d(1, 1, 3)), "fold_weight_norm"),
        (nn.Conv1d(1, 1, 3, padding="same"), "give numbers"),
        (nn.Conv1d(1, 1, 3, padding=1, padding_mode="circular"), "'zeros'"),
    ],
)
def test_other_layers_are_refused(layer, message):
    """With what to do instead."""
    with pytest.raises(ValueError, match=message):
        channels_last(nn.Sequential(layer))


def test_output_size_is_refused():
    """Padding at the output has a name of its own."""
    layer = channels_last(nn.Sequential(nn.ConvTranspose1d(2, 2, 4, stride=2)))[0]
    with pytest.raises(ValueError, match="output_padding"):
        layer(torch.zeros(1, 2, 5), output_size=[12])
