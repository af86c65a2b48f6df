"""The reach that is computed from the layers is the reach that is measured.

Where all weights are positive and all biases zero nothing cancels: the output is
non-zero exactly where it depends on the impulse that was put in.
"""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dac_lobe.execution.plan import make_plan, output_positions
from dac_lobe.network.context import Context, decoder_context, encoder_context
from dac_lobe.network.layers import fold_weight_norm
from dac_lobe.network.receptive_field import (
    convolutions,
    output_length,
    receptive_field,
    reported_delay,
)

rates = st.lists(st.integers(2, 7), min_size=1, max_size=3).filter(
    lambda rates: torch.tensor(rates).prod() <= 60
)


def make_positive(module: nn.Module) -> nn.Module:
    """Make a stack through which every impulse shows, however faint."""
    fold_weight_norm(module)
    with torch.no_grad():
        for layer in convolutions(module):
            layer.weight.fill_(1 / layer.weight[0].numel())
            layer.bias.zero_()
    return module


def measured_reach(
    module: nn.Module, channels: int, length: int, at: torch.Tensor
) -> torch.Tensor:
    """Tell for each impulse position which outputs move, as booleans [len(at), T]."""
    impulses = torch.zeros(len(at), channels, length)
    impulses[torch.arange(len(at)), :, at] = 1.0
    with torch.no_grad():
        return (module(impulses) != 0).any(dim=1)


def predicted_reach(module: nn.Module, outputs: int, at: torch.Tensor) -> torch.Tensor:
    """Tell the same from the layers."""
    field = receptive_field(module)
    seen = [field.inputs(position, position + 1) for position in range(outputs)]
    first = torch.tensor([inputs.start for inputs in seen])
    stop = torch.tensor([inputs.stop for inputs in seen])
    return (at[:, None] >= first) & (at[:, None] < stop)


def check_encoder(codec, every: int = 1):
    encoder = make_positive(codec.encoder)
    hop, field = codec.hop_length, receptive_field(encoder)
    frames = 2 * (-(-field.size // hop)) + 1
    phases = set(range(0, hop, every))
    for edge in (int(field.first), int(field.last) + 1):  # both sides of each edge
        phases |= {edge % hop, (edge - 1) % hop}
    at = frames // 2 * hop + torch.tensor(sorted(phases))
    measured = measured_reach(encoder, 1, frames * hop, at)
    assert measured.shape[1] == frames
    assert torch.equal(measured, predicted_reach(encoder, frames, at))


def check_decoder(codec):
    decoder = make_positive(codec.decoder)
    frames = 2 * receptive_field(decoder).size + 1
    at = torch.arange(frames)
    measured = measured_reach(decoder, codec.latent_dim, frames, at)
    assert torch.equal(measured, predicted_reach(decoder, measured.shape[1], at))


def test_official_variants_reach_as_computed(narrow_dac):
    codec = narrow_dac(encoder_dim=1, latent_dim=1, decoder_dim=16)
    check_encoder(codec, every=17)
    check_decoder(codec)


@settings(max_examples=10, deadline=None)
@given(rates=rates)
def test_any_rates_reach_as_computed(make_dac, rates):
    codec = make_dac(
        encoder_rates=rates,
        decoder_rates=rates[::-1],
        encoder_dim=1,
        latent_dim=2,
        decoder_dim=2 ** len(rates),
    )
    check_encoder(codec)
    check_decoder(codec)


@settings(max_examples=50, deadline=None)
@given(rates=rates, frames=st.integers(1, 5))
def test_output_lengths(make_dac, rates, frames):
    codec = make_dac(
        encoder_rates=rates,
        decoder_rates=rates[::-1],
        encoder_dim=1,
        latent_dim=2,
        decoder_dim=2 ** len(rates),
    )
    samples = frames * codec.hop_length
    assert output_length(codec.encoder, samples) == frames
    for network, length in ((codec.encoder, samples), (codec.decoder, frames)):
        steps = make_plan(network)
        assert output_positions(steps, length) == output_length(network, length)
    raw = codec.decode(torch.zeros(1, 2, frames)).shape[-1]
    assert output_length(codec.decoder, frames) == raw
    lengths = torch.tensor([0, frames])
    assert output_length(codec.decoder, lengths).tolist() == [0, raw]
    # What odd strides lack at the end is what they would be early by.
    assert samples - raw == reported_delay(codec.decoder)


def test_official_context(narrow_dac):
    codec = narrow_dac()
    assert encoder_context(codec) == Context(8, 8)
    assert decoder_context(codec) == Context(10, 10)


def test_reach_of_one_frame_of_the_official_variants(make_dac):
    fields = {
        hop: receptive_field(
            make_dac(
                encoder_rates=rates, decoder_rates=rates[::-1], decoder_dim=16
            ).encoder
        ).inputs(0, 1)
        for hop, rates in {320: [2, 4, 5, 8], 512: [2, 4, 8, 8]}.items()
    }
    # Computed by hand from the layers of the paper.
    assert fields == {320: range(-2501, 2813), 512: range(-3733, 4245)}
