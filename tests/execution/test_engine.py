"""The fast path gives what the modules give, whatever happens to the codec."""

from __future__ import annotations

from functools import partial

import pytest
import soundfile
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import forward_ad

from dac_lobe import DAC
from dac_lobe.execution import attach, detach
from dac_lobe.execution.engine import Engine
from dac_lobe.execution.flow import run_plan
from dac_lobe.execution.plan import UnusualNetworkError, make_plan
from dac_lobe.execution.tables import QuantizerTables
from dac_lobe.network.layers import fold_weight_norm
from dac_lobe.network.quantizer import ResidualVectorQuantize
from dac_lobe.network.receptive_field import receptive_field


@pytest.mark.parametrize("rates", [[2, 4], [2, 4, 5, 8], [3, 5]])
@pytest.mark.parametrize("samples", [1, 7, 121, 1000])
def test_engine_equals_modules(make_dac, backend, rates, samples, check):
    codec = make_dac(
        encoder_rates=rates, decoder_rates=rates[::-1], decoder_dim=2 ** len(rates) * 2
    )
    check(attach(codec, backend), torch.randn(2, 1, samples))


@given(st.integers(1, 60), st.integers(1, 60), st.booleans())
@settings(max_examples=25, deadline=None)
def test_chunks_do_not_show(tiny_dac, near, frames, chunk, decode):
    from dac_lobe.execution.eager import TorchKernel

    network = tiny_dac.decoder if decode else tiny_dac.encoder
    step = 1 if decode else tiny_dac.hop_length
    x = torch.randn(1, tiny_dac.latent_dim if decode else 1, frames * step)
    kernels = [TorchKernel(step) for step in make_plan(network)]
    parts = [rows.clone() for rows in run_plan(kernels, x[0].t(), chunk)]
    with torch.no_grad():
        whole = network(x)
    near(torch.cat(parts).t()[None], whole, 1e-5)


def test_a_position_is_computed_from_what_it_depends_on_alone(make_dac, backend, near):
    codec = attach(make_dac(), backend)
    frame, wav = 40, torch.randn(1, 80 * codec.hop_length)
    seen = receptive_field(codec.encoder).inputs(frame, frame + 1)
    assert 0 < seen.start < seen.stop < wav.shape[1]

    def encode(signal):
        derived = codec.executor._derived_from(codec.encoder)
        run = codec.executor._encode_single_frames
        (latents,) = run(codec, derived, [signal], [frame])
        return latents

    alone, other = encode(wav), torch.randn_like(wav)
    near(alone, codec.encode_frames(wav[None], None)[..., frame : frame + 1], 1e-5)
    other[:, seen.start : seen.stop] = wav[:, seen.start : seen.stop]
    assert torch.equal(encode(other), alone)


def test_items_of_a_batch_are_alone(codec, check):
    wav = torch.randn(3, 1, 800)
    lengths = torch.tensor([800, 123, 8])
    check(codec, wav, lengths=lengths)
    padded = codec.encode(wav, lengths=lengths).codes
    assert torch.equal(padded[1, :, :16], codec.encode(wav[1:2, :, :123]).codes[0])


@pytest.mark.parametrize("used", [1, 2, 3])
def test_any_number_of_codebooks(codec, used, check, near):
    check(codec, torch.randn(1, 1, 500), n_quantizers=used)
    codes = torch.randint(16, (2, used, 9))
    with torch.no_grad():
        plain = codec.quantizer.from_codes(codes)
    for ours, theirs in zip(codec.dequantize(codes), plain, strict=True):
        near(ours, theirs, 1e-6)


def test_codebooks_of_unequal_dimensions(make_dac, backend, check):
    codec = attach(make_dac(codebook_dim=[2, 4, 3]), backend)
    check(codec, torch.randn(2, 1, 400))


def test_codes_are_checked(codec):
    with pytest.raises(ValueError, match="allowed is"):
        codec.decode_codes(torch.full((1, 1, 4), 16))


def test_strange_layouts_of_audio(codec, check):
    wide = torch.randn(1, 1, 1600)
    check(codec, wide[..., ::2])
    check(codec, wide.flip(-1).double())
    check(codec, wide.half())
    check(codec, wide[:0])


def test_other_types_run_the_modules(make_dac, backend, check):
    codec = attach(make_dac().double(), backend)
    check(codec, torch.randn(1, 1, 100))


def test_gradients_of_inputs_run_the_modules(codec):
    z = torch.randn(1, codec.latent_dim, 5, requires_grad=True)
    codec.decode(z).sum().backward()
    assert z.grad.abs().sum() > 0


def test_audio_on_another_device_is_for_torch_to_refuse(codec):
    with pytest.raises(RuntimeError, match="meta"):
        codec.encode_frames(torch.zeros(1, 1, 80, device="meta"), None)
    with pytest.raises(RuntimeError, match="meta"):
        codec.to("meta").encode_frames(torch.zeros(1, 1, 80), None)


def test_unusual_networks_run_their_modules(codec, check):
    codec.encoder.block[1].block[0].block[1].padding = (0,)
    with pytest.raises(UnusualNetworkError):
        make_plan(codec.encoder)
    wav = torch.randn(1, 1, 2000)
    check(codec, wav)


def test_detach_runs_the_modules(codec):
    assert isinstance(codec.executor, Engine)
    assert detach(codec).executor is None


def test_environment_chooses_the_backend(make_dac, monkeypatch):
    monkeypatch.setenv("DAC_LOBE_BACKEND", "torch")
    assert attach(make_dac(), "auto").executor.backend == "torch"
    monkeypatch.setenv("DAC_LOBE_BACKEND", "fortran")
    with pytest.raises(ValueError, match="DAC_LOBE_BACKEND"):
        attach(make_dac())


def test_real_speech_gets_the_same_codes(shared_audio, backend, check):

    codec = DAC.from_pretrained("16khz-small", backend=backend)
    path = sorted((shared_audio / "eval_speech_16k").glob("*.flac"))[0]
    wav = torch.from_numpy(soundfile.read(path, dtype="float32")[0])[None, None]
    check(codec, wav[..., :48000])
    with torch.no_grad():
        z = codec.encoder(wav[..., :32000])
        plain = codec.quantizer(z)
    ours = QuantizerTables(codec.quantizer).quantize(z, 12)
    assert torch.equal(ours.codes, plain.codes)


def test_a_margin_is_how_much_nearer_a_code_is_than_the_next_one():
    torch.manual_seed(0)
    quantizer = ResidualVectorQuantize(16, 3, 50, 4).eval()
    z = torch.randn(2, 16, 9)
    z[1, :, 8] = 0.0
    quantized, margins = QuantizerTables(quantizer).quantize_with_margins(z, 3)
    for k, stage in enumerate(quantizer.quantizers):
        directions = F.normalize(stage.codebook.weight.detach())
        latents = quantized.latents[:, 4 * k : 4 * (k + 1)]
        products = (directions @ latents).sort(dim=1, descending=True)
        assert torch.equal(products.indices[:, 0], quantized.codes[:, k])
        gap = products.values[:, 0] - products.values[:, 1]
        unit = z.square().mean(dim=1).sqrt() * stage.in_proj.weight.norm()
        torch.testing.assert_close(
            margins[:, k].flatten()[:-1],
            (gap / unit).flatten()[:-1],
            rtol=1e-4,
            atol=1e-6,
        )
    assert margins[1, :, 8].isinf().all()


def test_compiled_code_is_not_for_processors(make_dac):
    """It was not faster everywhere; what a user can do instead is said."""
    with pytest.raises(ValueError, match="Leave it out, or choose device='cuda'"):
        attach(make_dac(), compile=True)
    # Before anything is read or fetched, so that nobody waits for a refusal.
    with pytest.raises(ValueError, match="Leave it out"):
        DAC.from_pretrained("no/such/file.pth", compile=True)


def test_nor_does_its_default_device(codec, check):
    wav = torch.randn(2, 1, 300)
    with torch.device("meta"):
        encoded = codec.encode(wav)
        decoded = codec.decode_codes(encoded.codes)
        part = codec.encode(wav, lengths=torch.tensor([300, 90], device="cpu"))
    check(codec, wav)
    assert torch.equal(encoded.codes, codec.encode(wav).codes)
    assert torch.equal(decoded, codec.decode_codes(encoded.codes))
    assert torch.equal(part.codes[0], encoded.codes[0])


def test_views_with_the_sign_turned(codec):
    wav = torch.randn(1, 1, 400)
    turned = torch.complex(torch.zeros_like(wav), -wav).conj().imag
    assert turned.is_neg()
    assert torch.equal(codec.encode(turned).codes, codec.encode(wav).codes)
    z = codec.encode(wav).z
    turned = torch.complex(torch.zeros_like(z), -z).conj().imag
    assert torch.equal(codec.decode(turned), codec.decode(z))
    assert torch.equal(codec.quantize(turned, 2).codes, codec.quantize(z, 2).codes)


def test_derivatives_in_forward_mode(codec):
    z, along = torch.randn(2, 1, codec.latent_dim, 5)
    with forward_ad.dual_level():
        sound = codec.decode(forward_ad.make_dual(z, along))
        tangent = forward_ad.unpack_dual(sound).tangent
    step = codec.decode(z + 1e-2 * along) - codec.decode(z - 1e-2 * along)
    torch.testing.assert_close(tangent, step / 2e-2, atol=1e-2, rtol=1e-2)
    torch.testing.assert_close(torch.func.jvp(codec.decode, (z,), (along,))[1], tangent)


RUNS = {
    "decoder": lambda codec: codec.decode(torch.ones(1, codec.latent_dim, 5)),
    "encoder": lambda codec: codec.encode_frames(torch.ones(1, 1, 80), None),
    "quantizer": lambda codec: codec.dequantize(torch.ones(1, 3, 5).long()).z,
}


class Run(torch.nn.Module):
    """A part, as a module that runs it as the codec does."""

    def __init__(self, part, run):
        super().__init__()
        self.part, self.run = part, run

    def forward(self):
        return self.run()


@pytest.mark.parametrize("part", RUNS)
def test_torch_func_of_weights_runs_the_modules(codec, part):
    fold_weight_norm(codec)  # torch cannot derive it forward
    run = Run(getattr(codec, part), partial(RUNS[part], codec))
    run()
    weights = {name: p.detach() for name, p in run.named_parameters()}

    def total(weights):
        return torch.func.functional_call(run, weights, ()).sum()

    gradients = torch.func.grad(total)(weights)
    stacked = {name: torch.stack([w, 1.1 * w]) for name, w in weights.items()}
    totals = torch.vmap(total)(stacked)
    along = {name: torch.ones_like(w) for name, w in weights.items()}
    _, tangent = torch.func.jvp(total, (weights,), (along,))
    with forward_ad.dual_level():
        dual = {
            name: forward_ad.make_dual(w, along[name]) for name, w in weights.items()
        }
        tangent_of_dual = forward_ad.unpack_dual(total(dual)).tangent
    expected = sum(g.sum() for g in gradients.values())
    assert expected.abs() > 0.01
    torch.testing.assert_close(tangent, expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(tangent_of_dual, tangent, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(totals[0], run().sum(), rtol=1e-4, atol=1e-4)
    codec.executor = None
    torch.testing.assert_close(
        total({n: 1.1 * w for n, w in weights.items()}), totals[1]
    )
