"""Chunks of any size give what the whole signal gives (law 2)."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dac_lobe.execution import chunked
from dac_lobe.execution.chunked import decode_chunked, encode_chunked
from dac_lobe.execution.windows import default_chunk_frames, windows
from dac_lobe.network.context import (
    Context,
    Window,
    decoder_context,
    encoder_context,
)

# What rounding leaves of float64; one frame of context less costs 1e-3 or more.
EXACT = 1e-11


@pytest.fixture(scope="module")
def codec(make_reaching_dac):
    """Hop 30, two odd strides."""
    return make_reaching_dac(
        encoder_rates=[2, 3, 5], decoder_rates=[5, 3, 2], decoder_dim=16, delay=11
    )


def latents_of(codec, call) -> torch.Tensor:
    """Return the latents that ``call`` gives to the quantizer, end to end."""
    seen = []
    hook = codec.quantizer.register_forward_pre_hook(
        lambda module, args: seen.append(args[0])
    )
    try:
        call()
    finally:
        hook.remove()
    return torch.cat(seen, dim=-1)


def check_chunks(codec, samples: int, chunk_frames: int, batch: int = 1):
    wav = torch.randn(batch, 1, samples, dtype=codec.dtype)
    whole = codec.encode(wav).codes
    assert torch.equal(encode_chunked(codec, wav, chunk_frames), whole)
    for length in (None, samples):
        expected = codec.decode_codes(whole, length)
        decoded = decode_chunked(codec, whole, chunk_frames, length)
        assert decoded.shape == expected.shape
        assert (decoded - expected).abs().max() < EXACT


def test_every_length_to_three_hops(codec):
    for samples in range(1, 3 * codec.hop_length + 1):
        check_chunks(codec, samples, chunk_frames=1 + samples % 3)


@settings(max_examples=20, deadline=None)
@given(
    samples=st.integers(1, 2000),
    chunk_frames=st.integers(1, 120),
    batch=st.integers(1, 3),
)
def test_any_length_and_chunk(codec, samples, chunk_frames, batch):
    check_chunks(codec, samples, chunk_frames, batch)


@settings(max_examples=15, deadline=None)
@given(
    rates=st.lists(st.integers(2, 7), min_size=1, max_size=3),
    chunk_frames=st.integers(1, 9),
    data=st.data(),
)
def test_any_rates(make_reaching_dac, rates, chunk_frames, data):
    codec = make_reaching_dac(
        encoder_rates=rates,
        decoder_rates=data.draw(st.permutations(rates)),
        encoder_dim=2,
        decoder_dim=16,
        delay=1,
    )
    hop = codec.hop_length
    check_chunks(codec, data.draw(st.integers(1, 30 * hop)), chunk_frames)


def test_official_variants(narrow_dac, make_reaching_dac):
    codec = narrow_dac(make_reaching_dac, n_codebooks=4)
    for frames, chunk_frames in ((1, 1), (2.5, 1), (40.7, 17)):
        check_chunks(codec, int(frames * codec.hop_length), chunk_frames)


def test_latents_are_exact_not_only_codes(narrow_dac, make_reaching_dac):
    codec = narrow_dac(make_reaching_dac, n_codebooks=1)
    wav = torch.randn(1, 1, 45 * codec.hop_length - 5, dtype=codec.dtype)
    whole = latents_of(codec, lambda: codec.encode(wav))
    parts = latents_of(codec, lambda: encode_chunked(codec, wav, 11))
    assert (whole - parts).abs().max() < EXACT


@pytest.mark.parametrize("side", ["left", "right"])
def test_context_is_needed(codec, monkeypatch, side):
    wav = torch.randn(1, 1, 100 * codec.hop_length, dtype=codec.dtype)
    codes = codec.encode(wav).codes
    whole = latents_of(codec, lambda: codec.encode(wav))
    for name in ("encoder_context", "decoder_context"):
        context = getattr(chunked, name)(codec)
        less = context._replace(**{side: getattr(context, side) - 1})
        monkeypatch.setattr(chunked, name, lambda codec, less=less: less)
    parts = latents_of(codec, lambda: encode_chunked(codec, wav, 10))
    assert (whole - parts).abs().max() > 1e-3
    decoded = decode_chunked(codec, codes, 10)
    assert (decoded - codec.decode_codes(codes)).abs().max() > 1e-3


def test_ragged_batch(codec):
    hop = codec.hop_length
    wav = torch.randn(4, 1, 50 * hop, dtype=codec.dtype)
    lengths = torch.tensor([50 * hop, 31 * hop + 1, 7, 20 * hop])
    codes = codec.encode(wav, lengths=lengths).codes
    assert torch.equal(encode_chunked(codec, wav, 6, lengths=lengths), codes)
    decoded = decode_chunked(codec, codes, 6, lengths)
    assert (decoded - codec.decode_codes(codes, lengths)).abs().max() < EXACT


def test_prefix_of_the_codebooks(codec):
    wav = torch.randn(1, 1, 2000, dtype=codec.dtype)
    codes = encode_chunked(codec, wav, 9, num_codebooks=2)
    assert torch.equal(codes, codec.encode(wav).codes[:, :2])
    expected = codec.decode_codes(codes)
    assert (decode_chunked(codec, codes, 9) - expected).abs().max() < EXACT


def test_float32_is_as_close_as_float32_is(tiny_dac):
    wav = torch.randn(1, 1, 8000)
    codes = tiny_dac.encode(wav).codes
    assert torch.equal(tiny_dac.encode_chunked(wav, 100), codes)
    decoded = tiny_dac.decode_chunked(codes, 100)
    assert (decoded - tiny_dac.decode_codes(codes)).abs().max() < 1e-6


@settings(max_examples=50, deadline=None)
@given(
    frames=st.integers(0, 200),
    chunk_frames=st.integers(1, 50),
    left=st.integers(0, 12),
    right=st.integers(0, 12),
)
def test_windows_keep_every_frame_once(frames, chunk_frames, left, right):
    kept = []
    for first, start, stop, last in windows(frames, chunk_frames, Context(left, right)):
        kept += range(start, stop)
        assert first == max(start - left, 0)
        assert last == min(stop + right, frames)
        assert 0 <= first <= start < stop <= last <= frames
    assert kept == list(range(frames))


def test_memory_is_that_of_a_chunk(codec):
    """No layer ever sees more frames than one chunk and its context."""
    longest = 0

    def note(module, args):
        nonlocal longest
        longest = max(longest, args[0].shape[-1])

    hooks = [
        module.register_forward_pre_hook(note)
        for module in (codec.encoder.block[0], codec.decoder.model[-1])
    ]
    try:
        codes = encode_chunked(codec, torch.randn(1, 1, 300 * 30).double(), 5)
        decode_chunked(codec, codes, 5)
    finally:
        for hook in hooks:
            hook.remove()
    reach = encoder_context(codec), decoder_context(codec)
    assert longest <= 30 * (5 + max(sum(context) for context in reach))


@pytest.mark.parametrize("chunk_frames", [0, -1, 1.5, True, "8"])
def test_chunk_size_is_checked(tiny_dac, chunk_frames):
    with pytest.raises(ValueError, match="chunk_frames"):
        tiny_dac.encode_chunked(torch.zeros(1, 1, 9), chunk_frames)
    with pytest.raises(ValueError, match="chunk_frames"):
        tiny_dac.decode_chunked(torch.zeros(1, 1, 9, dtype=torch.long), chunk_frames)


def test_default_chunk_is_two_seconds(make_dac):
    codec = make_dac(sample_rate=16000)
    assert default_chunk_frames(codec) == 2 * 16000 // 8
    slow = make_dac(sample_rate=2)
    assert default_chunk_frames(slow) == 1


def test_codes_of_no_frames(tiny_dac):
    none = torch.zeros(1, 3, 0, dtype=torch.long)
    assert tiny_dac.decode_chunked(none).shape == (1, 1, 0)
    assert list(windows(0, 4, Context(1, 1))) == []
    assert Window(0, 0, 1, 1)._fields == ("first", "start", "stop", "last")
