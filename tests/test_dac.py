"""The codec's laws: batches, prefixes of the codebooks, exact lengths; bad input."""

from __future__ import annotations

import copy
import json
import math
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dac_lobe import DAC
from dac_lobe.execution import attach
from dac_lobe.execution.native.library import find_native
from dac_lobe.network.layers import fold_weight_norm
from dac_lobe.weights.variants import VARIANTS

EXACT = 1e-11  # float64: what rounding leaves


@pytest.fixture(scope="module")
def codec(make_reaching_dac):
    """Hop 30, two odd strides, a delay; sensitive to one frame too little."""
    return make_reaching_dac(
        encoder_rates=[2, 3, 5], decoder_rates=[5, 3, 2], decoder_dim=16, delay=11
    )


def check_batch(codec, lengths: list[int]):
    """Every item of a padded batch equals that item alone (law 3)."""
    wav = torch.randn(len(lengths), 1, max(lengths), dtype=codec.dtype)
    encoded = codec.encode(wav, lengths=torch.tensor(lengths))
    decoded = codec.decode_codes(encoded.codes, torch.tensor(lengths))
    for item, samples in enumerate(lengths):
        alone = codec.encode(wav[item : item + 1, :, :samples])
        frames = alone.codes.shape[-1]
        assert encoded.frame_lengths[item] == frames
        assert torch.equal(encoded.codes[item, :, :frames], alone.codes[0])
        for name in ("z", "latents"):
            together = getattr(encoded, name)[item]
            assert (together[:, :frames] - getattr(alone, name)[0]).abs().max() < EXACT
            assert not together[:, frames:].any()
        assert not encoded.codes[item, :, frames:].any()
        expected = codec.decode_codes(alone.codes, samples)[0]
        assert (decoded[item, :, :samples] - expected).abs().max() < EXACT
        assert not decoded[item, :, samples:].any()


@settings(max_examples=20, deadline=None)
@given(lengths=st.lists(st.integers(1, 1500), min_size=1, max_size=4))
def test_batch_is_its_items(codec, lengths):
    check_batch(codec, lengths)


def test_batch_is_its_items_in_every_variant(narrow_dac, make_reaching_dac):
    codec = narrow_dac(make_reaching_dac, n_codebooks=4)
    check_batch(codec, [30 * codec.hop_length, 9 * codec.hop_length + 1, 1])


def test_padding_is_not_neutral_without_lengths(codec):
    """What lengths are for: plain padding changes the end of an item."""
    wav = torch.randn(1, 1, 600, dtype=codec.dtype)
    padded = torch.nn.functional.pad(wav, (0, 600))
    frames = 600 // codec.hop_length
    difference = codec.encode(padded).z[..., :frames] - codec.encode(wav).z
    assert difference.abs().max() > 1e-3


def test_relative_lengths_are_rounded(codec):
    for samples, whole in ((29, 1000), (99_999, 100_000), (1, 77)):
        relative = torch.tensor([samples / whole, 1.0], dtype=torch.float32)
        wav = torch.zeros(2, 1, whole, dtype=codec.dtype)
        # As SpeechBrain's float32 gives it, which truncation would get wrong.
        frames = codec.encode(wav[..., :2000], lengths=relative).frame_lengths
        expected = round(float(relative[0].double()) * min(whole, 2000))
        assert frames[0] == -(-max(expected, 1) // codec.hop_length)


@settings(max_examples=20, deadline=None)
@given(samples=st.integers(1, 400), data=st.data())
def test_codes_are_prefixes(codec, samples, data):
    """Encode once, and have every number of codebooks (law 4)."""
    used = data.draw(st.integers(1, codec.n_codebooks))
    wav = torch.randn(1, 1, samples, dtype=codec.dtype)
    codes = codec.encode(wav).codes[:, :used]
    encoded = codec.encode(wav, n_quantizers=used)
    assert torch.equal(encoded.codes, codes)
    rebuilt = codec.quantizer.from_codes(codes).z
    assert (encoded.z - rebuilt).abs().max() < EXACT


@settings(max_examples=40, deadline=None)
@given(samples=st.integers(1, 200), batch=st.integers(1, 2))
def test_decode_gives_as_many_samples_as_encode_got(codec, samples, batch):
    wav = torch.randn(batch, 1, samples, dtype=codec.dtype)
    encoded = codec.encode(wav)
    decoded = codec.decode(encoded.z, length=samples)
    assert decoded.shape == wav.shape
    # No shift but the delay: the rest is the raw output, which upstream gives.
    raw = codec.decode(encoded.z)
    kept = min(samples - codec.delay, raw.shape[-1])
    if kept > 0:
        aligned = decoded[..., codec.delay : codec.delay + kept]
        assert torch.equal(aligned, raw[..., :kept])
    assert not decoded[..., : codec.delay].any()


def test_every_length_to_three_hops(tiny_dac):
    for samples in range(1, 3 * tiny_dac.hop_length + 1):
        codes = tiny_dac.encode(torch.randn(1, 1, samples)).codes
        assert codes.shape[-1] == -(-samples // tiny_dac.hop_length)
        assert tiny_dac.decode_codes(codes, samples).shape == (1, 1, samples)


def test_a_clip_shorter_than_the_delay(codec):
    codes = codec.encode(torch.randn(1, 1, 3, dtype=codec.dtype)).codes
    assert codec.decode_codes(codes, length=3).shape == (1, 1, 3)


def test_fewer_samples_than_the_codes_hold(codec):
    """Frames past the wanted length have no say in it."""
    codes = codec.encode(torch.randn(1, 1, 900, dtype=codec.dtype)).codes
    short = codec.decode_codes(codes, length=100)
    assert torch.equal(short, codec.decode_codes(codes[..., :4], length=100))
    assert codec.decode_codes(codes, length=0).shape == (1, 1, 0)


def test_forward_reconstructs_at_the_input_s_length(codec):
    wav = torch.randn(2, 1, 500, dtype=codec.dtype)
    codes, z = codec(wav)
    assert codec(wav).audio is None
    out = codec(wav, sample_rate=16000, reconstruct=True)
    assert torch.equal(out.codes, codes)
    assert torch.equal(out.z, z)
    decoded = codec.decode_codes(codes, length=510)
    assert (out.audio[..., :400] - decoded[..., :400]).abs().max() < EXACT
    assert out.audio.shape == wav.shape
    total = out.commitment_loss + out.codebook_loss + out.audio.square().mean()
    total.backward()
    assert all(p.grad is not None for p in codec.parameters())
    codec.zero_grad(set_to_none=True)


@torch.no_grad()
def test_outputs_unpack_and_travel(tiny_dac):
    encoded = tiny_dac.encode(torch.randn(1, 1, 20))
    z, codes, latents, commitment_loss, codebook_loss = encoded
    assert codes is encoded.codes
    assert z.shape == (1, tiny_dac.latent_dim, 3)
    assert latents.shape == (1, 3 * 4, 3)
    assert commitment_loss.shape == codebook_loss.shape == ()
    for travelled in (pickle.loads(pickle.dumps(encoded)), copy.deepcopy(encoded)):  # noqa: S301
        assert torch.equal(travelled.frame_lengths, torch.tensor([3]))
    forwarded = copy.deepcopy(tiny_dac(torch.randn(1, 1, 20)))
    assert forwarded.frame_lengths.tolist() == [3]


def test_rates(tiny_dac):
    assert tiny_dac.frame_rate == 2000
    assert tiny_dac.bitrate() == 2000 * 3 * 4 / 1000
    assert tiny_dac.bitrate(1) == tiny_dac.bitrate() / 3


@pytest.mark.parametrize(
    ("name", "kbps"),
    [("16khz", 6.0), ("24khz", 24.0), ("44khz", 7.752), ("44khz-16kbps", 15.504)],
)
def test_true_bitrates(make_dac, name, kbps):
    config = VARIANTS[name].config
    narrow = {"encoder_dim": 1, "latent_dim": 1, "decoder_dim": 16, "codebook_dim": 1}
    assert make_dac(**{**config, **narrow}).bitrate() == pytest.approx(kbps, abs=1e-3)


def test_config_makes_the_same_codec(codec):
    config = json.loads(json.dumps(codec.config))
    twin = fold_weight_norm(DAC(**config)).double()
    twin.load_state_dict(codec.state_dict())
    wav = torch.randn(1, 1, 300, dtype=codec.dtype)
    assert torch.equal(twin.eval().encode(wav).codes, codec.encode(wav).codes)
    assert twin.config == codec.config


def test_folding_a_copy_leaves_the_original_alone(make_dac):
    codec = make_dac()
    wav = torch.randn(1, 1, 200)
    before = codec.encode(wav).z
    folded = fold_weight_norm(copy.deepcopy(codec))
    assert not any("parametrizations" in key for key in folded.state_dict())
    assert torch.allclose(folded.encode(wav).z, before, atol=1e-5)
    assert torch.equal(codec.encode(wav).z, before)


def test_non_contiguous_audio(tiny_dac):
    wav = torch.randn(1, 300, 2)
    strided = wav[..., 0]
    assert not strided.is_contiguous()
    expected = tiny_dac.encode(strided.contiguous()).codes
    assert torch.equal(tiny_dac.encode(strided).codes, expected)
    codes = expected.transpose(1, 2).contiguous().transpose(1, 2)
    assert torch.equal(tiny_dac.decode_codes(codes), tiny_dac.decode_codes(expected))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_audio_of_another_precision(tiny_dac, dtype):
    wav = torch.randn(1, 1, 200).to(dtype)
    expected = tiny_dac.encode(wav.float()).codes
    assert torch.equal(tiny_dac.encode(wav).codes, expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_codec_in_half_precision(make_dac, dtype):
    codec = make_dac().to(dtype)
    wav = torch.randn(2, 1, 200)
    encoded = codec.encode(wav, lengths=torch.tensor([1.0, 0.5]))
    assert encoded.z.dtype == dtype
    decoded = codec.decode_codes(encoded.codes, length=200)
    assert decoded.dtype == dtype
    assert torch.isfinite(decoded).all()
    # Zeros must not divide by an epsilon that half precision cannot hold.
    assert torch.isfinite(codec.encode(torch.zeros(1, 1, 200)).z).all()


def test_autocast_does_not_decide_codes_in_half(tiny_dac):
    latents = torch.randn(4, 4, 200)
    quantizer = tiny_dac.quantizer.quantizers[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        indices = quantizer.decode_latents(latents)[1]
    assert torch.equal(indices, quantizer.decode_latents(latents)[1])


@pytest.fixture(params=["modules", "torch", "native"])
def any_dac(request, make_dac, monkeypatch):
    """The codec that `tiny_dac` is, run in each of the ways."""
    monkeypatch.delenv("DAC_LOBE_BACKEND", raising=False)
    if request.param == "modules":
        return make_dac()
    if request.param == "native" and find_native().library is None:
        pytest.skip(f"no native kernel: {find_native().reason}")
    return attach(make_dac(), request.param)


def test_autocast_changes_no_codes(any_dac):
    wav = torch.randn(2, 1, 1600)
    lengths = torch.tensor([1600, 99])
    with torch.no_grad():
        plain = any_dac.encode(wav, lengths=lengths)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            encoded = any_dac.encode(wav, lengths=lengths)
            chunked = any_dac.encode_chunked(wav, 7, lengths=lengths)
    for ours, theirs in zip(encoded, plain, strict=True):
        assert torch.equal(ours, theirs)
    assert torch.equal(chunked, plain.codes)


def test_training_follows_autocast(make_dac):
    codec = make_dac().train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert codec.encode(torch.randn(1, 1, 80)).latents.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("name", "training", "attached"),
    [
        ("forward", True, False),
        ("forward", False, False),
        ("forward", False, True),
        ("decode", False, True),
    ],
)
def test_one_graph_to_compile(make_dac, name, training, attached):
    codec = make_dac().train(training)
    if attached:
        attach(codec)
    given = torch.randn(2, codec.latent_dim if name == "decode" else 1, 400)
    run = getattr(codec, name)
    torch.compiler.reset()
    compiled = torch.compile(run, backend="eager", fullgraph=True)(given)
    torch.testing.assert_close(compiled[0], run(given)[0], rtol=1e-4, atol=1e-5)


def test_empty_batch(any_dac):
    encoded = any_dac.encode(torch.zeros(0, 1, 20))
    assert encoded.codes.shape == (0, 3, 3)
    assert encoded.commitment_loss == 0
    assert any_dac.encode(torch.zeros(0, 20), lengths=torch.ones(0)).z.shape[0] == 0
    assert any_dac.decode_codes(encoded.codes).shape == (0, 1, 24)
    assert any_dac.decode_codes(encoded.codes, torch.ones(0).long()).shape[0] == 0
    assert any_dac.encode_chunked(torch.zeros(0, 1, 20)).shape == (0, 3, 3)
    assert any_dac.decode_chunked(encoded.codes).shape == (0, 1, 24)


def test_no_frames(any_dac):
    assert any_dac.decode_codes(torch.zeros(2, 3, 0).long()).shape == (2, 1, 0)
    assert any_dac.decode(torch.zeros(2, 16, 0)).shape == (2, 1, 0)


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (torch.zeros(1, 1, 0), "empty"),
        (torch.zeros(8), r"\(8,\).*wav\[None, None\]"),
        (torch.zeros(1, 2, 8), "2 channels.*mono"),
        (torch.zeros(1, 1, 1, 8), r"\(1, 1, 1, 8\)"),
        (torch.zeros(1, 1, 8, dtype=torch.int16), "int16.*32768"),
        (torch.zeros(1, 1, 8, dtype=torch.complex64), "complex64"),
        (torch.full((1, 1, 8), torch.nan), "NaN"),
        (torch.tensor([[[0.0, torch.inf]]]), "infinite"),
        ([[0.0]], "list"),
    ],
)
def test_bad_audio(tiny_dac, audio, message):
    for encode in (tiny_dac.encode, tiny_dac.encode_chunked, tiny_dac):
        with pytest.raises(ValueError, match=message) as caught:
            encode(audio)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("used", [0, -1, 4, 1.5, True])
def test_bad_number_of_codebooks(tiny_dac, used):
    for call in (
        lambda: tiny_dac.encode(torch.zeros(1, 1, 8), used),
        lambda: tiny_dac.encode_chunked(torch.zeros(1, 1, 8), num_codebooks=used),
        lambda: tiny_dac.bitrate(used),
    ):
        with pytest.raises(ValueError, match="Choose 1 to 3"):
            call()


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (torch.full((1, 3, 2), 16), r"lie in \[16, 16\]; allowed is \[0, 15\]"),
        (torch.full((1, 3, 2), -1), r"\[-1, -1\]"),
        (torch.zeros(1, 4, 2, dtype=torch.long), "4 codebooks; this codec has 3"),
        (torch.zeros(1, 0, 2, dtype=torch.long), "0 codebooks"),
        (torch.zeros(3, 2, dtype=torch.long), r"\[B, K, F\]"),
        (torch.zeros(1, 3, 2), "float32; integers"),
        (torch.zeros(1, 3, 2, dtype=torch.bool), "bool; integers"),
    ],
)
def test_bad_codes(tiny_dac, codes, message):
    for decode in (tiny_dac.decode_codes, tiny_dac.decode_chunked):
        with pytest.raises(ValueError, match=message):
            decode(codes)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
def test_codes_of_any_integer_type(tiny_dac, dtype):
    codes = torch.randint(16, (1, 3, 5))
    assert torch.equal(
        tiny_dac.decode_codes(codes.to(dtype)), tiny_dac.decode_codes(codes)
    )


@pytest.mark.parametrize(
    "length",
    [-1, 25, 8.0, torch.tensor([8, 8]), torch.tensor([8.0]), True, "8", [None], 10**30],
)
def test_bad_length(tiny_dac, length):
    codes = torch.zeros(1, 3, 3, dtype=torch.long)
    with pytest.raises(ValueError, match="length="):
        tiny_dac.decode_codes(codes, length)
    with pytest.raises(ValueError, match="length="):
        tiny_dac.decode_chunked(codes, length=length)


@pytest.mark.parametrize(
    "lengths", [[1.0], [0.0, 1.0], [1.1, 1.0], [0, 8], [9, 8], [[1.0, 1.0]]]
)
def test_bad_lengths(tiny_dac, lengths):
    wav = torch.zeros(2, 1, 8)
    for encode in (tiny_dac.encode, tiny_dac.encode_chunked):
        with pytest.raises(ValueError, match="lengths"):
            encode(wav, lengths=torch.tensor(lengths))
        with pytest.raises(ValueError, match="lengths="):
            encode(wav, lengths=["8", 8])


def test_latents_of_another_shape(tiny_dac):
    with pytest.raises(ValueError, match="decode_codes"):
        tiny_dac.decode(torch.zeros(1, 3, 5))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["16khz", "24khz", "44khz", "44khz-16kbps"])
def test_laws_at_full_size(name):
    """Chunks, batches and prefixes at the size that people use."""
    torch.manual_seed(3)
    codec = DAC(**VARIANTS[name].config).eval()
    samples = int(25.5 * codec.hop_length)
    wav = 0.3 * torch.randn(2, 1, samples)
    lengths = torch.tensor([samples, samples // 3])
    with torch.no_grad():
        encoded = codec.encode(wav, lengths=lengths)
        assert torch.equal(codec.encode_chunked(wav, 7, lengths=lengths), encoded.codes)
        alone = codec.encode(wav[1:, :, : samples // 3])
        frames = alone.codes.shape[-1]
        assert torch.equal(encoded.codes[1:, :, :frames], alone.codes)
        assert torch.equal(codec.encode(wav[:1], 2).codes, encoded.codes[:1, :2])
        whole = codec.decode_codes(encoded.codes, lengths)
        chunks = codec.decode_chunked(encoded.codes, 7, lengths)
        assert (whole - chunks).abs().max() < 1e-5
        single = codec.decode_codes(alone.codes, samples // 3)
        assert (whole[1:, :, : samples // 3] - single).abs().max() < 1e-5


@pytest.mark.parametrize("number", ["abc", math.inf, math.nan, [4], (), True, 1.5])
def test_a_number_of_codebooks_that_is_none(tiny_dac, number):
    with pytest.raises(ValueError, match="n_quantizers=.* is not a whole number"):
        tiny_dac.encode(torch.zeros(1, 1, 80), number)


def test_a_wrong_number_of_codebooks_is_named_as_it_was_given(tiny_dac, tmp_path):
    from dac_lobe import DACTokenizer
    from dac_lobe.audio import write_audio

    path = write_audio(tmp_path / "a.wav", torch.zeros(99).numpy(), 16000)
    for attempt in (
        lambda: tiny_dac.encode_file(path, num_codebooks=20),
        lambda: tiny_dac.bitrate(20),
        lambda: tiny_dac.encode_chunked(torch.zeros(1, 1, 80), num_codebooks=20),
        lambda: tiny_dac.streaming_encoder(20),
        lambda: DACTokenizer(tiny_dac, num_codebooks=20),
    ):
        with pytest.raises(ValueError, match="^num_codebooks=20 but this codec has 3"):
            attempt()
    with pytest.raises(ValueError, match="^n_quantizers=20 but"):
        tiny_dac.encode(torch.zeros(1, 1, 80), 20)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there():
    with pytest.raises(ValueError, match="device='cuda:1'.*Choose 'cpu'"):
        DAC.from_pretrained("16khz-small", device="cuda:1")


@pytest.mark.parametrize("source", [None, 16])
def test_a_source_that_is_none(source):
    from dac_lobe import DACTokenizer

    for load in (DAC.from_pretrained, DACTokenizer):
        with pytest.raises(ValueError, match=f"source={source} is no .*16khz-small"):
            load(source)


def test_replacing_a_value_keeps_the_frame_lengths(tiny_dac):
    encoded = tiny_dac.encode(torch.randn(2, 1, 100), lengths=torch.tensor([100, 40]))
    replaced = encoded._replace(codes=encoded.codes + 1)
    assert torch.equal(replaced.codes, encoded.codes + 1)
    assert torch.equal(replaced.z, encoded.z)
    assert torch.equal(replaced.frame_lengths, encoded.frame_lengths)
    with pytest.raises(TypeError):
        encoded._replace(nothing=encoded.codes)
