"""Streams give what the whole signal gives, however it is cut (law 2)."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dac_lobe.execution.streaming import StreamingDecoder, StreamingEncoder

EXACT = 1e-11  # float64: what rounding leaves

cuts = st.lists(st.integers(0, 400), max_size=12)


@pytest.fixture(scope="module")
def codec(make_reaching_dac):
    """Hop 30, two odd strides, a delay: everything that could be got wrong."""
    return make_reaching_dac(
        encoder_rates=[2, 3, 5], decoder_rates=[5, 3, 2], decoder_dim=16, delay=11
    )


def pieces(signal: torch.Tensor, cuts: list[int]) -> list[torch.Tensor]:
    """Cut a signal at the given lengths; what is left over is the last piece."""
    parts = []
    for cut in cuts:
        parts.append(signal[..., :cut])
        signal = signal[..., cut:]
    return [*parts, signal]


def encode(encoder: StreamingEncoder, parts: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat([*(encoder.push(part) for part in parts), encoder.flush()], dim=-1)


def decode(decoder: StreamingDecoder, parts: list[torch.Tensor], length=None):
    out = [*(decoder.push(part) for part in parts), decoder.flush(length)]
    return torch.cat(out, dim=-1)


def check_stream(codec, samples: int, block_frames: int, cuts: list[int], batch=1):
    wav = torch.randn(batch, 1, samples, dtype=codec.dtype)
    codes = codec.encode(wav).codes
    encoder = codec.streaming_encoder(block_frames=block_frames)
    decoder = codec.streaming_decoder(block_frames=block_frames)
    assert torch.equal(encode(encoder, pieces(wav, cuts)), codes)
    for length in (None, samples):
        expected = codec.decode_codes(codes, length)
        decoded = decode(decoder, pieces(codes, [cut // 7 for cut in cuts]), length)
        assert decoded.shape == expected.shape
        assert (decoded - expected).abs().max() < EXACT


@settings(max_examples=30, deadline=None)
@given(
    samples=st.integers(1, 2000),
    block_frames=st.integers(1, 70),
    cuts=cuts,
    batch=st.integers(1, 2),
)
def test_any_cut(codec, samples, block_frames, cuts, batch):
    check_stream(codec, samples, block_frames, cuts, batch)


@settings(max_examples=15, deadline=None)
@given(
    rates=st.lists(st.integers(2, 7), min_size=1, max_size=3),
    block_frames=st.integers(1, 9),
    frames=st.floats(0.01, 40),
    cuts=cuts,
)
def test_any_rates(make_reaching_dac, rates, block_frames, frames, cuts):
    codec = make_reaching_dac(
        encoder_rates=rates, decoder_rates=rates[::-1], encoder_dim=2, decoder_dim=16
    )
    check_stream(codec, int(1 + frames * codec.hop_length), block_frames, cuts)


def test_official_variants(narrow_dac, make_reaching_dac):
    codec = narrow_dac(make_reaching_dac, n_codebooks=4)
    samples = int(40.3 * codec.hop_length)
    check_stream(codec, samples, block_frames=7, cuts=[1, 1000, codec.hop_length])


def test_one_sample_and_one_frame_at_a_time(codec):
    wav = torch.randn(1, 1, 25 * 30 + 1, dtype=codec.dtype)
    codes = codec.encode(wav).codes
    encoder = codec.streaming_encoder(block_frames=3)
    assert torch.equal(encode(encoder, list(wav.split(1, dim=-1))), codes)
    decoder = codec.streaming_decoder(block_frames=3)
    decoded = decode(decoder, list(codes.split(1, dim=-1)))
    assert (decoded - codec.decode_codes(codes)).abs().max() < EXACT


@pytest.mark.parametrize("block_frames", [1, 5, 40])
def test_latency_is_what_is_declared(codec, block_frames):
    """No frame comes later than declared, and one comes exactly that late."""
    encoder = codec.streaming_encoder(block_frames=block_frames)
    hop, late = codec.hop_length, []
    known = 0
    for sample in torch.randn(120 * hop, 1, 1, 1, dtype=codec.dtype):
        known += 1
        for _ in range(encoder.push(sample).shape[-1]):
            late.append(known - (len(late) + 1) * hop)  # after the frame's last sample
    assert max(late) == encoder.latency.samples
    assert encoder.latency.seconds == encoder.latency.samples / codec.sample_rate

    decoder = codec.streaming_decoder(block_frames=block_frames)
    known, samples, late = 0, 0, []
    for frame in codec.encode(torch.randn(1, 1, 120 * hop).double()).codes.unbind(-1):
        known += 1
        new = decoder.push(frame[..., None]).shape[-1]
        for _ in range(new // hop):
            samples += hop
            late.append(known - samples // hop)
    assert max(late) == decoder.latency.frames
    assert decoder.latency.samples == decoder.latency.frames * hop


def test_official_latency(narrow_dac):
    codec = narrow_dac()
    assert codec.streaming_encoder(block_frames=1).latency.frames == 8
    assert codec.streaming_decoder(block_frames=1).latency.frames == 10


def test_work_is_proportional_to_the_data(codec):
    """A stream computes each block once; it does not encode the past again."""
    work = {"encoder": 0, "decoder": 0}
    hooks = [
        getattr(codec, part).register_forward_pre_hook(
            lambda module, args, part=part: work.__setitem__(
                part, work[part] + args[0].shape[-1]
            )
        )
        for part in work
    ]
    try:
        encoder = codec.streaming_encoder(block_frames=20)
        wav = torch.randn(1, 1, 1000 * 30, dtype=codec.dtype)
        codes = encode(encoder, list(wav.split(7, dim=-1)))
        decoder = codec.streaming_decoder(block_frames=20)
        decode(decoder, list(codes.split(1, dim=-1)))
    finally:
        for hook in hooks:
            hook.remove()
    blocks = 1000 // 20
    assert work["encoder"] <= blocks * (20 + sum(encoder.context)) * 30
    assert work["decoder"] <= blocks * (20 + sum(decoder.context))


def test_buffers_do_not_grow(codec):
    encoder = codec.streaming_encoder(block_frames=4)
    held = set()
    for piece in torch.randn(1, 1, 500 * 30, dtype=codec.dtype).split(173, dim=-1):
        encoder.push(piece)
        held.add(encoder._buffer.untyped_storage().nbytes())
    assert len(held) == 1
    assert held.pop() == (4 + sum(encoder.context)) * 30 * 8


def test_callers_may_reuse_their_buffer(codec):
    wav = torch.randn(1, 1, 3000, dtype=codec.dtype)
    encoder = codec.streaming_encoder(block_frames=5)
    capture = torch.empty(1, 1, 100, dtype=codec.dtype)
    parts = []
    for piece in wav.split(100, dim=-1):
        parts.append(encoder.push(capture.copy_(piece)))
    parts.append(encoder.flush())
    assert torch.equal(torch.cat(parts, dim=-1), codec.encode(wav).codes)


def test_streams_start_anew_after_flush_and_reset(codec):
    first, second = torch.randn(2, 1, 1, 1500, dtype=codec.dtype)
    encoder = codec.streaming_encoder(block_frames=5)
    assert torch.equal(encode(encoder, [first]), codec.encode(first).codes)
    encoder.push(first)
    encoder.reset()
    assert torch.equal(encode(encoder, [second]), codec.encode(second).codes)
    codes = codec.encode(second).codes
    decoder = codec.streaming_decoder(block_frames=5)
    decoder.push(codes)
    decoder.reset()
    for _ in range(2):
        decoded = decode(decoder, [codes], length=1500)
        assert (decoded - codec.decode_codes(codes, 1500)).abs().max() < EXACT


def test_context_manager_lets_go(codec):
    with codec.streaming_encoder(block_frames=5) as encoder:
        encoder.push(torch.randn(100, dtype=codec.dtype))
    assert encoder.flush().shape == (1, codec.n_codebooks, 0)


def test_shapes_of_pushes(codec):
    wav = torch.randn(2, 1500, dtype=codec.dtype)
    codes = codec.encode(wav).codes
    for shaped in (wav, wav.unsqueeze(1), wav.float().double()):
        encoder = codec.streaming_encoder()
        assert encoder.push(shaped[..., :10]).shape == (2, codec.n_codebooks, 0)
    encoder = codec.streaming_encoder(num_codebooks=2)
    assert torch.equal(encode(encoder, [wav[0]]), codes[:1, :2])


def test_nothing_pushed(tiny_dac):
    encoder, decoder = tiny_dac.streaming_encoder(), tiny_dac.streaming_decoder()
    assert encoder.flush().shape == (1, 3, 0)
    assert encoder.push(torch.zeros(0)).shape == (1, 3, 0)
    assert encoder.flush().shape == (1, 3, 0)
    assert decoder.flush().shape == (1, 1, 0)
    assert decoder.push(torch.zeros(2, 3, 0, dtype=torch.long)).shape == (2, 1, 0)
    assert decoder.flush(0).shape == (2, 1, 0)


def test_bad_pushes_say_why(tiny_dac):
    encoder, decoder = tiny_dac.streaming_encoder(), tiny_dac.streaming_decoder()
    encoder.push(torch.zeros(2, 10))
    with pytest.raises(ValueError, match="stream began with"):
        encoder.push(torch.zeros(3, 10))
    with pytest.raises(ValueError, match="NaN"):
        encoder.push(torch.full((2, 10), torch.nan))
    with pytest.raises(ValueError, match="channels"):
        encoder.push(torch.zeros(2, 2, 10))
    with pytest.raises(ValueError, match=r"lie in \[16, 16\]"):
        decoder.push(torch.full((1, 3, 2), 16))
    decoder.push(torch.zeros(1, 3, 2, dtype=torch.long))
    with pytest.raises(ValueError, match="stream began with"):
        decoder.push(torch.zeros(1, 2, 2, dtype=torch.long))
    with pytest.raises(ValueError, match="2 were pushed"):
        decoder.flush(length=8)
    with pytest.raises(ValueError, match=r"9\.0 is not a whole number"):
        decoder.flush(length=9.0)
    assert decoder.flush(length=9).shape == (1, 1, 9)
    with pytest.raises(ValueError, match="Choose 1 to 3"):
        StreamingEncoder(tiny_dac, num_codebooks=4)
    with pytest.raises(ValueError, match="block_frames=0"):
        StreamingDecoder(tiny_dac, block_frames=0)
