"""The fast path gives what the modules give, whatever happens to the codec."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
from pathlib import Path

import pytest
import soundfile
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.autograd import forward_ad

from dac_lobe import DAC
from dac_lobe.audio import read_audio
from dac_lobe.execution import attach, detach
from dac_lobe.execution.engine import Engine
from dac_lobe.execution.fixed import FixedNetwork, equal_windows, run_windows
from dac_lobe.execution.flow import run_plan
from dac_lobe.execution.native.library import find_native
from dac_lobe.execution.plan import UnusualNetworkError, make_plan
from dac_lobe.execution.precision import cpu_dtype
from dac_lobe.execution.tables import QuantizerTables
from dac_lobe.network.context import Context, decoder_context, encoder_context
from dac_lobe.network.layers import fold_weight_norm
from dac_lobe.network.quantizer import ResidualVectorQuantize
from dac_lobe.network.receptive_field import receptive_field

ROOT = Path(__file__).resolve().parents[2]


def plainly(codec, wav, **options):
    """Encode and decode with the modules themselves."""
    engine, codec.executor = codec.executor, None
    try:
        with torch.no_grad():
            encoded = codec.encode(wav, **options)
            return encoded, codec.decode(encoded.z)
    finally:
        codec.executor = engine


def check(codec, wav, **options):
    """Compare the engine with the modules."""
    plain, plain_wav = plainly(codec, wav, **options)
    encoded = codec.encode(wav, **options)
    assert torch.equal(encoded.codes, plain.codes)
    for ours, theirs in zip(encoded, plain, strict=True):
        near(ours, theirs, 1e-4)
    assert not encoded.z.requires_grad
    near(codec.decode(encoded.z), plain_wav, 1e-5)


def near(ours, theirs, tolerance):
    """Compare tensors, in units of the largest value."""
    largest = float(theirs.abs().max()) if theirs.numel() else 0.0
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance * (largest + 1e-9))


@pytest.fixture(params=["torch", "native"])
def backend(request, monkeypatch):
    monkeypatch.delenv("DAC_LOBE_BACKEND", raising=False)
    if request.param == "native" and find_native().library is None:
        pytest.skip(f"no native kernel: {find_native().reason}")
    return request.param


@pytest.fixture
def codec(make_dac, backend):
    return attach(make_dac(), backend)


@pytest.mark.parametrize("rates", [[2, 4], [2, 4, 5, 8], [3, 5]])
@pytest.mark.parametrize("samples", [1, 7, 121, 1000])
def test_engine_equals_modules(make_dac, backend, rates, samples):
    codec = make_dac(
        encoder_rates=rates, decoder_rates=rates[::-1], decoder_dim=2 ** len(rates) * 2
    )
    check(attach(codec, backend), torch.randn(2, 1, samples))


@given(st.integers(1, 60), st.integers(1, 60), st.booleans())
@settings(max_examples=25, deadline=None)
def test_chunks_do_not_show(tiny_dac, frames, chunk, decode):
    from dac_lobe.execution.eager import TorchKernel

    network = tiny_dac.decoder if decode else tiny_dac.encoder
    step = 1 if decode else tiny_dac.hop_length
    x = torch.randn(1, tiny_dac.latent_dim if decode else 1, frames * step)
    kernels = [TorchKernel(step) for step in make_plan(network)]
    parts = [rows.clone() for rows in run_plan(kernels, x[0].t(), chunk)]
    with torch.no_grad():
        whole = network(x)
    near(torch.cat(parts).t()[None], whole, 1e-5)


def test_a_position_is_computed_from_what_it_depends_on_alone(make_dac, backend):
    codec = attach(make_dac(), backend)
    frame, wav = 40, torch.randn(1, 80 * codec.hop_length)
    seen = receptive_field(codec.encoder).inputs(frame, frame + 1)
    assert 0 < seen.start < seen.stop < wav.shape[1]

    def encode(signal):
        made = codec.executor._made_from(codec.encoder)
        run = codec.executor._encode_single_frames
        (latents,) = run(codec, made, [signal], [frame])
        return latents

    alone, other = encode(wav), torch.randn_like(wav)
    near(alone, codec.encode_frames(wav[None], None)[..., frame : frame + 1], 1e-5)
    other[:, seen.start : seen.stop] = wav[:, seen.start : seen.stop]
    assert torch.equal(encode(other), alone)


def test_items_of_a_batch_are_alone(codec):
    wav = torch.randn(3, 1, 800)
    lengths = torch.tensor([800, 123, 8])
    check(codec, wav, lengths=lengths)
    padded = codec.encode(wav, lengths=lengths).codes
    assert torch.equal(padded[1, :, :16], codec.encode(wav[1:2, :, :123]).codes[0])


@pytest.mark.parametrize("used", [1, 2, 3])
def test_any_number_of_codebooks(codec, used):
    check(codec, torch.randn(1, 1, 500), n_quantizers=used)
    codes = torch.randint(16, (2, used, 9))
    with torch.no_grad():
        plain = codec.quantizer.from_codes(codes)
    for ours, theirs in zip(codec.dequantize(codes), plain, strict=True):
        near(ours, theirs, 1e-6)


def test_codebooks_of_unequal_dimensions(make_dac, backend):
    codec = attach(make_dac(codebook_dim=[2, 4, 3]), backend)
    check(codec, torch.randn(2, 1, 400))


def test_codes_are_checked(codec):
    with pytest.raises(ValueError, match="allowed is"):
        codec.decode_codes(torch.full((1, 1, 4), 16))


def test_strange_layouts_of_audio(codec):
    wide = torch.randn(1, 1, 1600)
    check(codec, wide[..., ::2])
    check(codec, wide.flip(-1).double())
    check(codec, wide.half())
    check(codec, wide[:0])


def test_other_types_run_the_modules(make_dac, backend):
    codec = attach(make_dac().double(), backend)
    check(codec, torch.randn(1, 1, 100))


@pytest.mark.parametrize(
    "change",
    [
        lambda codec: codec.encoder.block[0].bias.data.add_(0.5),
        lambda codec: codec.decoder.model[0].bias.data.mul_(2.0),
        lambda codec: codec.quantizer.quantizers[0].codebook.weight.data.neg_(),
        lambda codec: codec.load_state_dict(
            {k: v * 1.1 for k, v in codec.state_dict().items()}
        ),
        lambda codec: setattr(
            codec.encoder.block[0], "bias", torch.nn.Parameter(torch.randn(4))
        ),
        lambda codec: codec.encoder.block.__setitem__(0, nn.Conv1d(1, 4, 7, padding=3)),
        lambda codec: fold_weight_norm(codec),
        lambda codec: codec.double().float(),
        lambda codec: codec.double(),
    ],
)
def test_changed_weights_are_noticed(codec, change):
    wav = torch.randn(1, 1, 300)
    check(codec, wav)
    with torch.no_grad():
        change(codec)
    check(codec, wav)


def test_one_code_that_moves_is_noticed(codec):
    codebook = codec.quantizer.quantizers[0].codebook.weight
    codes = torch.arange(len(codebook)).repeat(1, codec.n_codebooks, 1)
    before = codec.decode_codes(codes)
    for code in range(len(codebook)):
        codebook.data[code] += 1.0
        after = codec.decode_codes(codes)
        assert not torch.equal(after, before)
        before = after


def test_a_training_step_runs_the_modules_and_is_noticed(codec):
    wav = torch.randn(2, 1, 400)
    check(codec, wav)
    codec.train()
    optimizer = torch.optim.AdamW(codec.parameters(), lr=0.01)
    result = codec(wav, reconstruct=True)
    loss = result.audio.pow(2).mean() + result.commitment_loss + result.codebook_loss
    loss.backward()
    assert all(p.grad is not None for p in codec.parameters())
    optimizer.step()
    check(codec.eval(), wav)


def test_gradients_of_inputs_run_the_modules(codec):
    z = torch.randn(1, codec.latent_dim, 5, requires_grad=True)
    codec.decode(z).sum().backward()
    assert z.grad.abs().sum() > 0


@pytest.mark.parametrize("before", [True, False])
def test_hooks_are_called(codec, before):
    wav = torch.randn(1, 1, 200)
    encoded = codec.encode(wav)
    seen = []
    stage = codec.quantizer.quantizers[1]
    layers = codec.encoder.block[0], stage.in_proj, codec.decoder.model
    for layer in layers:
        if before:
            hook = layer.register_forward_pre_hook(lambda *call: seen.append(call[0]))
        else:
            hook = layer.register_forward_hook(lambda *call: seen.append(call[0]))
        seen.clear()
        again = codec.encode(wav)
        codec.decode_codes(again.codes)
        hook.remove()
        assert layer in seen
        assert torch.equal(again.codes, encoded.codes)


def test_what_a_hook_changes_counts(codec):
    wav = torch.randn(2, 1, 400)
    check(codec, wav)
    codec.encoder.block[1].register_forward_hook(lambda module, x, y: 1.5 * y)
    codec.decoder.model[1].register_forward_hook(lambda module, x, y: -y)
    check(codec, wav)


def test_audio_on_another_device_is_for_torch_to_refuse(codec):
    with pytest.raises(RuntimeError, match="meta"):
        codec.encode_frames(torch.zeros(1, 1, 80, device="meta"), None)
    with pytest.raises(RuntimeError, match="meta"):
        codec.to("meta").encode_frames(torch.zeros(1, 1, 80), None)


def test_only_the_part_in_training_runs_its_modules(codec):
    codec.decoder.train()
    encoded = codec.encode(torch.randn(1, 1, 80))
    assert not encoded.z.requires_grad
    assert codec.decode(encoded.z).requires_grad


def test_copies_are_independent(codec):
    wav = torch.randn(1, 1, 200)
    keys = list(codec.state_dict())
    codec.encode(wav)
    twin = copy.deepcopy(codec)
    assert list(twin.state_dict()) == keys
    assert torch.equal(twin.encode(wav).codes, codec.encode(wav).codes)
    twin.encoder.block[0].bias.data.add_(1.0)
    check(twin, wav)
    check(codec, wav)


def held() -> int:
    """Bytes of all tensors that are alive."""
    gc.collect()
    storages = {
        t.untyped_storage().data_ptr(): t.untyped_storage().nbytes()
        for t in gc.get_objects()
        if type(t) in (torch.Tensor, nn.Parameter) and t.device.type == "cpu"
    }
    return sum(storages.values())


def test_weights_are_copied_once(make_dac, backend):
    """Folded weights are as large as the network: they go when they are packed."""
    codec = attach(make_dac(encoder_dim=16, decoder_dim=256), backend)
    before = held()
    codec.decode(codec.encode(torch.randn(1, 1, 200)).z)
    weights = sum(4 * p.numel() for p in codec.parameters())
    # Winograd's points are more than the taps they stand for.
    assert (
        0.9 * weights
        < held() - before
        < {"torch": 1.1, "native": 1.9}[backend] * (weights)
    )


def test_an_engine_pickles_without_what_it_made(codec):
    empty = len(pickle.dumps(codec.executor))
    codec.encode(torch.randn(1, 1, 200))
    pickled = pickle.dumps(codec.executor)
    assert len(pickled) == empty
    assert repr(pickle.loads(pickled)) == repr(codec.executor)  # noqa: S301


def test_threads_share_a_codec(codec):
    wavs = [torch.randn(1, 1, 200 + 8 * i) for i in range(6)]
    alone = [codec.encode(wav).codes for wav in wavs]
    together = [None] * len(wavs)

    def run(i):
        together[i] = codec.encode(wavs[i]).codes

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(wavs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(map(torch.equal, alone, together))


def test_unusual_networks_run_their_modules(codec):
    codec.encoder.block[1].block[0].block[1].padding = (0,)
    with pytest.raises(UnusualNetworkError):
        make_plan(codec.encoder)
    wav = torch.randn(1, 1, 2000)
    check(codec, wav)


def test_detach_runs_the_modules(codec):
    assert isinstance(codec.executor, Engine)
    assert detach(codec).executor is None


@pytest.fixture
def bfloat16():
    """A processor with instructions for bfloat16."""
    try:
        return cpu_dtype("bf16")
    except ValueError as error:
        pytest.skip(str(error))


def test_bfloat16_decodes_40_decibels_above_its_error(bfloat16, backend):
    codec = DAC.from_pretrained("16khz-small", backend=backend)
    wav = torch.from_numpy(read_audio(ROOT / "demo" / "clips" / "english_man.flac"))[
        None
    ]
    codes = codec.encode(wav).codes
    exact = codec.decode_codes(codes)
    attach(codec, backend, "bf16")
    assert torch.equal(codec.encode(wav).codes, codes)
    reduced = codec.decode_codes(codes)
    error = (reduced - exact).square().sum() / exact.square().sum()
    assert 0 < error < 1e-4
    chunked = codec.decode_chunked(codes, 20)
    assert (chunked - reduced).square().sum() < 1e-4 * exact.square().sum()


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_precision_that_the_processor_lacks_is_refused(
    make_dac, monkeypatch, precision
):
    monkeypatch.setattr("dac_lobe.execution.precision._native_dtypes", set)
    with pytest.raises(ValueError, match="no instructions for it. Choose 'exact'"):
        attach(make_dac(), precision=precision)


def test_tf32_is_exact_on_a_cpu(make_dac):
    codec, codes = make_dac(), torch.randint(16, (1, 3, 40))
    exact = attach(codec, "torch").decode_codes(codes)
    assert torch.equal(attach(codec, "torch", "tf32").decode_codes(codes), exact)


def test_encoders_are_exact_on_a_cpu(make_dac):
    with pytest.raises(ValueError, match="encoder_precision='bf16' is for GPUs"):
        attach(make_dac(), encoder_precision="bf16")


@pytest.mark.parametrize("option", [{"backend": "cuda"}, {"precision": "fp8"}])
def test_unknown_options_are_refused(make_dac, option):
    with pytest.raises(ValueError, match="choose one of"):
        attach(make_dac(), **option)


def test_environment_chooses_the_backend(make_dac, monkeypatch):
    monkeypatch.setenv("DAC_LOBE_BACKEND", "torch")
    assert attach(make_dac(), "auto").executor.backend == "torch"
    monkeypatch.setenv("DAC_LOBE_BACKEND", "fortran")
    with pytest.raises(ValueError, match="DAC_LOBE_BACKEND"):
        attach(make_dac())


def test_real_speech_gets_the_same_codes(shared_audio, backend):
    from dac_lobe import DAC

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


@pytest.mark.slow
def test_fixed_network_compiles_whole(make_dac):
    """As a GPU has it compiled; no graph breaks, same results."""
    network = FixedNetwork(make_plan(make_dac().decoder))
    channels = network.steps[0].filter.weight.shape[1]
    x, lengths = torch.randn(2, channels, 9), torch.tensor([9, 4])
    compiled = torch.compile(network, fullgraph=True)
    with torch.no_grad():
        near(compiled(x, lengths), network(x, lengths), 1e-5)


@given(st.integers(1, 90), st.integers(1, 90), st.booleans())
@settings(max_examples=20)
def test_fixed_windows_do_not_show(tiny_dac, frames, valid, channels_last):
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


@pytest.mark.gpu
@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize(
    ("precision", "decibels"), [("exact", 90), ("tf32", 45), ("bf16", 25), ("fp16", 40)]
)
def test_gpu_gives_the_same(make_dac, precision, decibels, compile):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    codec = make_dac().cuda()
    plain = codec.encode(torch.randn(1, 1, 40000, device="cuda"))
    wav = codec.decode(plain.z)
    attach(codec, precision=precision, compile=compile)
    for _ in range(2):  # captured, then replayed
        fast = codec.decode(plain.z)
        noise = (fast - wav).square().mean() / wav.square().mean()
        assert 10 * torch.log10(noise) < -decibels
    batch = torch.randn(3, 1, 30000, device="cuda")
    lengths = torch.tensor([30000, 8, 12345], device="cuda")
    check(codec, batch, lengths=lengths) if precision == "exact" else None


DEFAULTS = [torch.bfloat16, torch.float16, torch.float64]


@pytest.mark.parametrize("dtype", DEFAULTS)
@pytest.mark.parametrize("loaded", ["before", "after"])
def test_torch_s_default_type_does_not_matter(backend, dtype, loaded):
    wav = 0.2 * torch.randn(2, 1, 8000)
    codec = DAC.from_pretrained(backend=backend)
    expected = codec.encode(wav)
    sound = codec.decode_codes(expected.codes)
    torch.set_default_dtype(dtype)
    try:
        if loaded == "after":
            codec = DAC.from_pretrained(backend=backend)
        encoded = codec.encode(wav)
        assert torch.equal(encoded.codes, expected.codes)
        assert torch.equal(codec.decode_codes(encoded.codes), sound)
        assert torch.equal(codec.encode_chunked(wav, 7), expected.codes)
    finally:
        torch.set_default_dtype(torch.float32)


def test_nor_does_its_default_device(codec):
    wav = torch.randn(2, 1, 300)
    with torch.device("meta"):
        encoded = codec.encode(wav)
        decoded = codec.decode_codes(encoded.codes)
        part = codec.encode(wav, lengths=torch.tensor([300, 90], device="cpu"))
    check(codec, wav)
    assert torch.equal(encoded.codes, codec.encode(wav).codes)
    assert torch.equal(decoded, codec.decode_codes(encoded.codes))
    assert torch.equal(part.codes[0], encoded.codes[0])


@pytest.mark.parametrize("part", ["encoder", "quantizer", "decoder"])
def test_a_part_of_another_codec_counts(codec, make_dac, part):
    wav, other = torch.randn(1, 1, 300), make_dac()
    for parameter in other.parameters():
        parameter.data.mul_(1.3)
    check(codec, wav)
    kept = getattr(codec, part)
    setattr(codec, part, getattr(other, part))
    check(codec, wav)
    setattr(codec, part, kept)
    check(codec, wav)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
@pytest.mark.parametrize("part", ["encoder", "quantizer", "decoder"])
def test_a_part_of_another_type_is_for_modules(codec, part, dtype):
    wav = torch.randn(1, 1, 300)
    check(codec, wav)
    getattr(codec, part).to(dtype)
    plain = detach(copy.deepcopy(codec))

    def outcome(one):
        try:
            encoded = one.encode(wav)
            return [*encoded, one.decode_codes(encoded.codes)]
        except RuntimeError as error:
            return [str(error)]

    for ours, theirs in zip(outcome(codec), outcome(plain), strict=True):
        assert ours == theirs if isinstance(ours, str) else torch.equal(ours, theirs)


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
