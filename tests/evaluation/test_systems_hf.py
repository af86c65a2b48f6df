"""``hf:``: each codec architecture of transformers, tiny and random, from a folder."""

from __future__ import annotations

import math
import pickle
from itertools import pairwise

import numpy as np
import pytest
from toy_recordings import RATE, voice

from evaluation import evaluate
from evaluation.recordings.clips import resample
from evaluation.systems import Point, make_system
from evaluation.systems.hf import read_layout

transformers = pytest.importorskip("transformers", reason="needs dac-lobe[hf]")
torch = pytest.importorskip("torch")

DAC = {
    "encoder_hidden_size": 4,
    "downsampling_ratios": [8, 5, 4, 2],
    "decoder_hidden_size": 32,
    "hidden_size": 16,
}
HUBERT = {
    "model_type": "hubert",
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "conv_dim": [8] * 7,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}
FSQ = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "encoder_hidden_size": 2,
    "quantization_dim": 64,
    "quantization_levels": [4, 4, 4],
    "semantic_model_config": {
        "model_type": "wav2vec2-bert",
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "feature_projection_input_dim": 160,
    },
}
SMALL = {"num_filters": 4, "hidden_size": 16, "codebook_size": 16}
ENCODEC = {**SMALL, "sampling_rate": 16000, "num_lstm_layers": 1}
SEMANTIC = {
    "target_bandwidths": [0.4, 0.8, 1.6],
    "codebook_size": 256,
    "acoustic_model_config": {"model_type": "dac", **DAC},
    "semantic_model_config": HUBERT,
}
# Class of the config and its fields; of the extractor and its; expected rates:
# input, output, frames, codebooks, codes, codebooks at least.
CODECS = {
    "dac": (
        ("DacConfig", {**DAC, "n_codebooks": 3, "codebook_size": 32}),
        ("DacFeatureExtractor", {"sampling_rate": 16000, "hop_length": 320}),
        (16000, 16000, 50, 3, 32, 1),
    ),
    "encodec": (
        ("EncodecConfig", {**ENCODEC, "target_bandwidths": [0.2, 0.4, 0.8]}),
        ("EncodecFeatureExtractor", {"sampling_rate": 16000}),
        (16000, 16000, 50, 4, 16, 1),
    ),
    "encodec-stereo": (
        (
            "EncodecConfig",
            {**ENCODEC, "target_bandwidths": [0.2, 0.4], "audio_channels": 2},
        ),
        ("EncodecFeatureExtractor", {"sampling_rate": 16000, "feature_size": 2}),
        (16000, 16000, 50, 2, 16, 1),
    ),
    "mimi": (
        (
            "MimiConfig",
            {
                **SMALL,
                "intermediate_size": 16,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "num_key_value_heads": 2,
                "upsample_groups": 16,
                "codebook_dim": 8,
                "vector_quantization_hidden_dimension": 8,
                "num_quantizers": 5,
                "num_semantic_quantizers": 2,
            },
        ),
        ("EncodecFeatureExtractor", {"sampling_rate": 24000}),
        (24000, 24000, 12.5, 5, 16, 2),
    ),
    "xcodec": (
        ("XcodecConfig", SEMANTIC),
        ("DacFeatureExtractor", {"sampling_rate": 16000, "hop_length": 320}),
        (16000, 16000, 50, 4, 256, 1),
    ),
    "higgs_audio_v2_tokenizer": (
        (
            "HiggsAudioV2TokenizerConfig",
            {**SEMANTIC, "sample_rate": 16000, "codebook_dim": 8},
        ),
        ("DacFeatureExtractor", {"sampling_rate": 16000, "hop_length": 320}),
        (16000, 16000, 50, 4, 256, 1),
    ),
    "xcodec2": (
        ("Xcodec2Config", FSQ),
        ("Xcodec2FeatureExtractor", {}),
        (16000, 16000, 50, 1, 64, 1),
    ),
    "neucodec": (
        ("NeuCodecConfig", FSQ),
        ("NeuCodecFeatureExtractor", {}),
        (16000, 24000, 50, 1, 64, 1),
    ),
}


def model_of(config):
    """A model with random weights that uses its codes: some start all but at zero."""
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(config).eval()
    for name, tensor in [*model.named_buffers(), *model.named_parameters()]:
        if name.endswith(("codebook.embed", "embed_sum")):
            tensor.normal_()
        if name in ("fc_encoder.weight", "quantizer.project_in.weight"):
            tensor.data.mul_(30)
    return model


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder for each codec that this release of transformers has."""
    root = tmp_path_factory.mktemp("codecs")
    for name, ((config, fields), (extractor, options), _) in CODECS.items():
        if hasattr(transformers, config):
            made = getattr(transformers, config)(**fields)
            model_of(made).save_pretrained(root / name)
            getattr(transformers, extractor)(**options).save_pretrained(root / name)
    return root


@pytest.fixture(scope="module", params=CODECS)
def codec(request, folders):
    """Name, loaded system and what is known of it."""
    if not (folders / request.param).exists():
        pytest.skip(f"this release of transformers has no {request.param}")
    system = make_system(f"hf:{folders / request.param}")
    system.load()
    return request.param, system, CODECS[request.param][2]


class TestEachCodec:
    def test_layout_is_that_of_the_config(self, codec):
        name, system, expected = codec
        layout = system.layout
        assert system.name == name
        assert (
            layout.input_rate,
            layout.output_rate,
            layout.frame_rate,
            layout.num_codebooks,
            layout.codebook_size,
            layout.fewest_codebooks,
        ) == expected
        _, _, frames, codebooks, size, fewest = expected
        bits = frames * codebooks * math.log2(size)
        assert system.kbps(Point(codebooks), RATE) == pytest.approx(bits / 1000)
        points = [point.num_codebooks for point in system.points(None)]
        assert (points[0], points[-1]) == (fewest, codebooks)

    def test_equals_transformers_own_calls(self, codec, folders):
        name, system, (input_rate, _, _, codebooks, *_) = codec
        wav = resample(voice(1.3), RATE, input_rate).astype(np.float32)
        extractor = transformers.AutoFeatureExtractor.from_pretrained(folders / name)
        model = transformers.AutoModel.from_pretrained(folders / name)
        stereo = getattr(model.config, "audio_channels", 1) == 2
        inputs = extractor(
            np.stack([wav, wav]) if stereo else wav,
            sampling_rate=input_rate,
            return_tensors="pt",
        )
        if name.startswith("encodec"):  # codes the fewest by default
            inputs["bandwidth"] = model.config.target_bandwidths[-1]
        if name in ("dac", "xcodec", "higgs_audio_v2_tokenizer"):  # know no mask
            del inputs["padding_mask"]
        with torch.no_grad():
            theirs = model(**inputs)
        codes = system.encode(wav, input_rate)
        own = theirs.audio_codes.flatten(0, -3)[0]
        np.testing.assert_array_equal(codes, own)
        audio = theirs.audio_values.reshape(-1, theirs.audio_values.shape[-1]).mean(0)
        output = system.decode(codes, Point(codebooks), len(audio))
        assert np.abs(output).max() > 0
        np.testing.assert_allclose(output, audio, atol=1e-5)

    def test_prefixes(self, codec):
        """Each prefix is what transformers encodes with so many codebooks."""
        name, system, (input_rate, _, _, codebooks, _, fewest) = codec
        wav = resample(voice(0.7), RATE, input_rate)
        codes = system.encode(wav, input_rate)
        option = {"dac": "n_quantizers", "mimi": "num_quantizers"}.get(name)
        inputs = system.extractor(
            np.stack([wav, wav]) if system.layout.channels == 2 else wav,
            sampling_rate=input_rate,
            return_tensors="pt",
        )["input_values"]
        compared = 0
        for k in range(fewest, codebooks):
            given = {option: k} if option else {}
            if not option:
                found = system.codec.config.target_bandwidths
                count = system.codec.quantizer.get_num_quantizers_for_bandwidth
                bandwidth = next((b for b in found if count(b) == k), None)
                if bandwidth is None:
                    continue
                given = {"bandwidth": bandwidth}
            with torch.no_grad():
                theirs = system.codec.encode(inputs, **given).audio_codes
            np.testing.assert_array_equal(codes[:k], theirs.flatten(0, -3)[0])
            compared += 1
        # All but the whole; of codecs with bandwidths those that have one.
        bandwidths = getattr(system.codec.config, "target_bandwidths", None)
        assert compared == (len(bandwidths) - 1 if bandwidths else codebooks - fewest)
        outputs = [
            system.reconstruct(codes, point, len(wav), input_rate)
            for point in system.points(None)
        ]
        assert all(abs(len(o) - len(wav)) <= 0.1 * input_rate for o in outputs)
        assert all(np.abs(a - b).max() > 0 for a, b in pairwise(outputs))

    def test_counts_the_codes_that_there_are(self, codec):
        name, system, (input_rate, output_rate, frames, codebooks, size, _) = codec
        wav = resample(voice(2.0), RATE, input_rate)
        codes = system.encode(wav, input_rate)
        assert 0 < codes.max() < size
        bits = system.rate(codes, Point(codebooks), 2 * output_rate).emitted
        assert bits == codes.size * math.log2(size)
        # to within the frames at the edges
        per_frame = codebooks * math.log2(size)
        assert abs(bits / per_frame - 2 * frames) <= 2

    def test_travels_without_weights(self, codec):
        _, system, _ = codec
        sent = pickle.dumps(system)
        assert len(sent) < 20000
        again = pickle.loads(sent)  # noqa: S301
        assert again.codec is None
        assert again.fingerprint() == system.fingerprint()


@pytest.mark.parametrize(
    ("config", "fields", "codebooks", "kbps"),
    [
        ("DacConfig", {**DAC, "n_codebooks": 12}, 12, 6.0),
        ("EncodecConfig", {}, 8, 6.0),
        ("MimiConfig", {"frame_rate": 12.5}, 8, 1.1),
        ("XcodecConfig", {}, 8, 4.0),
        ("Xcodec2Config", {}, 1, 0.8),
        ("NeuCodecConfig", {}, 1, 0.8),
    ],
)
def test_published_rates(config, fields, codebooks, kbps):
    """Bitrates that the papers give for the models that are the configs' defaults."""
    if not hasattr(transformers, config):
        pytest.skip(f"this release of transformers has no {config}")
    layout = read_layout(getattr(transformers, config)(**fields), "published")
    assert layout.num_codebooks >= codebooks
    bits = layout.frame_rate * codebooks * math.log2(layout.codebook_size)
    assert bits / 1000 == pytest.approx(kbps)


def test_the_same_as_ours(tmp_path, make_dac):
    """A DAC that dac_lobe wrote, run by either."""
    make_dac().save(tmp_path / "tiny")
    theirs, ours = (make_system(f"{kind}{tmp_path / 'tiny'}") for kind in ("hf:", ""))
    theirs.load()
    ours.load()
    wav = voice(0.5)[:7777]
    codes = theirs.encode(wav, RATE)
    np.testing.assert_array_equal(codes, ours.encode(wav, RATE))
    for point in ours.points(None):
        assert theirs.kbps(point, RATE) == ours.kbps(point, RATE)
        outputs = [s.reconstruct(codes, point, 7777, RATE) for s in (theirs, ours)]
        np.testing.assert_allclose(*outputs, atol=1e-5)


class TestErrors:
    def check(self, folder, message):
        with pytest.raises(ValueError, match=message) as caught:
            make_system(f"hf:{folder}").load()
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("config", "fields", "message"),
        [
            # Codecs of transformers, but what they make is not codes.
            ("VibeVoiceAcousticTokenizerConfig", {}, "no n_codebooks or num_quant"),
            ("PocketTTSAudioTokenizerConfig", {}, "no n_codebooks or num_quantizers"),
            ("HubertConfig", {}, "config of a 'hubert' has no n_codebooks"),
            ("EncodecConfig", {"chunk_length_s": 1.0, "overlap": 0.01}, "encodec:"),
            ("EncodecConfig", {"normalize": True}, "Give encodec:"),
        ],
    )
    def test_not_a_codec_with_codebooks(self, tmp_path, config, fields, message):
        if not hasattr(transformers, config):
            pytest.skip(f"this release of transformers has no {config}")
        getattr(transformers, config)(**fields).save_pretrained(tmp_path)
        self.check(tmp_path, message)

    def test_incomplete_folder(self, tmp_path):
        self.check(tmp_path, "cannot be loaded")
        fields = CODECS["dac"][0][1]
        transformers.DacConfig(**fields).save_pretrained(tmp_path)
        self.check(tmp_path, "preprocessor_config.json|feature extractor")

    def test_fewer_codebooks_than_the_config_says(self, tmp_path):
        """1.2 kbps of three codebooks of 0.4 are two, as transformers rounds them."""
        (name, fields), (extractor, options), _ = CODECS["xcodec"]
        config = getattr(transformers, name)(
            **{**fields, "target_bandwidths": [0.4, 0.8, 1.2]}
        )
        model_of(config).save_pretrained(tmp_path)
        getattr(transformers, extractor)(**options).save_pretrained(tmp_path)
        system = make_system(f"hf:{tmp_path}")
        system.load()
        with pytest.raises(ValueError, match=r"shape \(1, 2, 25\), not 3 codebooks"):
            system.encode(voice(0.5), RATE)

    def test_too_few_codebooks(self, folders):
        system = make_system(f"hf:{folders / 'mimi'}")
        system.load()
        with pytest.raises(ValueError, match="Choose from 2 to 5"):
            system.points([1, 5])


def test_loads_a_folder_without_a_word(folders, capfd):
    from transformers.utils import logging

    make_system(f"hf:{folders / 'dac'}").load()
    assert capfd.readouterr() == ("", "")
    assert logging.is_progress_bar_enabled()


def test_in_an_evaluation(clips, folders):
    """Other rates in and out, codes kept, and all numbers there."""
    results = evaluate(
        clips,
        [f"hf:{folders / 'mimi'}", f"hf:{folders / 'neucodec'}"],
        metrics=["stft_dac"],
        sample_rate=RATE,
        workers=0,
        report=False,
    )
    assert set(results.utterances["status"]) == {"ok"}
    summary = results.summary.set_index("system")
    assert summary.loc["neucodec", "kbps"] == 0.3
    assert list(summary.loc["mimi", "num_codebooks"]) == [2, 4, 5]
