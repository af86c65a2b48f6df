"""One name for the same weights, whatever file they lie in; another for others."""

from __future__ import annotations

import copy
import gc

import pytest
import torch

from dac_lobe import DAC
from dac_lobe.network.layers import fold_weight_norm
from dac_lobe.weights import fingerprint as module
from dac_lobe.weights import layouts
from dac_lobe.weights.fingerprint import fingerprint


@pytest.fixture
def codec(make_dac):
    return make_dac()


def test_the_form(codec):
    name = fingerprint(codec)
    assert len(name) == 64
    assert int(name, 16) > 0


@pytest.mark.parametrize("layout", ["codec.pth", "codec.safetensors", "folder"])
def test_the_same_in_every_layout(codec, tmp_path, layout):
    loaded = DAC.from_pretrained(codec.save(tmp_path / layout))
    assert fingerprint(loaded) == fingerprint(codec)


def test_the_same_folded(codec):
    name = fingerprint(codec)
    assert fingerprint(fold_weight_norm(codec)) == name


def test_the_same_after_folding_elsewhere(codec, tmp_path):
    """Another machine's folding differs in the last bit of any weight."""
    state = layouts.folded(
        {layouts.official_key(k): t for k, t in codec.state_dict().items()}
    )
    for key, tensor in state.items():
        if tensor.dim() == 3 and key.endswith("weight"):
            ulp = torch.finfo(torch.float32).eps * torch.randint(-1, 2, tensor.shape)
            state[key] = tensor * (1 + ulp)
            assert not torch.equal(state[key], tensor)
    content = {"state_dict": state, "metadata": {"kwargs": codec.config}}
    torch.save(content, tmp_path / "other.pth")
    other = DAC.from_pretrained(tmp_path / "other.pth")
    assert fingerprint(other) == fingerprint(codec)


def test_the_same_in_transformers(codec, tmp_path):
    from transformers import DacModel

    theirs = DacModel.from_pretrained(codec.save(tmp_path / "ours"))
    theirs.save_pretrained(tmp_path / "theirs")
    loaded = DAC.from_pretrained(tmp_path / "theirs")
    assert fingerprint(loaded) == fingerprint(codec)


def test_another_after_any_exact_weight_changes(codec):
    seen = {fingerprint(codec)}
    names = [n for n, _ in codec.named_parameters() if not n.endswith(("0", "1"))]
    names = sorted({n for n in names if "codebook" in n}.union(names[::6]))
    for name in names:
        changed = copy.deepcopy(codec)
        with torch.no_grad():
            changed.get_parameter(name).view(-1)[-1] += 1e-6
        seen.add(fingerprint(changed))
    assert len(seen) == len(names) + 1


def test_another_after_convolutions_alone_change(codec):
    """Noise of 2 %, nothing else: as if a low-rank adapter had been merged."""
    name = fingerprint(codec)
    with torch.no_grad():
        for key, parameter in codec.named_parameters():
            if key.endswith("original1"):
                parameter.add_(0.02 * parameter.std() * torch.randn_like(parameter))
    assert fingerprint(codec) != name


@pytest.mark.parametrize("factor", [-1.0, 1.5])
def test_another_after_one_convolution_is_scaled(make_dac, factor):
    codec = fold_weight_norm(make_dac())
    names = {fingerprint(codec)}
    layers = [m for m in codec.modules() if hasattr(m, "kernel_size")]
    for layer in layers:
        layer.weight.data.mul_(factor)
        names.add(fingerprint(codec))
    assert len(names) == len(layers) + 1


def test_another_after_noise_on_one_convolution(make_dac):
    """2 %, on any one of them: seldom enough missed to be missed by no draw here."""
    codec = fold_weight_norm(make_dac(encoder_dim=8))
    name = fingerprint(codec)
    layers = [m for m in codec.modules() if hasattr(m, "kernel_size")]
    draws = [layers[3 * draw] for draw in range(10)]
    missed = 0
    for layer in draws:
        weight = layer.weight.detach().clone()
        layer.weight.data.add_(0.02 * weight.std() * torch.randn_like(weight))
        missed += fingerprint(codec) == name
        layer.weight.data.copy_(weight)
    assert missed <= 1
    assert fingerprint(codec) == name


def test_a_name_of_before_is_recognised(codec, other_dac):
    name, before = fingerprint(codec), module._digest(codec, 1)
    assert before != name
    assert fingerprint(codec, like=before) == before
    assert fingerprint(codec, like=name) == name
    assert fingerprint(codec, like="ab12") == name
    assert fingerprint(other_dac, like=before) == fingerprint(other_dac)


def test_another_for_another_configuration(make_dac):
    def name(**changes):
        torch.manual_seed(0)
        return fingerprint(make_dac(**changes))

    assert len({name(), name(sample_rate=24000), name(delay=1)}) == 3
    assert name(quantizer_dropout=0.5) == name()


def test_kept_until_a_parameter_changes(codec, monkeypatch):
    calls = []
    digest = module._digest
    monkeypatch.setattr(
        module, "_digest", lambda *given: calls.append(1) or digest(*given)
    )
    name = fingerprint(codec)
    assert fingerprint(codec) == name
    assert len(calls) == 1
    optimizer = torch.optim.SGD(codec.parameters(), lr=0.1)
    codec(torch.randn(1, 1, 80), reconstruct=True).audio.square().sum().backward()
    optimizer.step()
    trained = fingerprint(codec)
    assert trained != name
    codec.load_state_dict(copy.deepcopy(codec.state_dict()), assign=True)
    assert fingerprint(codec) == trained
    assert len(calls) == 3
    codec.half()
    assert fingerprint(codec) != trained


def test_what_autograd_does_not_see_is_noticed(codec):
    name = fingerprint(codec)
    codec.decoder.model[0].bias.data.add_(1)
    assert fingerprint(codec) != name


def test_nothing_is_kept_of_a_model_that_is_gone(make_dac):
    gc.collect()
    before = len(module._known)
    for _ in range(3):
        fingerprint(make_dac())
    gc.collect()
    assert len(module._known) == before


def test_inference_mode_is_no_obstacle(make_dac):
    with torch.inference_mode():
        codec = make_dac()
        name = fingerprint(codec)
        codec.decoder.model[0].bias.add_(1)
        assert fingerprint(codec) != name


def test_not_a_number_has_no_name(codec):
    with torch.no_grad():
        codec.decoder.model[0].bias[0] = torch.nan
    with pytest.raises(ValueError, match="'decoder.model.0.bias' holds NaN"):
        fingerprint(codec)


def test_the_definition_does_not_drift(codec):
    """A fingerprint in a file must be found again by later versions."""
    codec = DAC(
        encoder_dim=2,
        encoder_rates=[2],
        decoder_dim=2,
        decoder_rates=[2],
        n_codebooks=1,
        codebook_size=2,
        codebook_dim=1,
        sample_rate=8000,
    )
    with torch.no_grad():
        for parameter in codec.parameters():
            ramp = torch.arange(1, parameter.numel() + 1, dtype=torch.float32)
            parameter.copy_(ramp.view(parameter.shape) / 8)
    assert module._digest(codec, 1).startswith("9559fd125732126245ae64504f3c63f2")
    assert fingerprint(codec).startswith("cac71b464fb9811f233aad8725a730bb")
