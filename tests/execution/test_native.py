"""The native kernel against torch: every kind of layer, every size, every build."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from unittest import mock

import pytest
import soundfile
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dac_lobe.execution import attach
from dac_lobe.execution.flow import run_batch
from dac_lobe.execution.native import kernel as native_kernel
from dac_lobe.execution.native.flow import NativeFlow
from dac_lobe.execution.native.kernel import NativeKernel, supports
from dac_lobe.execution.native.library import find_native, load_build, runnable
from dac_lobe.execution.native.packing import rounded_up
from dac_lobe.execution.native.search import NativeTables
from dac_lobe.execution.near_ties import tolerance
from dac_lobe.execution.plan import (
    Convolve,
    Residual,
    Upsample,
    make_plan,
    output_positions,
)
from dac_lobe.execution.tables import QuantizerTables
from dac_lobe.network.layers import snake
from dac_lobe.network.quantizer import ResidualVectorQuantize

SIZES = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(params=runnable())
def library(request):
    build = load_build(request.param)
    if build.library is None:
        pytest.skip(f"{request.param}: {build.reason}")
    return build.library


def run(kernel, rows, outputs):
    """Run a kernel on rows, padded to its width, as the flow would."""
    before, after = kernel.widths
    padded = F.pad(rows, (0, before - rows.shape[1])).contiguous()
    guard = torch.full((outputs + 2, after), 7.5)
    kernel(padded, guard[1:-1])
    assert bool((guard[0] == 7.5).all()), "wrote before the output"
    assert bool((guard[-1] == 7.5).all()), "wrote after the output"
    out = guard[1:-1]
    assert bool((out[:, kernel.step.channels[1] :] == 0).all()), "padding is not zero"
    return out[:, : kernel.step.channels[1]]


def close(ours, reference, decibels):
    """Compare with a float64 reference."""
    reference = reference.double()
    noise = (ours.double() - reference).pow(2).mean().sqrt()
    assert noise <= 10 ** (-decibels / 20) * reference.pow(2).mean().sqrt()


def activated(rows, alpha):
    """Snake in float64, as an image [1, C, T]."""
    x = rows.t()[None].double()
    return x if alpha is None else snake(x, alpha.double()[None, :, None])


def frequencies(channels):
    return torch.rand(channels) * 4 + 0.1


@given(
    channels=st.sampled_from([1, 3, 8, 16, 24, 32, 40, 48, 56, 64, 96, 104, 128, 192]),
    dilation=st.sampled_from([1, 2, 3, 9]),
    outputs=st.integers(1, 400),
)
@SIZES
def test_residual_units(library, channels, dilation, outputs):
    step = Residual(
        frequencies(channels),
        torch.randn(channels, channels, 7) / (7 * channels) ** 0.5,
        torch.randn(channels),
        dilation,
        frequencies(channels),
        torch.randn(channels, channels) / channels**0.5,
        torch.randn(channels),
    )
    rows = torch.randn(outputs + 6 * dilation, channels)
    y = F.conv1d(
        activated(rows, step.alpha),
        step.weight.double(),
        step.bias.double(),
        dilation=dilation,
    )
    y = F.conv1d(
        snake(y, step.inner_alpha.double()[None, :, None]),
        step.inner_weight.double()[:, :, None],
        step.inner_bias.double(),
    )
    middle = rows[3 * dilation : 3 * dilation + outputs]
    close(run(NativeKernel(step, library), rows, outputs), middle + y[0].t(), 105)


@given(
    inputs=st.sampled_from([1, 2, 8, 16, 24, 64, 100, 448]),
    outputs=st.sampled_from([1, 5, 8, 16, 40, 64, 72, 136]),
    stride=st.sampled_from([1, 2, 3, 5, 8]),
    wide=st.booleans(),
    positions=st.integers(1, 120),
    first=st.booleans(),
    tanh=st.booleans(),
)
@SIZES
def test_convolutions(library, inputs, outputs, stride, wide, positions, first, tanh):
    taps = 2 * stride if wide else 7
    step = Convolve(
        None if first else frequencies(inputs),
        torch.randn(outputs, inputs, taps) / (inputs * taps) ** 0.5,
        torch.randn(outputs),
        stride,
        1,
        0,
        tanh,
    )
    rows = torch.randn((positions - 1) * stride + taps, inputs)
    y = F.conv1d(
        activated(rows, step.alpha),
        step.weight.double(),
        step.bias.double(),
        stride=stride,
    )[0].t()
    kernel = NativeKernel(step, library, first=first)
    close(run(kernel, rows, positions), y.tanh() if tanh else y, 110)


@given(
    inputs=st.sampled_from([2, 8, 32, 96, 200]),
    outputs=st.sampled_from([1, 4, 8, 24, 32, 48]),
    stride=st.sampled_from([1, 2, 4, 5, 8, 10]),
    positions=st.integers(1, 90),
    largest=st.sampled_from([0, native_kernel.LARGEST]),
)
@SIZES
def test_transposed_convolutions(library, inputs, outputs, stride, positions, largest):
    step = Upsample(
        frequencies(inputs),
        torch.randn(inputs, outputs, 2 * stride) / inputs**0.5,
        torch.randn(outputs),
        stride,
        0,
    )
    rows = torch.randn(positions + 1, inputs)
    y = F.conv_transpose1d(
        activated(rows, step.alpha),
        step.weight.double(),
        step.bias.double(),
        stride=stride,
    )
    y = y[0].t()[stride : stride * (positions + 1)]
    before, native_kernel.LARGEST = native_kernel.LARGEST, largest
    try:
        kernel = NativeKernel(step, library)
    finally:
        native_kernel.LARGEST = before
    close(run(kernel, rows, positions * stride), y, 110)


def pointwise(library, alpha, values):
    """Run Snake alone: a convolution of one tap whose weights are the identity."""
    step = Convolve(
        torch.full((8,), alpha),
        torch.eye(8)[:, :, None],
        torch.zeros(8),
        1,
        1,
        0,
        False,
    )
    return run(NativeKernel(step, library), values.view(-1, 8), len(values) // 8)


@pytest.mark.parametrize("alpha", [1e-3, 0.5, 3.0, 50.0])
def test_snake_is_as_exact_as_torch(library, alpha):
    x = torch.cat([torch.linspace(-40, 40, 8000), torch.logspace(-42, 9, 8000)])
    truth = snake(x.double(), torch.tensor(alpha, dtype=torch.float64))
    ours = pointwise(library, alpha, x).reshape(-1)
    theirs = snake(x, torch.tensor(alpha))
    # Both round alpha * x before they take its sine, to half a unit in the last
    # place; that moves sin^2 / alpha by up to as much as x's own last place.
    allowed = 4 * torch.finfo(torch.float32).eps * (x.abs().double() + 1 / alpha)
    assert bool(((ours - truth).abs() <= allowed).all())
    assert float((ours - truth).abs().max()) <= 4 * float((theirs - truth).abs().max())


def test_snake_passes_on_what_is_no_number(library):
    odd = torch.tensor([0.0, -0.0, 1e-42, float("nan"), float("inf"), -float("inf")])
    out = pointwise(library, 1.0, F.pad(odd, (0, 2)))
    # The identity's zeros times NaN are NaN: only the finite ones stay apart.
    assert bool(out.isnan().all())
    out = pointwise(library, 1.0, F.pad(odd[:3], (0, 5)))
    torch.testing.assert_close(out[0, :3], odd[:3])


@given(
    size=st.sampled_from([2, 16, 63, 64, 65, 1024]),
    dimensions=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    frames=st.integers(1, 40),
    data=st.data(),
)
@SIZES
def test_searching_codebooks(library, size, dimensions, frames, data):
    torch.manual_seed(data.draw(st.integers(0, 2**16)))
    quantizer = ResidualVectorQuantize(16, len(dimensions), size, dimensions).eval()
    z = torch.randn(2, 16, frames)
    used = data.draw(st.integers(1, len(dimensions)))
    ours, near = NativeTables(quantizer, library).quantize_with_margins(z, used)
    theirs, wanted = QuantizerTables(quantizer).quantize_with_margins(z, used)
    # Sums in another order: a code may differ where two are equally near, and then
    # the later ones of that frame.
    same = (ours.codes == theirs.codes).all(dim=1)
    assert int((~same).sum()) <= 1 + 0.02 * same.numel()
    close(ours.z.transpose(1, 2)[same], theirs.z.transpose(1, 2)[same], 110)
    torch.testing.assert_close(
        near.transpose(1, 2)[same], wanted.transpose(1, 2)[same], rtol=1e-4, atol=1e-5
    )


def test_the_lowest_of_equal_codes_wins(library):
    quantizer = ResidualVectorQuantize(4, 1, 200, 2).eval()
    with torch.no_grad():
        quantizer.quantizers[0].codebook.weight[:] = torch.tensor([1.0, 2.0])
    assert (
        NativeTables(quantizer, library)
        .quantize(torch.randn(1, 4, 9), 1)
        .codes.eq(0)
        .all()
    )


def test_what_it_cannot_run_is_known():
    conv = Convolve(None, torch.ones(1, 1, 3), torch.ones(1), 1, 2, 2, False)
    assert not supports(conv)
    assert supports(conv._replace(dilation=1))


def test_threads_do_not_change_the_result(make_dac, monkeypatch):
    if find_native().library is None:
        pytest.skip("no native kernel")
    monkeypatch.setattr("dac_lobe.network.threads.core_count", lambda: 8)
    codec = attach(make_dac(encoder_dim=16, decoder_dim=64), "native")
    wav = torch.randn(1, 1, 30000)
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            results.append(codec.encode(wav).z)
    finally:
        torch.set_num_threads(threads)
    # Where blocks are cut decides which tiles are computed together.
    for other in results[1:]:
        torch.testing.assert_close(other, results[0], rtol=1e-4, atol=1e-5)


def test_a_forked_child_encodes_and_decodes_what_its_parent_did():
    """As workers of a DataLoader do. torch's threads are not there any more."""
    if find_native().library is None or not hasattr(os, "fork"):
        pytest.skip("no native kernel, or no fork")
    script = """
import os, torch
from dac_lobe import DAC, DACTokenizer
torch.set_num_threads(2)
codec = DAC.from_pretrained("16khz-small", backend="native")
tokenizer = DACTokenizer(codec)
wav = torch.randn(2, 160123) / 10
samples = torch.tensor([160123, 90000])

def results():
    tokens = tokenizer.sig_to_tokens(wav, torch.tensor([1.0, 0.6]))
    yield tokens
    yield tokenizer.tokens_to_sig(tokens)
    encoded = codec.encode(wav[:, None], lengths=samples)
    yield from (encoded.codes, encoded.z, codec.decode(encoded.z, length=samples))
    codes = codec.encode_chunked(wav[:, None], lengths=samples)
    yield from (codes, codec.decode_chunked(codes, length=samples))

with torch.inference_mode():
    torch.ones(1_000_000).mul(2)  # torch has threads now
    here = [result.numpy() for result in results()]
    child = os.fork()
    if child == 0:
        there = [result.numpy() for result in results()]
        os._exit(sum((a != b).any() for a, b in zip(here, there)))
assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_decoding_no_numbers_is_left_to_the_modules(make_dac):
    if find_native().library is None:
        pytest.skip("no native kernel")
    codec = attach(make_dac(), "native")
    z = torch.randn(1, codec.latent_dim, 30)
    z[..., 12] = float("nan")
    with torch.no_grad():
        torch.testing.assert_close(codec.decode(z), codec.decoder(z), equal_nan=True)


def flow_of(network, library):
    """All steps of a network in the kernel."""
    kernels = []
    for step in make_plan(network):
        kernels.append(NativeKernel(step, library, first=not kernels))
    return NativeFlow(kernels, library)


@contextmanager
def threads_of(number):
    """Let the kernel have so many threads, whatever cores there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        with mock.patch("dac_lobe.network.threads.core_count", return_value=number):
            yield
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("rates", [[2, 4], [3, 5]])
@given(
    lengths=st.lists(st.integers(0, 60), min_size=1, max_size=5),
    chunk=st.integers(1, 20),
    decode=st.booleans(),
    threads=st.sampled_from([1, 2, 3]),
)
@SIZES
def test_flow_gives_what_step_after_step_gives(
    library, make_dac, rates, lengths, chunk, decode, threads
):
    codec = make_dac(encoder_rates=rates, decoder_rates=rates[::-1])
    network = codec.decoder if decode else codec.encoder
    flow = flow_of(network, library)
    before = 1 if decode else codec.hop_length
    x = torch.randn(len(lengths), flow.steps[0].channels[0], max(lengths) * before)
    valid = torch.tensor(lengths) * before
    wanted = x.new_zeros(
        len(lengths),
        flow.steps[-1].channels[1],
        output_positions(flow.steps, x.shape[2]),
    )
    out = wanted.clone()
    with threads_of(threads):
        run_batch(flow.kernels, x, valid, chunk * before, wanted)
        flow.run_batch(x, valid, chunk * before, out)
    assert torch.equal(out, wanted)


@given(
    st.lists(st.tuples(st.integers(1, 60), st.floats(0, 1)), max_size=5),
    st.sampled_from([1, 2, 3]),
)
@SIZES
def test_a_position_alone_is_that_of_the_whole(library, tiny_dac, places, threads):
    flow, hop = flow_of(tiny_dac.encoder, library), tiny_dac.hop_length
    signals = [torch.randn(1, frames * hop) for frames, _ in places]
    positions = [min(int(share * frames), frames - 1) for frames, share in places]
    with threads_of(threads):
        columns = flow.run_positions(signals, positions)
    assert len(columns) == len(places)
    for signal, position, column in zip(signals, positions, columns, strict=True):
        with torch.no_grad():
            whole = tiny_dac.encoder(signal[None])[0, :, position]
        close(column[: len(whole)], whole, 90)
        with threads_of(threads):
            assert torch.equal(flow.run_positions([signal], [position])[0], column)


def test_real_speech_moves_near_ties_only_and_keeps_95_db(shared_audio):
    from dac_lobe import DAC

    if find_native().library is None:
        pytest.skip("no native kernel")
    plain = DAC.from_pretrained("16khz-small", backend="torch")
    codec = DAC.from_pretrained("16khz-small", backend="native")
    moved = frames = 0
    for path in sorted((shared_audio / "eval_speech_16k").glob("*.flac"))[:6]:
        wav = torch.from_numpy(soundfile.read(path, dtype="float32")[0])[None, None]
        encoded = plain.encode(wav)
        differs = (codec.encode(wav).codes != encoded.codes)[0]
        z = plain.encode_frames(F.pad(wav, (0, -wav.shape[-1] % 320)), None)
        tight = QuantizerTables(plain.quantizer).quantize_with_margins(z, 12)[1][0]
        for frame in differs.any(dim=0).nonzero()[:, 0]:
            # The choices after it follow from it.
            first = int(differs[:, frame].nonzero()[0])
            assert tight[first, frame] < 2 * tolerance(256)
            moved += 1
        frames += differs.shape[1]
        close(codec.decode(encoded.z), plain.decode(encoded.z), 95)
    assert moved <= frames / 200


def test_without_the_kernel_everything_runs_in_torch():
    script = """
import torch
from dac_lobe import DAC
from dac_lobe.execution import attach
codec = DAC.from_pretrained("16khz-small")
assert codec.executor.backend == "torch"
assert codec.encode(torch.zeros(1, 1, 640)).codes.shape == (1, 12, 2)
try:
    attach(codec, "native")
except ValueError as error:
    assert "DAC_LOBE_NO_NATIVE" in str(error)
else:
    raise SystemExit("a backend that is not there was accepted")
"""
    environment = {**os.environ, "DAC_LOBE_NO_NATIVE": "1"}
    environment.pop("DAC_LOBE_BACKEND", None)
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)


def test_channels_are_rounded_up_for_vectors():
    assert [rounded_up(n) for n in (1, 8, 9, 24)] == [8, 8, 16, 24]
