"""Precisions: what is reduced, how far it may stray, and what is refused."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from dac_lobe import DAC
from dac_lobe.audio import read_audio
from dac_lobe.execution import attach, detach
from dac_lobe.execution.precision import cpu_dtype

ROOT = Path(__file__).resolve().parents[2]


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


@pytest.mark.gpu
@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize(
    ("precision", "decibels"), [("exact", 90), ("tf32", 45), ("bf16", 25), ("fp16", 40)]
)
def test_gpu_gives_the_same(make_dac, precision, decibels, compile, check):
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


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
@pytest.mark.parametrize("part", ["encoder", "quantizer", "decoder"])
def test_a_part_of_another_type_is_for_modules(codec, part, dtype, check):
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
