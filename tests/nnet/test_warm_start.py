"""Starting points, the optimizer and its schedule."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dac_lobe import DAC, ResidualUnit, ResidualVectorQuantize
from dac_lobe.network.layers import fold_weight_norm
from dac_lobe.nnet.muon import Muon, orthogonalise
from dac_lobe.nnet.schedules import phased_cosine
from dac_lobe.nnet.warm_start import (
    restart_dead_codes,
    scale_layers,
    skeleton,
    start_codebooks,
    start_from_latents,
)


def folded(**changes):
    """A small codec with plain weights."""
    options = {
        "encoder_dim": 8,
        "encoder_rates": [2, 4],
        "latent_dim": 24,
        "decoder_dim": 32,
        "decoder_rates": [4, 2],
        "n_codebooks": 4,
        "codebook_size": 64,
    }
    return fold_weight_norm(DAC(**{**options, **changes}))


def test_skeleton_equals_the_module_whose_residual_units_are_silent():
    """With their last convolution at zero, residual units are the identity."""
    codec = folded()
    for unit in codec.modules():
        if isinstance(unit, ResidualUnit):
            nn.init.zeros_(unit.block[-1].weight)
            nn.init.zeros_(unit.block[-1].bias)
    wav = torch.randn(2, 1, 160)
    for module in (codec.encoder, codec.decoder):
        torch.testing.assert_close(skeleton(module)(wav), module(wav))
        wav = module(wav)


def test_scale_layers_gives_unit_layers():
    """Every convolution on the main path ends with the deviation asked for."""
    codec = folded()
    wav = torch.randn(8, 1, 800) * 0.1
    output = scale_layers(codec.encoder, wav, residual=0.25, last=0.5)
    assert float(output.std()) == pytest.approx(0.5, rel=1e-3)
    seen = []
    hooks = [
        layer.register_forward_hook(
            lambda _, __, y: seen.append(float(y.detach().std()))
        )
        for layer in codec.encoder.modules()
        if isinstance(layer, nn.Conv1d)
    ]
    codec.encoder(wav)
    for hook in hooks:
        hook.remove()
    assert all(0.2 < value < 1.1 for value in seen), seen


def test_codebooks_start_halves_the_energy_per_stage():
    """Each stage leaves less; the start beats random codebooks by far."""
    latents = torch.randn(2000, 24) @ torch.randn(24, 24)
    quantizer = fold_weight_norm(ResidualVectorQuantize(24, 4, 64, 8)).eval()

    def left(quantizer):
        z = latents.T[None]
        return ((z - quantizer(z).z).square().sum() / z.square().sum()).item()

    before = left(quantizer)
    energy = start_codebooks(quantizer, latents)
    assert all(a > b for a, b in zip(energy, energy[1:], strict=False))
    assert left(quantizer) == pytest.approx(energy[-1], rel=1e-3)
    assert energy[-1] < 0.4 < before


def test_a_codec_started_from_its_latents_has_unit_ones():
    """And decodes them as it decoded the old ones."""
    codec = folded()
    wav = 0.1 * torch.randn(4, 1, 4000)
    with torch.no_grad():
        before = codec.encoder(wav)
        heard = codec.decoder(before)
        start_from_latents(codec, before.transpose(1, 2).flatten(0, 1))
        after = codec.encoder(wav)
        assert float(after.std()) == pytest.approx(1.0, rel=1e-4)
        torch.testing.assert_close(codec.decoder(after), heard)


def test_constant_coordinate_keeps_the_length():
    """A vector and its double land on different codes, which angles alone forbid."""
    quantizer = fold_weight_norm(ResidualVectorQuantize(4, 1, 64, 4)).eval()
    start_codebooks(quantizer, torch.randn(3000, 4))
    z = torch.tensor([[0.6, 0.6, 0.6, 0.6]]).T[None]
    assert int(quantizer(z).codes) != int(quantizer(3 * z).codes)


def test_restart_replaces_only_dead_codes():
    """Codes in use stay; at most as many are replaced as there are latents."""
    stage = ResidualVectorQuantize(6, 1, 8, 2).quantizers[0]
    before = stage.codebook.weight.detach().clone()
    usage = torch.tensor([0.5, 0.5, 0, 0, 0, 0, 0, 0.0])
    latents = torch.randn(1, 2, 4)
    assert restart_dead_codes(stage, usage, latents, share=0.1) == 4
    torch.testing.assert_close(stage.codebook.weight[:2], before[:2])
    new = stage.codebook.weight[2:6]
    assert {tuple(row) for row in new.tolist()} == {
        tuple(row) for row in latents[0].T.tolist()
    }


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (16, 16)])
def test_orthogonalise_keeps_the_singular_vectors(shape):
    """The result is U V^T up to the quintic's spread of the singular values."""
    matrix = torch.randn(shape)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    ours = u.T @ orthogonalise(matrix) @ v.T
    values = ours.diagonal()
    assert (values > 0.5).all()
    assert (values < 1.3).all()
    assert float((ours - torch.diag(values)).abs().max()) < 1e-2


def test_muon_fits_and_its_state_resumes():
    """A resumed optimizer takes the steps that an undisturbed one takes."""

    def make():
        torch.manual_seed(1)
        return nn.Sequential(nn.Conv1d(3, 8, 3), nn.ReLU(), nn.Conv1d(8, 3, 3))

    inputs = torch.randn(4, 3, 20)
    wanted = inputs[..., 2:-2].flip(1)

    def train(model, optimizer, steps):
        for _ in range(steps):
            loss = (model(inputs) - wanted).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss.item()

    straight = make()
    optimizer = Muon(straight.parameters(), lr=0.03)
    first = train(straight, optimizer, 1)
    last = train(straight, optimizer, 29)
    assert last < 0.5 * first

    model = make()
    optimizer = Muon(model.parameters(), lr=0.03)
    train(model, optimizer, 10)
    kept = optimizer.state_dict()
    resumed = make()
    resumed.load_state_dict(model.state_dict())
    optimizer = Muon(resumed.parameters(), lr=0.03)
    optimizer.load_state_dict(kept)
    train(resumed, optimizer, 20)
    for a, b in zip(straight.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=0, rtol=0)


def test_phases_follow_each_other():
    """A phase ends at its end factor, the next starts with its warm-up, the last holds."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = phased_cosine(optimizer, [(10, 1.0, 0.5, 0), (10, 0.4, 0.1, 4)])
    rates = []
    for _ in range(25):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates[0] == 2.0
    assert rates[9] > 1.0
    assert rates[10] == pytest.approx(0.8 / 4)
    assert rates[20] == rates[24] == pytest.approx(0.2)
