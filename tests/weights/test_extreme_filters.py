"""Filters that are zero, tiny or huge come back from every layout as they were."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dac_lobe import DAC, fold_weight_norm
from dac_lobe.weights import layouts

SCALES = st.sampled_from([0.0, 1e-35, 1e-30, 1e-12, 1.0, 1e12, 1e30])


@given(st.lists(SCALES, min_size=1, max_size=6), st.integers(0, 99))
def test_norming_and_folding_gives_the_same_bits(scales, seed):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(len(scales), 3, 4, generator=generator)
    weight *= torch.tensor(scales)[:, None, None]
    state = layouts.normed({"a.weight": weight})
    assert all(bool(torch.isfinite(tensor).all()) for tensor in state.values())
    assert bool((state["a.weight_v"].abs().amax((1, 2)) > 0).all())
    assert torch.equal(layouts.folded(state)["a.weight"], weight)


@settings(max_examples=5)
@given(st.lists(SCALES, min_size=4, max_size=4))
@pytest.mark.parametrize("layout", ["model.safetensors", "model.pth", "folder"])
def test_models_keep_them(make_dac, tmp_path_factory, layout, scales):
    codec = fold_weight_norm(make_dac())
    layers = [codec.encoder.block[0], codec.decoder.model[1].block[1]]
    with torch.no_grad():
        for layer in layers:
            layer.weight[: len(scales)] *= torch.tensor(scales)[:, None, None]
    path = codec.save(tmp_path_factory.mktemp("m") / layout)
    again = fold_weight_norm(DAC.from_pretrained(path))
    for (name, one), other in zip(
        codec.state_dict().items(), again.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other), name
