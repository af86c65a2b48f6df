"""Networks of fixed windows: they compile whole, and no window shows."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dac_lobe.execution.fixed import FixedNetwork, equal_windows, run_windows
from dac_lobe.execution.plan import make_plan
from dac_lobe.network.context import Context, decoder_context, encoder_context


@pytest.mark.slow
def test_fixed_network_compiles_whole(make_dac, near):
    """As a GPU has it compiled; no graph breaks, same results."""
    network = FixedNetwork(make_plan(make_dac().decoder))
    channels = network.steps[0].filter.weight.shape[1]
    x, lengths = torch.randn(2, channels, 9), torch.tensor([9, 4])
    compiled = torch.compile(network, fullgraph=True)
    with torch.no_grad():
        near(compiled(x, lengths), network(x, lengths), 1e-5)


@given(st.integers(1, 90), st.integers(1, 90), st.booleans())
@settings(max_examples=20)
def test_fixed_windows_do_not_show(tiny_dac, near, frames, valid, channels_last):
    valid = min(frames, valid)
    lengths = torch.tensor([frames, valid])
    hop = tiny_dac.hop_length
    wav, z = (
        torch.randn(2, 1, frames * hop),
        torch.randn(2, tiny_dac.latent_dim, frames),
    )
    with torch.no_grad():
        cases = (
            (tiny_dac.encoder, wav, lengths * hop, encoder_context(tiny_dac), (hop, 1)),
            (tiny_dac.decoder, z, lengths, decoder_context(tiny_dac), (1, hop)),
        )
        for network, x, valid, context, hops in cases:
            body = FixedNetwork(make_plan(network), channels_last=channels_last)
            whole = network(x, valid)
            out = torch.zeros_like(whole)
            run_windows(body, x, valid, sum(context) + 7, context, hops, out)
            near(out, whole, 1e-5)


def test_windows_must_be_wider_than_their_context():
    with pytest.raises(ValueError, match="leaves nothing"):
        next(equal_windows(10, 4, Context(2, 2)))
