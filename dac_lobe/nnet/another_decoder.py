"""Another decoder for a trained codec, whose codes stay what they are.

Widening a network that has learned is an idea of Net2Net (https://arxiv.org/abs/1511.05641).
What is done here is nearer to the old decoder than to a new one, but not the same:
blocks may merge, and what happened between them is lost until training brings it back.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import nn

from dac_lobe.dac import DAC
from dac_lobe.network.decoder import DecoderBlock
from dac_lobe.network.layers import ResidualUnit, Snake1d, fold_weight_norm
from dac_lobe.network.receptive_field import Convolution
from dac_lobe.nnet.warm_start import scale_layers

__all__ = ["with_decoder"]


@torch.no_grad()
def with_decoder(
    codec: DAC,
    decoder_dim: int | None = None,
    decoder_rates: Sequence[int] | None = None,
) -> DAC:
    """Give a codec a decoder of other widths or strides, to train on from there.

    Encoder and codebooks are copied. The old decoder's channels become the first
    channels of the new one and hear nothing of the others, which start at random:

        old     256 -10-> 128 -2-> 64 -4-> 32 -4-> 16
        new     256 -10-> 128 ----8-----> 64 -4-> 32

    A block that takes the place of several starts as their transposed convolutions in
    a row, without the residual units between them (those of the last one stay).

    Arguments
    ---------
    codec : DAC
        A trained codec. Its weight norm is folded.
    decoder_dim : int, optional
        Channels after the first convolution; as many as now by default.
    decoder_rates : sequence of int, optional
        Strides; the same by default. Each is one of the old ones or the product of
        neighbours, which must be even.

    Returns
    -------
    DAC
        A new codec with plain weights, run by torch; the same one if nothing was asked
        for.

    Raises
    ------
    ValueError
        If the strides do not follow from the old ones, or a layer would be narrower.

    Example
    -------
    >>> codec = DAC.from_pretrained("16khz-small", backend="torch")
    >>> wider = with_decoder(codec, decoder_rates=[10, 8, 4])
    >>> wider.decoder.model[-2].weight.shape  # was [1, 16, 7]
    torch.Size([1, 32, 7])
    """
    if decoder_dim is None and decoder_rates is None:
        return codec
    old = fold_weight_norm(codec)
    rates = list(old.decoder_rates if decoder_rates is None else decoder_rates)
    spans = _spans(old.decoder_rates, rates)
    width = old.decoder_dim if decoder_dim is None else decoder_dim
    new = fold_weight_norm(
        DAC(**{**old.config, "decoder_dim": width, "decoder_rates": rates})
    )
    new.encoder.load_state_dict(old.encoder.state_dict())
    new.quantizer.load_state_dict(old.quantizer.state_dict())

    # Only the random channels keep this scale, so noise will do for latents.
    noise = torch.Generator().manual_seed(7)
    latents = torch.randn(16, old.latent_dim, 24, generator=noise)
    scale_layers(new.decoder, latents, residual=0.05, last=0.05)

    layers, begin = list(old.decoder.model), 1
    _take_over(new.decoder.model[0], layers[0])
    for block, count in zip(list(new.decoder.model)[1:], spans, strict=False):
        merged = [cast(DecoderBlock, layer) for layer in layers[begin : begin + count]]
        _take_over_block(cast(DecoderBlock, block), merged)
        begin += count
    for layer, former in zip(
        list(new.decoder.model)[-3:-1], layers[-3:-1], strict=True
    ):
        _take_over(layer, former)
    return new


def _spans(old: Sequence[int], new: Sequence[int]) -> list[int]:
    """How many of the old blocks each new block takes the place of."""
    spans, begin = [], 0
    for rate in new:
        count = 1
        while begin + count < len(old) and math.prod(old[begin : begin + count]) < rate:
            count += 1
        replaced = old[begin : begin + count]
        odd = count > 1 and any(stride % 2 for stride in replaced)
        if math.prod(replaced) != rate or odd:
            break
        spans.append(count)
        begin += count
    if begin != len(old) or len(spans) != len(new):
        raise ValueError(
            f"decoder_rates: {list(new)}, but the codec has {list(old)}. Each must be one "
            "of these or the product of neighbours that are even."
        )
    return spans


def _take_over_block(block: DecoderBlock, merged: Sequence[DecoderBlock]) -> None:
    """Set a block to its predecessor, or to several of them in a row."""
    first, last = list(merged[0].block), list(merged[-1].block)
    layers = list(block.block)
    _take_over(layers[0], first[0])
    up = cast(nn.ConvTranspose1d, first[1])
    weight, bias = up.weight, cast(torch.Tensor, up.bias)
    for follower in merged[1:]:
        weight, bias = _in_a_row(weight, bias, follower.block[1])
    _embed(cast(Convolution, layers[1]), weight, bias)
    for unit, former in zip(layers[2:], last[2:], strict=True):
        inner = cast(ResidualUnit, unit).block, cast(ResidualUnit, former).block
        for layer, old in zip(*inner, strict=True):
            _take_over(layer, old)


def _in_a_row(
    weight: torch.Tensor, bias: torch.Tensor, follower: nn.Module
) -> tuple[torch.Tensor, torch.Tensor]:
    """Two transposed convolutions with nothing between them, as one.

    With strides a and b, kernels 2a and 2b and half a stride of padding, the two have
    together the stride ab, 2ab + b taps and (a + 1) b / 2 of padding. The new one has 2ab
    and ab / 2: the outer b / 2 taps of each side, the smallest, are dropped.
    """
    up = cast(nn.ConvTranspose1d, follower)
    (stride,) = up.stride
    taps = weight.shape[2]
    both = weight.new_zeros(len(weight), up.out_channels, taps * stride + stride)
    for tap in range(taps):
        part = torch.einsum("io,oqk->iqk", weight[:, :, tap], up.weight)
        both[:, :, tap * stride : (tap + 2) * stride] += part
    # Each output is reached by two of the follower's taps; their phase is averaged.
    passed = torch.einsum("o,oqk->q", bias, up.weight) / stride
    half = stride // 2
    return both[:, :, half:-half], cast(torch.Tensor, up.bias) + passed


def _take_over(layer: nn.Module, former: nn.Module) -> None:
    """Set the first channels of a layer to those of its predecessor."""
    if isinstance(former, Snake1d):
        alpha = cast(Snake1d, layer).alpha
        _check_width(alpha.shape[1], former.alpha.shape[1])
        alpha[:, : former.alpha.shape[1]] = former.alpha
    else:
        old = cast(Convolution, former)
        _embed(cast(Convolution, layer), old.weight, cast(torch.Tensor, old.bias))


def _embed(layer: Convolution, weight: torch.Tensor, bias: torch.Tensor) -> None:
    """Set the first channels; they hear nothing of the others."""
    target = layer.weight
    if isinstance(layer, nn.ConvTranspose1d):  # [in, out, taps]
        target, weight = target.transpose(0, 1), weight.transpose(0, 1)
    outputs, inputs, _ = weight.shape
    _check_width(len(target), outputs)
    _check_width(target.shape[1], inputs)
    target[:outputs] = 0
    target[:outputs, :inputs] = weight
    cast(torch.Tensor, layer.bias)[:outputs] = bias


def _check_width(width: int, former: int) -> None:
    """Raise an error if a layer would have fewer channels than before."""
    if width < former:
        raise ValueError(
            f"a layer of the decoder would have {width} channels for {former}. "
            f"Multiply decoder_dim by {math.ceil(former / width)} or more."
        )
