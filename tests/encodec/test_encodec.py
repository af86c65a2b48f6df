"""EnCodec behind the project's interface: transformers' codes, any length, any batch."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

transformers = pytest.importorskip("transformers")

from dac_lobe import DACTokenizer, FetchError  # noqa: E402
from dac_lobe.audio import read_audio, write_audio  # noqa: E402
from dac_lobe.encodec import EnCodec, EnCodecPacked  # noqa: E402
from dac_lobe.encodec.grid import Grid  # noqa: E402

TINY = {
    "sampling_rate": 4000,
    "upsampling_ratios": [5, 4, 2],
    "target_bandwidths": [0.4, 0.8, 1.6],
    "num_filters": 4,
    "hidden_size": 8,
    "codebook_size": 16,
    "num_lstm_layers": 1,
}
STEREO = {
    "audio_channels": 2,
    "normalize": True,
    "chunk_length_s": 0.5,
    "overlap": 0.05,
    "use_causal_conv": False,
    "norm_type": "time_group_norm",
}


def make_model(**changes):
    """Make a seeded EncodecModel whose codebooks are not all zero."""
    torch.manual_seed(1)
    model = transformers.EncodecModel(transformers.EncodecConfig(**{**TINY, **changes}))
    for layer in model.quantizer.layers:
        layer.codebook.embed.normal_()
    return model.eval()


@pytest.fixture(scope="module")
def mono():
    """As the 24 kHz model: causal, whole clips, 100 frames a second."""
    return EnCodec(make_model())


@pytest.fixture(scope="module")
def stereo():
    """As the 48 kHz model: stereo, normalised chunks of 50 frames that overlap."""
    return EnCodec(make_model(**STEREO))


@pytest.fixture(params=["mono", "stereo"])
def codec(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def good(mono, tmp_path_factory):
    """A packed file, and its bytes."""
    folder = tmp_path_factory.mktemp("good")
    write_audio(folder / "in.wav", np.zeros((1, 500)), 4000)
    path = mono.encode_file(folder / "in.wav").save(folder / "a.encodec")
    return path, path.read_bytes()


def extractor(codec):
    """transformers' feature extractor for a codec."""
    config = codec.config
    return transformers.EncodecFeatureExtractor(
        feature_size=config.audio_channels,
        sampling_rate=config.sampling_rate,
        chunk_length_s=config.chunk_length_s,
        overlap=config.overlap,
    )


def clip(codec, samples, batch=1):
    return torch.randn(batch, codec.channels, samples)


class TestNumbers:
    def test_mono(self, mono):
        assert (mono.sample_rate, mono.hop_length, mono.channels) == (4000, 40, 1)
        assert (mono.num_codebooks, mono.codebook_size, mono.latent_dim) == (4, 16, 8)
        assert mono.frame_rate == 100.0
        assert mono.bitrate() == 1.6
        assert mono.bitrate(1) == 0.4

    def test_overlap_costs(self, stereo):
        assert stereo.channels == 2
        assert stereo.frame_rate == pytest.approx(50 / (0.5 * 0.95))
        assert stereo.bitrate() == pytest.approx(1.6 / 0.95)

    def test_nominal_bandwidths(self, mono):
        assert [mono.codebooks_for(b) for b in (0.4, 0.8, 1.6)] == [1, 2, 4]
        with pytest.raises(ValueError, match=r"choose one of 0\.4, 0\.8, 1\.6"):
            mono.codebooks_for(6.0)

    def test_the_real_models(self):
        """24 and 48 kHz, by their configurations."""
        config = transformers.EncodecConfig()
        assert Grid.of(config).frame_rate(24000) == 75.0
        config = transformers.EncodecConfig(
            sampling_rate=48000, chunk_length_s=1.0, overlap=0.01
        )
        grid = Grid.of(config)
        assert (grid.chunk_frames, grid.stride) == (150, 47520)
        assert grid.frame_rate(48000) == pytest.approx(151.515, abs=1e-3)


class TestAsTransformers:
    @pytest.mark.parametrize("samples", [1, 39, 40, 41, 100, 1900, 1999, 2000, 4100])
    @pytest.mark.parametrize("bandwidth", [0.4, 1.6])
    def test_codes_and_samples(self, codec, samples, bandwidth):
        wav = clip(codec, samples)
        raw = wav[0].numpy() if codec.channels == 2 else wav[0, 0].numpy()
        inputs = extractor(codec)(raw, sampling_rate=4000, return_tensors="pt")
        with torch.no_grad():
            theirs = codec.model.encode(**inputs, bandwidth=bandwidth)
            audio = codec.model.decode(
                theirs.audio_codes,
                theirs.audio_scales,
                inputs["padding_mask"],
                last_frame_pad_length=theirs.last_frame_pad_length,
            ).audio_values
        k = codec.codebooks_for(bandwidth)
        ours = codec.encode(wav, k)
        flat = theirs.audio_codes.permute(1, 2, 0, 3).flatten(2)
        assert torch.equal(ours.codes, flat[..., : ours.codes.shape[-1]])
        out = codec.decode_codes(ours.codes, length=samples, scales=ours.scales)
        torch.testing.assert_close(out, audio[..., :samples], rtol=0, atol=1e-5)

    def test_any_number_of_codebooks_is_a_prefix(self, codec):
        wav = clip(codec, 2500)
        whole = codec.encode(wav).codes
        for k in range(1, 5):
            assert torch.equal(codec.encode(wav, k).codes, whole[:, :k])


class TestLengths:
    @settings(max_examples=20, deadline=None)
    @given(samples=st.integers(1, 4200))
    def test_decoding_gives_what_was_encoded(self, mono, stereo, samples):
        for codec in (mono, stereo):
            encoded = codec.encode(clip(codec, samples))
            assert encoded.codes.shape[-1] == encoded.frame_lengths[0]
            out = codec.decode_codes(
                encoded.codes, length=samples, scales=encoded.scales
            )
            assert out.shape == (1, codec.channels, samples)
            assert bool(out.abs().sum(-1).all())

    def test_any_number_of_frames_decodes(self, stereo):
        """A last chunk within the overlap (2.5 frames of 50) adds nothing."""
        coded = stereo.encode(clip(stereo, 3000))
        lengths = []
        for frames in range(1, coded.codes.shape[-1] + 1):
            codes = coded.codes[..., :frames]
            wav = stereo.decode_codes(codes, scales=coded.scales)
            assert wav.shape[-1] == stereo.grid.covered(frames)
            assert bool(torch.isfinite(wav).all())
            lengths.append(wav.shape[-1])
        assert lengths == sorted(lengths)
        assert lengths[49] == lengths[51] == 2000 < lengths[52]

    def test_all_by_default(self, codec):
        encoded = codec.encode(clip(codec, 4000))
        out = codec.decode_codes(encoded.codes, scales=encoded.scales)
        covered = codec.grid.covered(encoded.codes.shape[-1])
        assert out.shape[-1] == covered >= 4000

    def test_items_of_a_batch_are_as_alone(self, codec):
        samples = torch.tensor([4100, 37, 1901, 4100])
        wav = clip(codec, 4100, batch=4)
        together = codec.encode(wav, lengths=samples)
        audio = codec.decode_codes(together.codes, samples, scales=together.scales)
        relative = codec.encode(wav, lengths=samples / 4100)
        assert torch.equal(relative.codes, together.codes)
        for item, n in enumerate(samples.tolist()):
            alone = codec.encode(wav[item : item + 1, :, :n])
            frames = alone.codes.shape[-1]
            assert together.frame_lengths[item] == frames
            assert torch.equal(together.codes[item, :, :frames], alone.codes[0])
            assert not together.codes[item, :, frames:].any()
            out = codec.decode_codes(alone.codes, n, scales=alone.scales)[0]
            torch.testing.assert_close(audio[item, :, :n], out, rtol=0, atol=1e-5)
            assert not audio[item, :, n:].any()

    def test_chunked_is_the_same(self, mono):
        wav = clip(mono, 900)
        codes = mono.encode(wav, 2).codes
        assert torch.equal(mono.encode_chunked(wav, num_codebooks=2), codes)
        audio = mono.decode_codes(codes, 900)
        assert torch.equal(mono.decode_chunked(codes, length=900), audio)


class TestChannels:
    def test_a_stereo_model_doubles_mono(self, stereo):
        wav = torch.randn(2, 700)
        both = wav[:, None].expand(-1, 2, -1)
        for single in (wav, wav[:, None]):
            assert torch.equal(stereo.encode(single).codes, stereo.encode(both).codes)

    def test_mono_of_a_stereo_model(self, stereo):
        single = EnCodec(stereo.model, mono=True)
        assert single.channels == 1
        encoded = stereo.encode(torch.randn(1, 700))
        out = single.decode_codes(encoded.codes, 700, scales=encoded.scales)
        both = stereo.decode_codes(encoded.codes, 700, scales=encoded.scales)
        torch.testing.assert_close(out, both.mean(1, keepdim=True))


class TestScales:
    def test_loudness_comes_back(self, stereo):
        wav = clip(stereo, 3000)
        loud, quiet = stereo.encode(wav), stereo.encode(0.01 * wav)
        torch.testing.assert_close(quiet.scales, 0.01 * loud.scales)
        assert torch.equal(loud.codes, quiet.codes)

    def test_codes_alone_need_a_scale(self, stereo):
        encoded = stereo.encode(clip(stereo, 3000))
        with pytest.raises(ValueError, match="give scales="):
            stereo.decode_codes(encoded.codes)
        with pytest.raises(ValueError, match=r"\(1, 1\); \(1, 2\) is needed"):
            stereo.decode_codes(encoded.codes, scales=torch.ones(1, 1))
        usual = EnCodec(stereo.model, scale=0.1)
        expected = stereo.decode_codes(encoded.codes, scales=torch.full((1, 2), 0.1))
        assert torch.equal(usual.decode_codes(encoded.codes), expected)
        assert torch.equal(stereo.decode_codes(encoded.codes, scales=0.1), expected)


class TestBadInput:
    @pytest.mark.parametrize(
        ("audio", "message"),
        [
            (torch.zeros(5), r"\[B, 1, T\]"),
            (torch.zeros(1, 3, 5), "3 channels"),
            (torch.zeros(1, 1, 0), "empty"),
            (torch.zeros(1, 1, 5).long(), "floating point"),
            (torch.full((1, 1, 5), torch.nan), "NaN"),
        ],
    )
    def test_audio(self, codec, audio, message):
        with pytest.raises(ValueError, match=message):
            codec.encode(audio)

    @pytest.mark.parametrize("k", [0, 5, 1.5, True])
    def test_codebooks(self, codec, k):
        with pytest.raises(ValueError, match="Choose 1 to 4"):
            codec.encode(clip(codec, 100), k)

    @pytest.mark.parametrize(
        ("codes", "message"),
        [
            (torch.zeros(4, 5).long(), r"\[B, K, F\]"),
            (torch.zeros(1, 5, 5).long(), "has 4"),
            (torch.full((1, 1, 5), 16), r"\[16, 16\]"),
            (torch.zeros(1, 1, 5), "integers"),
        ],
    )
    def test_codes(self, mono, codes, message):
        with pytest.raises(ValueError, match=message):
            mono.decode_codes(codes)

    def test_length(self, mono):
        codes = torch.zeros(1, 1, 5).long()
        with pytest.raises(ValueError, match="0 to 200"):
            mono.decode_codes(codes, 201)
        assert mono.decode_codes(codes, 0).shape == (1, 1, 0)


class TestTokenizer:
    def test_the_speechbrain_face(self, mono):
        tokenizer = DACTokenizer(mono, num_codebooks=2)
        sig, lengths = torch.randn(2, 800), torch.tensor([1.0, 0.5])
        tokens = tokenizer.sig_to_tokens(sig, lengths)
        assert tokens.shape == (2, 20, 2)
        alone = tokenizer.sig_to_tokens(sig[1:, :400])
        assert torch.equal(tokens[1, :10], alone[0])
        assert tokenizer.tokens_to_sig(tokens, lengths).shape == (2, 800)
        assert not list(tokenizer.parameters())

    def test_embeddings_sum_to_latents(self, mono):
        tokenizer = DACTokenizer(mono, num_codebooks=3)
        table = tokenizer.get_pretrained_embeddings()
        assert table.shape == (3 * 16, 8)
        codes = mono.encode(clip(mono, 400), 3).codes
        latents = mono.model.quantizer.decode(codes.transpose(0, 1))
        rows = table[codes[0] + 16 * torch.arange(3)[:, None]]
        torch.testing.assert_close(rows.sum(0).t(), latents[0])

    def test_stereo_model_as_mono(self, stereo):
        tokenizer = DACTokenizer(EnCodec(stereo.model, mono=True, scale=0.1))
        tokens = tokenizer.sig_to_tokens(torch.randn(1, 3000))
        assert tokenizer.tokens_to_sig(tokens, torch.tensor([3000])).shape == (1, 3000)


class TestFiles:
    @pytest.mark.parametrize("channels", [1, 2, 3])
    @pytest.mark.parametrize("rate", [4000, 11025])
    def test_there_and_back(self, codec, tmp_path, channels, rate):
        rng = np.random.default_rng(0)
        wav = 0.1 * rng.standard_normal((channels, 7001)).astype(np.float32)
        write_audio(tmp_path / "in.wav", wav, rate, "FLOAT")
        packed = codec.encode_file(tmp_path / "in.wav", num_codebooks=2)
        path = packed.save(tmp_path / "in.encodec")
        codec.decode_file(path, tmp_path / "out.wav")
        back = read_audio(tmp_path / "out.wav")
        assert back.shape == wav.shape
        assert packed.duration == 7001 / rate
        codec.decode_file(packed, tmp_path / "again.wav")
        assert np.array_equal(read_audio(tmp_path / "again.wav"), back)

    def test_what_was_packed_is_what_is_read(self, codec, tmp_path):
        write_audio(tmp_path / "in.wav", np.full((2, 3000), 0.1), 4000)
        packed = codec.encode_file(tmp_path / "in.wav")
        loaded = EnCodecPacked.load(packed.save(tmp_path / "a.encodec"))
        for name, value in vars(packed).items():
            np.testing.assert_equal(getattr(loaded, name), value)
        seconds, bits = 3000 / 4000, packed.codes.size * 4
        bits += 0 if packed.scales is None else packed.scales.size * 32
        assert packed.bitrate == pytest.approx(bits / seconds / 1000)
        assert packed.save(tmp_path / "b").stat().st_size < bits / 8 + 700

    def test_another_models_codes(self, mono, stereo, tmp_path):
        write_audio(tmp_path / "in.wav", np.zeros((1, 500)), 4000)
        packed = mono.encode_file(tmp_path / "in.wav")
        with pytest.raises(ValueError, match="were made by 'EnCodec at 4000 Hz'"):
            stereo.decode_file(packed, tmp_path / "out.wav")
        assert not (tmp_path / "out.wav").exists()

    @settings(max_examples=200, deadline=None)
    @given(data=st.data())
    def test_damage_is_an_error_or_a_packed_file(self, good, data):
        path, content = good[0], bytearray(good[1])
        header = 8 + int.from_bytes(content[:8], "little")
        place = data.draw(st.integers(0, header - 1))
        content[place] = data.draw(st.integers(0, 255))
        path.write_bytes(content)
        message = "a.encodec is not"
        try:
            EnCodecPacked.load(path)
        except ValueError as error:
            message = str(error)
        assert "a.encodec is not" in message

    @pytest.mark.parametrize("kept", [0, 7, 100, 0.5, 0.99])
    def test_truncated(self, good, kept):
        path, content = good
        path.write_bytes(content[: int(kept * len(content)) if kept < 1 else kept])
        with pytest.raises(ValueError, match=r"a\.encodec is not"):
            EnCodecPacked.load(path)


class TestSources:
    @pytest.fixture
    def folder(self, mono, tmp_path):
        mono.model.save_pretrained(tmp_path / "model")
        return tmp_path / "model"

    def test_a_folder(self, mono, folder):
        loaded = EnCodec.from_pretrained(folder)
        wav = clip(mono, 500)
        assert torch.equal(loaded.encode(wav).codes, mono.encode(wav).codes)
        assert loaded.source == "encodec-model"
        assert not loaded.model.training

    def test_names_are_hub_ids(self, folder, monkeypatch):
        asked = []

        def hub(hub_id, cache_dir):
            asked.append((hub_id, cache_dir))
            return folder

        monkeypatch.setattr("dac_lobe.encodec.source.download_hub", hub)
        for source in ("24khz", "48khz", "org/name"):
            EnCodec.from_pretrained(source, cache_dir="here")
        ids = ["facebook/encodec_24khz", "facebook/encodec_48khz", "org/name"]
        assert asked == [(hub_id, "here") for hub_id in ids]

    def test_unknown_names(self):
        with pytest.raises(ValueError, match="unknown EnCodec '16khz'. Known: 24khz"):
            EnCodec.from_pretrained("16khz")

    def test_offline(self, monkeypatch, tmp_path):
        monkeypatch.setenv("DAC_LOBE_OFFLINE", "1")
        with pytest.raises(FetchError, match="facebook/encodec_24khz"):
            EnCodec.from_pretrained("24khz", cache_dir=tmp_path)

    def test_another_kind(self, tmp_path, make_dac):
        with pytest.raises(ValueError, match="of the kind 'dac', not 'encodec'"):
            EnCodec.from_pretrained(make_dac().save(tmp_path / "dac"))
        with pytest.raises(ValueError, match="no readable config.json"):
            EnCodec.from_pretrained(tmp_path)

    def test_incomplete_weights(self, folder):
        from safetensors.torch import load_file, save_file

        state = load_file(folder / "model.safetensors")
        state.pop(sorted(state)[0])
        save_file(state, folder / "model.safetensors", {"format": "pt"})
        with pytest.raises(ValueError, match="no complete EnCodec.*missing"):
            EnCodec.from_pretrained(folder)

    def test_damaged_weights(self, folder):
        (folder / "model.safetensors").write_bytes(b"nothing")
        with pytest.raises(ValueError, match="cannot be loaded"):
            EnCodec.from_pretrained(folder)

    def test_a_configuration_that_contradicts(self, folder):
        stated = json.loads((folder / "config.json").read_text())
        stated["num_filters"] = 8
        (folder / "config.json").write_text(json.dumps(stated))
        with pytest.raises(ValueError, match="no complete EnCodec|cannot be loaded"):
            EnCodec.from_pretrained(folder)


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_decodes(codec, dtype):
    """The joints of chunks too, to about the precision of the type."""
    half = copy.deepcopy(codec).to(dtype)
    wav = 0.1 * torch.randn(2, codec.config.audio_channels, 7001)
    encoded = codec.encode(wav)
    assert half.encode(wav).codes.shape == encoded.codes.shape
    given = {"length": 7001, "scales": encoded.scales}
    exact = codec.decode_codes(encoded.codes, **given)
    found = half.decode_codes(encoded.codes, **given)
    assert found.dtype == dtype
    assert float((found - exact).std() / exact.std()) < 20 * torch.finfo(dtype).eps


@torch.no_grad()
def test_chunks_are_joined_as_transformers_joins_them(stereo):
    codes = torch.randint(16, (2, stereo.num_codebooks, 150))
    scales = torch.rand(2, 3)
    parts = codes.unflatten(-1, (3, 50)).permute(2, 0, 1, 3)
    expected = stereo.model.decode(parts, scales.unbind(1)).audio_values
    found = stereo.decode_codes(codes, scales=scales)
    assert torch.equal(found, expected[..., : found.shape[-1]])
