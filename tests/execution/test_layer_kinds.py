"""Layers that compute something else than their class: the modules run them."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from dac_lobe.execution.plan import make_plan
from dac_lobe.network.layers import ResidualUnit, Snake1d, fold_weight_norm
from dac_lobe.network.vector_quantizer import VectorQuantize
from dac_lobe.nnet.channels_last import channels_last


class Adapted(nn.Conv1d):
    """A convolution with a low-rank adapter in its forward."""

    def forward(self, x):
        y = super().forward(x)
        return y + 0.3 * y.mean(1, keepdim=True)


class Reflecting(nn.Conv1d):
    def _conv_forward(self, x, weight, bias):
        return super()._conv_forward(x, weight, bias) * 0.7


class Louder(nn.Module):
    def forward(self, x, *lengths):
        return 1.5 * super().forward(x, *lengths)


class LouderSnake(Louder, Snake1d):
    pass


class LouderUnit(Louder, ResidualUnit):
    pass


class Farthest(VectorQuantize):
    def decode_latents(self, latents):
        return super().decode_latents(-latents)


class Shifted(VectorQuantize):
    def decode_code(self, embed_id):
        return super().decode_code(embed_id) + 1.0


def put(parent, name, cls, *arguments, **options):
    """Put a layer of another class in a layer's place, with its parameters."""
    layer = cls(*arguments, **options).eval()
    layer.load_state_dict(parent.get_submodule(name).state_dict())
    parent.set_submodule(name, layer)


def adapt(codec, cls):
    last = codec.encoder.block[-1]
    layer = cls(last.in_channels, last.out_channels, 3, padding=1)
    layer.weight.data.copy_(last.weight)
    layer.bias.data.copy_(last.bias)
    codec.encoder.block[-1] = layer


def quieter(layer):
    old = layer.forward
    layer.forward = lambda *x: 0.5 * old(*x)


CHANGES = {
    "convolution": lambda codec: adapt(codec, Adapted),
    "inner method": lambda codec: adapt(codec, Reflecting),
    "snake": lambda codec: put(codec.encoder.block, "1.block.3", LouderSnake, 4),
    "unit": lambda codec: put(codec.decoder.model, "1.block.3", LouderUnit, 8, 3),
    "stage": lambda codec: put(codec.quantizer, "quantizers.1", Farthest, 16, 16, 4),
    "codes": lambda codec: put(codec.quantizer, "quantizers.0", Shifted, 16, 16, 4),
    "object": lambda codec: quieter(codec.encoder.block[1].block[0].block[1]),
    "stack": lambda codec: quieter(codec.encoder.block),
    "encoder": lambda codec: quieter(codec.encoder),
    "decoder": lambda codec: quieter(codec.decoder),
    "projection": lambda codec: quieter(codec.quantizer.quantizers[1].out_proj),
}


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_a_layer_does_itself_is_done(codec, check, change, before):
    wav = torch.randn(2, 1, 400)
    if before:
        check(codec, wav)
    unchanged = codec.decode(codec.encode(wav).z)
    change(codec)
    check(codec, wav)
    check(codec, wav, lengths=torch.tensor([400, 77]))
    assert not torch.allclose(codec.decode(codec.encode(wav).z), unchanged)


def test_codes_are_rebuilt_as_a_stage_says(codec):
    codes = torch.randint(16, (1, 3, 9))
    before = codec.dequantize(codes).z
    codec.quantizer.quantizers[0].decode_code = lambda ids: torch.ones(1, 4, 9)
    after = codec.dequantize(codes).z
    assert not torch.allclose(before, after)
    assert torch.equal(after, codec.quantizer.from_codes(codes).z)


def test_a_method_of_the_object_that_is_gone_again(codec):
    wav = torch.randn(1, 1, 200)
    before = codec.encode(wav)
    quieter(codec.encoder)
    assert not torch.allclose(codec.encode(wav).z, before.z)
    del codec.encoder.forward
    assert torch.equal(codec.encode(wav).z, before.z)


def test_hooks_of_all_modules_are_called(codec):
    wav, seen = torch.randn(1, 1, 200), []
    encoded = codec.encode(wav)
    hook = register_module_forward_hook(lambda module, x, y: seen.append(module))
    try:
        codec.decode_codes(codec.encode(wav).codes)
    finally:
        hook.remove()
    parts = codec.encoder, codec.decoder.model[0], codec.quantizer.quantizers[2]
    assert all(any(part is one for one in seen) for part in parts)
    seen.clear()
    assert torch.equal(codec.encode(wav).codes, encoded.codes)
    assert not seen


def test_projections_without_a_bias(codec, check):
    for projection in ("in_proj", "out_proj"):
        getattr(codec.quantizer.quantizers[0], projection).bias = None
    check(codec, torch.randn(2, 1, 400))


@pytest.mark.parametrize("used", [None, 1, 2])
def test_stages_that_were_taken_away(codec, check, used):
    codec.quantizer.quantizers = codec.quantizer.quantizers[:2]
    check(codec, torch.randn(2, 1, 400), n_quantizers=used)
    codes = torch.randint(16, (1, 2, 9))
    rebuilt = codec.quantizer.from_codes(codes).z
    torch.testing.assert_close(codec.dequantize(codes).z, rebuilt)


def test_the_same_in_another_way_is_known(codec):
    """Else codecs that were trained channels last would be slow for good."""
    channels_last(fold_weight_norm(codec))
    assert len(make_plan(codec.encoder)) == 10
    assert len(make_plan(codec.decoder)) == 10
