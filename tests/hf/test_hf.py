"""The transformers face: the same where transformers is right, mended where not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

transformers = pytest.importorskip("transformers")

from dac_lobe import DAC  # noqa: E402
from dac_lobe.execution import detach  # noqa: E402
from dac_lobe.hf import DacConfig, DacFeatureExtractor, DacModel  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["even", "odd"])
def codec(request, make_dac):
    """Two architectures; the odd one loses samples and has narrow latents."""
    if request.param == "even":
        return make_dac()
    return make_dac(encoder_rates=[2, 5], decoder_rates=[5, 2], latent_dim=6, delay=2)


@pytest.fixture
def model(codec):
    return DacModel.from_codec(codec)


@pytest.fixture
def theirs(model, tmp_path):
    """transformers' model with the same weights."""
    model.save_pretrained(tmp_path / "model")
    return transformers.DacModel.from_pretrained(tmp_path / "model").eval()


@pytest.fixture
def batch(model):
    """Three clips in a padded batch, as the extractor makes it."""
    rng = np.random.default_rng(0)
    clips = [rng.standard_normal(n).astype(np.float32) for n in (331, 40, 203)]
    extractor = DacFeatureExtractor(hop_length=model.config.hop_length)
    return clips, extractor(clips, sampling_rate=16000, return_tensors="pt")


class TestSameAsTransformers:
    def test_every_output(self, model, theirs):
        wav = torch.randn(2, 1, 40 * model.config.hop_length)
        with torch.no_grad():
            for k in (None, 2):
                ours, expected = model(wav, n_quantizers=k), theirs(wav, n_quantizers=k)
                assert list(ours) == list(expected)
                for key in expected:
                    torch.testing.assert_close(ours[key], expected[key], rtol=0, atol=0)
            codes = expected.audio_codes
            audio = theirs.decode(audio_codes=codes).audio_values
            assert torch.equal(model.decode(audio_codes=codes).audio_values, audio)

    def test_tuples(self, model, theirs):
        wav = torch.randn(1, 1, 10 * model.config.hop_length)
        ours, expected = model(wav, None, False), theirs(wav, None, False)
        assert type(ours) is type(expected) is tuple
        assert all(torch.equal(a, b) for a, b in zip(ours, expected, strict=True))

    def test_gradients(self, model, theirs):
        wav = torch.randn(2, 1, 10 * model.config.hop_length)
        for each in (model.train(), theirs.train()):
            out = each(wav)
            (out.loss.sum() + out.audio_values.square().sum()).backward()
        expected = dict(theirs.named_parameters())
        for name, parameter in model.named_parameters():
            assert torch.equal(parameter.grad, expected[name].grad), name

    def test_feature_extractor(self):
        rng = np.random.default_rng(0)
        ours, theirs = (
            extractor(hop_length=8)
            for extractor in (DacFeatureExtractor, transformers.DacFeatureExtractor)
        )
        clips = [rng.standard_normal(n) for n in (20, 7)]
        for options in ({}, {"padding": "max_length", "max_length": 50}):
            options |= {"sampling_rate": 16000, "return_tensors": "np"}
            for raw in (clips, clips[0], clips[0].tolist()):
                got, expected = ours(raw, **options), theirs(raw, **options)
                assert got.keys() == expected.keys()
                for key in expected:
                    np.testing.assert_array_equal(got[key], expected[key])


class TestFiles:
    def test_they_read_ours_and_we_read_theirs(self, model, theirs, tmp_path):
        wav = torch.randn(1, 1, 20 * model.config.hop_length)
        theirs.save_pretrained(tmp_path / "theirs")
        back = DacModel.from_pretrained(tmp_path / "theirs").eval()
        assert isinstance(back.config, DacConfig)
        assert torch.equal(back(wav).audio_codes, model(wav).audio_codes)

    def test_a_codec_reads_ours(self, codec, model, tmp_path):
        model.save_pretrained(tmp_path / "model")
        loaded = detach(DAC.from_pretrained(tmp_path / "model"))
        assert loaded.config == codec.config
        wav = torch.randn(1, 1, 300)
        assert torch.equal(loaded.encode(wav).codes, codec.encode(wav).codes)

    def test_a_codecs_folder_makes_a_model(self, codec, tmp_path):
        folder = codec.save(tmp_path / "codec")
        model = DacModel.from_pretrained(folder)
        assert model.config.hidden_size == codec.latent_dim
        assert model.config.delay == codec.delay
        assert model.config.hop_length == codec.hop_length
        extractor = DacFeatureExtractor.from_pretrained(folder)
        assert extractor.hop_length == codec.hop_length

    def test_weight_norm_is_saved_and_loaded(self, model, tmp_path):
        wav = torch.randn(1, 1, 20 * model.config.hop_length)
        codes = model(wav).audio_codes
        model.apply_weight_norm()
        model.save_pretrained(tmp_path / "normed")
        loaded = detach(DAC.from_pretrained(tmp_path / "normed"))
        assert torch.equal(loaded.encode(wav).codes, codes)


class TestConfig:
    def test_frame_rate_is_true(self):
        assert DacConfig(sampling_rate=44100).frame_rate == 44100 / 512
        assert transformers.DacConfig(sampling_rate=44100).frame_rate == 87

    def test_stale_entries_of_a_file_do_not_count(self, tmp_path):
        config = {"model_type": "dac", "downsampling_ratios": [2, 4, 5, 8]}
        config |= {"hop_length": 512, "upsampling_ratios": [8, 8, 4, 2]}
        (tmp_path / "config.json").write_text(json.dumps(config))
        loaded = DacConfig.from_pretrained(tmp_path)
        assert loaded.hop_length == 320
        assert loaded.upsampling_ratios == [8, 5, 4, 2]
        assert loaded.frame_rate == 50.0

    def test_narrow_latents_come_through_a_file(self, tmp_path):
        DacConfig(hidden_size=128).save_pretrained(tmp_path)
        assert DacConfig.from_pretrained(tmp_path).hidden_size == 128
        assert transformers.DacConfig.from_pretrained(tmp_path).hidden_size == 128


class TestPaddingMask:
    def test_transformers_refuses_its_own_inputs(self, theirs, batch):
        """The defect; should this fail one day, the mending can go."""
        with pytest.raises(TypeError, match="padding_mask"):
            theirs(**batch[1])

    def test_each_item_is_as_alone(self, model, batch):
        clips, inputs = batch
        hop = model.config.hop_length
        with torch.no_grad():
            together = model(**inputs)
            for item, clip in enumerate(clips):
                frames = -(-len(clip) // hop)
                alone = model(
                    torch.from_numpy(clip)[None, None],
                    padding_mask=torch.ones(1, len(clip)),
                )
                codes = together.audio_codes[item]
                assert torch.equal(codes[:, :frames], alone.audio_codes[0])
                assert not codes[:, frames:].any()
                audio = together.audio_values[item]
                torch.testing.assert_close(
                    audio[: len(clip)], alone.audio_values[0], rtol=0, atol=1e-4
                )
                assert not audio[len(clip) :].any()

    def test_each_item_is_as_the_codec_has_it(self, codec, model, batch):
        clips, inputs = batch
        with torch.no_grad():
            out = model(**inputs, n_quantizers=2)
            lengths = inputs["padding_mask"].sum(-1)
            encoded = codec.encode(inputs["input_values"], 2, lengths=lengths)
            assert torch.equal(out.audio_codes, encoded.codes)
            audio = codec.decode_codes(encoded.codes, length=lengths)
        expected = torch.zeros_like(out.audio_values)
        expected[:, : audio.shape[-1]] = audio[:, 0]
        torch.testing.assert_close(out.audio_values, expected, rtol=0, atol=1e-4)

    def test_a_full_mask_is_no_mask(self, model):
        wav = torch.randn(2, 1, 16 * model.config.hop_length)
        with torch.no_grad():
            plain, masked = (
                model(wav),
                model(wav, padding_mask=torch.ones(2, wav.shape[-1])),
            )
        assert torch.equal(plain.audio_codes, masked.audio_codes)
        delay, raw = model.config.delay, plain.audio_values
        kept = masked.audio_values[:, delay : delay + raw.shape[-1]]
        torch.testing.assert_close(kept, raw[:, : kept.shape[-1]], rtol=0, atol=1e-4)

    @pytest.mark.parametrize("mask", [[[0, 1, 1, 1]], [[1, 0, 1, 0]], [[0, 0, 0, 0]]])
    def test_odd_masks_are_refused(self, model, mask):
        with pytest.raises(ValueError, match="padding_mask must be 1"):
            model(torch.zeros(1, 1, 4), padding_mask=torch.tensor(mask))

    def test_a_mask_of_another_shape_is_refused(self, model):
        with pytest.raises(ValueError, match=r"\(2, 4\) is needed"):
            model(torch.zeros(2, 1, 4), padding_mask=torch.ones(1, 4))


class TestStereo:
    def test_channels_are_items(self, model):
        hop = model.config.hop_length
        clips = [np.random.randn(2, n).astype(np.float32) for n in (100, 61)]
        extractor = DacFeatureExtractor(feature_size=2, hop_length=hop)
        inputs = extractor(clips, sampling_rate=16000, return_tensors="pt")
        total = -(-100 // hop) * hop
        assert inputs["input_values"].shape == (2, 2, total)
        assert inputs["padding_mask"].sum(-1).tolist() == [100, 61]
        with torch.no_grad():
            out = model(**inputs)
            assert out.audio_codes.shape[0] == out.audio_values.shape[0] == 4
            right = model(
                inputs["input_values"][1:, 1:], padding_mask=inputs["padding_mask"][1:]
            )
            audio = model.decode(
                audio_codes=out.audio_codes, padding_mask=inputs["padding_mask"]
            ).audio_values
        assert torch.equal(out.audio_codes[3], right.audio_codes[0])
        torch.testing.assert_close(audio, out.audio_values, atol=1e-4, rtol=0)

    def test_without_a_mask(self, model):
        wav = torch.randn(2, 2, 10 * model.config.hop_length)
        out = model(wav)
        assert torch.equal(out.audio_codes[1], model(wav[:1, 1:]).audio_codes[0])

    def test_padding_may_be_left_to_later(self):
        extractor = DacFeatureExtractor(feature_size=2, hop_length=8)
        inputs = extractor(np.ones((2, 20)), padding=False, sampling_rate=16000)
        assert [values.shape for values in inputs["input_values"]] == [(2, 20)]
        assert "padding_mask" not in inputs

    def test_other_shapes_are_refused(self):
        extractor = DacFeatureExtractor(feature_size=2)
        with pytest.raises(ValueError, match=r"\(20, 2\).*takes \(2, samples\)"):
            extractor(np.zeros((20, 2)), sampling_rate=16000)


class TestWeightNorm:
    def test_apply_and_remove_as_often_as_you_like(self, model):
        wav = torch.randn(1, 1, 20 * model.config.hop_length)
        before, keys = model(wav).audio_codes, set(model.state_dict())
        for change in ("apply", "apply", "remove", "remove", "apply", "remove"):
            getattr(model, f"{change}_weight_norm")()
            assert torch.equal(model(wav).audio_codes, before)
        assert set(model.state_dict()) == keys

    def test_as_transformers_applies_it(self, model, theirs):
        model.apply_weight_norm()
        theirs.apply_weight_norm()
        expected = theirs.state_dict()
        assert model.state_dict().keys() == expected.keys()
        for key, tensor in model.state_dict().items():
            torch.testing.assert_close(tensor, expected[key])


class TestRanges:
    @pytest.mark.parametrize("k", [0, -1, 4, 2.5, True, "2"])
    def test_codebooks(self, model, k):
        with pytest.raises(ValueError, match=f"n_quantizers={k!r}.*Choose 1 to 3"):
            model(torch.zeros(1, 1, 80), n_quantizers=k)

    @pytest.mark.parametrize(
        ("codes", "message"),
        [
            (torch.zeros(1, 4, 5), r"\(1, 4, 5\)"),
            (torch.zeros(4, 5), r"\(4, 5\)"),
            (torch.full((1, 3, 5), 16), r"\[16, 16\]; allowed is \[0, 15\]"),
            (torch.full((1, 3, 5), -1), r"\[-1, -1\]"),
        ],
    )
    def test_codes(self, model, codes, message):
        with pytest.raises(ValueError, match=message):
            model.decode(audio_codes=codes.long())

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bool, torch.complex64])
    def test_codes_that_are_no_integers(self, model, dtype):
        with pytest.raises(ValueError, match=f"{dtype}; integers are needed"):
            model.decode(audio_codes=torch.zeros(1, 3, 5, dtype=dtype))

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
    def test_codes_of_any_integers(self, model, dtype):
        codes = torch.randint(16, (1, 3, 5))
        expected = model.decode(audio_codes=codes).audio_values
        found = model.decode(audio_codes=codes.to(dtype)).audio_values
        assert torch.equal(found, expected)

    @pytest.mark.parametrize("shape", [(2, 1000), (0, 1000), (6, 1000), (3,)])
    def test_a_mask_of_other_items(self, model, shape):
        codes = torch.zeros(3, 3, 4, dtype=torch.long)
        with pytest.raises(ValueError, match=r"padding_mask is .* for 3 items"):
            model.decode(audio_codes=codes, padding_mask=torch.ones(shape))

    def test_shapes(self, model):
        with pytest.raises(ValueError, match=r"\(1, 80\).*\[B, C, T\]"):
            model(torch.zeros(1, 80))


@pytest.mark.slow
class TestSuite:
    """benchmarks/transformers_suite.py, on a checkout of two tests."""

    TEST = """
import unittest
from datasets import load_dataset
from transformers import DacConfig, DacModel

class DacModelTest(unittest.TestCase):
    def test_face(self):
        print(DacModel.__module__)
        self.assertTrue({condition})

    def test_integration(self):
        load_dataset("anything")
"""

    def suite(self, checkout, condition):
        folder = checkout / "tests" / "models" / "dac"
        folder.mkdir(parents=True)
        test = self.TEST.format(condition=condition)
        (folder / "test_modeling_dac.py").write_text(test)
        return subprocess.run(
            [sys.executable, ROOT / "benchmarks" / "transformers_suite.py", checkout],
            capture_output=True,
            text=True,
        )

    def test_the_same_is_fine(self, tmp_path):
        done = self.suite(tmp_path, "DacConfig(n_codebooks=2).n_codebooks == 2")
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("{'passed': 1, 'skipped': 1}") == 2

    def test_worse_is_reported(self, tmp_path):
        done = self.suite(tmp_path, "DacModel.__module__.startswith('transformers')")
        assert done.returncode == 1
        assert "WORSE: DacModelTest::test_face: passed -> failed" in done.stdout

    def test_something_else_than_a_checkout(self, tmp_path):
        path = ROOT / "benchmarks" / "transformers_suite.py"
        done = subprocess.run(
            [sys.executable, path, tmp_path], capture_output=True, text=True
        )
        assert done.returncode == 2
        assert "holds no tests/models/dac" in done.stderr
