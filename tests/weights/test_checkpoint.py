"""Every layout, read and written: equal codes, or one clear error."""

from __future__ import annotations

import json
import os
import pickle
import zipfile

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from dac_lobe import DAC
from dac_lobe.execution import detach
from dac_lobe.network.layers import fold_weight_norm
from dac_lobe.weights import layouts
from dac_lobe.weights.checkpoint import read_checkpoint
from dac_lobe.weights.variants import variant


def load(source, **options):
    """Load without the fast engine, whose sums are ordered otherwise."""
    return detach(DAC.from_pretrained(source, **options))


LAYOUTS = ["codec.pth", "codec.safetensors", "folder"]


@pytest.fixture
def wav():
    return torch.randn(2, 1, 500)


@pytest.fixture(params=["even", "odd"])
def codec(request, make_dac):
    """Two architectures; the odd one has all that can differ from the default."""
    if request.param == "even":
        return make_dac()
    return make_dac(
        encoder_rates=[2, 3, 5],
        decoder_rates=[5, 3, 2],
        latent_dim=6,
        sample_rate=24000,
        quantizer_dropout=0.5,
        delay=3,
    )


@pytest.fixture
def official(codec):
    """State dict in the official names."""
    state = {layouts.official_key(k): t for k, t in codec.state_dict().items()}
    assert any(key.endswith("weight_g") for key in state)
    return {key: tensor.clone() for key, tensor in state.items()}


def assert_same(codec, other, wav):
    """Same configuration, codes and samples."""
    assert other.config == codec.config
    assert not other.training
    with torch.no_grad():
        codes = codec.encode(wav).codes
        assert torch.equal(other.encode(wav).codes, codes)
        ours, theirs = codec.decode_codes(codes), other.decode_codes(codes)
    torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-6)


class TestRoundTrips:
    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_every_layout_keeps_the_codes(self, codec, wav, tmp_path, layout):
        path = codec.save(tmp_path / layout)
        assert_same(codec, load(path), wav)
        assert_same(codec, load(str(path)), wav)

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_every_layout_of_a_folded_codec(self, make_dac, wav, tmp_path, layout):
        codec = fold_weight_norm(make_dac())
        path = codec.save(tmp_path / layout)
        assert_same(codec, load(path), wav)

    def test_a_folded_checkpoint_is_met_to_the_bit(self, codec, tmp_path):
        loaded = load(codec.save(tmp_path / "folder"))
        for layer, same in zip(codec.modules(), loaded.modules(), strict=True):
            if isinstance(layer, (torch.nn.Conv1d, torch.nn.ConvTranspose1d)):
                assert torch.equal(layer.weight, same.weight)

    def test_half_precision_is_stored_and_taken_up(
        self, codec, official, wav, tmp_path
    ):
        path = codec.save(tmp_path / "half.safetensors", half=True)
        whole = codec.save(tmp_path / "whole.safetensors")
        assert path.stat().st_size < 0.75 * whole.stat().st_size
        loaded = load(path)
        assert {p.dtype for p in loaded.parameters()} == {torch.float32}
        assert_same(loaded, load(loaded.save(tmp_path / "b.pth")), wav)
        expected = layouts.folded(official)
        stored = layouts.folded(
            {layouts.official_key(k): t for k, t in loaded.state_dict().items()}
        )
        for key, tensor in stored.items():
            half = expected[key].half().float()
            torch.testing.assert_close(tensor, half, rtol=1e-6, atol=1e-9)

    def test_training_continues_from_weight_norm(self, codec, tmp_path):
        """Gain and direction come back as they were, not only their product."""
        loaded = load(codec.save(tmp_path / "codec.pth"))
        for key, tensor in codec.state_dict().items():
            assert torch.equal(loaded.state_dict()[key], tensor), key
        assert all(parameter.requires_grad for parameter in loaded.parameters())

    @pytest.mark.parametrize("layout", LAYOUTS[:2])
    def test_same_weights_same_bytes(self, codec, tmp_path, layout):
        first = codec.save(tmp_path / "a" / layout)
        second = codec.save(tmp_path / "b" / layout)
        assert first.read_bytes() == second.read_bytes()

    def test_saving_over_the_file_one_came_from(self, codec, wav, tmp_path):
        path = codec.save(tmp_path / "codec.pth")
        loaded = load(path)
        path.write_bytes(b"")  # a mapped model would now crash the process
        loaded.save(path)
        assert_same(codec, load(path), wav)


class TestLayoutsOfOthers:
    def write(self, path, state, codec, **metadata):
        kwargs = {k: v for k, v in codec.config.items() if k != "delay"}
        torch.save(
            {"state_dict": state, "metadata": {"kwargs": kwargs, **metadata}}, path
        )
        return path

    def test_official_keys(self, codec, official, wav, tmp_path):
        path = self.write(tmp_path / "w.pth", official, codec, note="hello")
        codec.delay = 0
        loaded = load(path)
        assert_same(codec, loaded, wav)
        assert loaded.metadata["note"] == "hello"

    @pytest.mark.parametrize("prefix", ["", "model.", "dac.", "module.generator."])
    @pytest.mark.parametrize("names", ["official", "parametrized", "transformers"])
    @pytest.mark.parametrize("folded", [False, True])
    def test_names_prefixes_and_folding(
        self, codec, official, wav, tmp_path, names, prefix, folded
    ):
        state = layouts.folded(official) if folded else official
        if names == "transformers":
            state = layouts.transformers_names(state)
        if names == "parametrized":
            state = {layouts.parametrized_key(key): t for key, t in state.items()}
        state = {prefix + key: tensor for key, tensor in state.items()}
        codec.delay = 0
        path = self.write(tmp_path / "w.pth", state, codec)
        assert_same(codec, load(path), wav)

    def test_stated_none_and_false_as_upstream_has_them(self, make_dac, wav, tmp_path):
        codec = make_dac()
        kwargs = {**codec.config, "latent_dim": None, "quantizer_dropout": False}
        state = codec.state_dict()
        torch.save(
            {"state_dict": state, "metadata": {"kwargs": kwargs}}, tmp_path / "w"
        )
        assert_same(codec, load(tmp_path / "w"), wav)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
    def test_other_precisions_become_float32(self, codec, official, tmp_path, dtype):
        state = {key: tensor.to(dtype) for key, tensor in official.items()}
        loaded = load(self.write(tmp_path / "w.pth", state, codec))
        assert {p.dtype for p in loaded.parameters()} == {torch.float32}

    def test_a_bare_state_dict_needs_only_the_rate(self, codec, wav, tmp_path):
        torch.save(codec.state_dict(), tmp_path / "brain.ckpt")
        with pytest.raises(ValueError, match="does not tell its sample rate"):
            load(tmp_path / "brain.ckpt")
        rate = codec.sample_rate
        loaded = DAC(sample_rate=rate, load_path=tmp_path / "brain.ckpt")
        codec.delay, codec.quantizer_dropout = 0, 0.0
        assert_same(codec, loaded, wav)

    def test_a_safetensors_file_with_its_configuration_beside_it(
        self, codec, wav, tmp_path
    ):
        codec.save(tmp_path / "folder")
        path = tmp_path / "folder" / "model.safetensors"
        assert_same(codec, load(path), wav)

    def test_a_folder_with_old_weights(self, codec, wav, tmp_path):
        folder = codec.save(tmp_path / "folder")
        state = load_file(folder / "model.safetensors")
        (folder / "model.safetensors").unlink()
        torch.save(state, folder / "pytorch_model.bin")
        assert_same(codec, load(folder), wav)

    def test_derived_entries_of_a_hub_config_are_not_believed(
        self, codec, wav, tmp_path
    ):
        folder = codec.save(tmp_path / "folder")
        stated = json.loads((folder / "config.json").read_text())
        stated |= {"hop_length": 512, "hidden_size": 7, "upsampling_ratios": [1]}
        (folder / "config.json").write_text(json.dumps(stated))
        assert_same(codec, load(folder), wav)


class TestTransformers:
    def test_reads_our_folder(self, codec, wav, tmp_path):
        from transformers import AutoFeatureExtractor, DacModel

        folder = codec.save(tmp_path / "folder")
        theirs, report = DacModel.from_pretrained(folder, output_loading_info=True)
        assert not any(report.values()), report
        with torch.no_grad():
            padded = torch.nn.functional.pad(
                wav, (0, -wav.shape[-1] % codec.hop_length)
            )
            codes = codec.encode(padded).codes
            assert torch.equal(theirs.encode(padded).audio_codes, codes)
            raw = codec.decode(codec.quantizer.from_codes(codes).z)
            audio = theirs.decode(audio_codes=codes).audio_values
        torch.testing.assert_close(audio, raw.squeeze(1), rtol=0, atol=1e-5)
        extractor = AutoFeatureExtractor.from_pretrained(folder)
        assert extractor.hop_length == codec.hop_length
        assert extractor.sampling_rate == codec.sample_rate

    @pytest.mark.parametrize("normed", [False, True])
    def test_we_read_its_folder(self, wav, tmp_path, normed):
        from transformers import DacConfig, DacModel

        config = DacConfig(
            encoder_hidden_size=4,
            downsampling_ratios=[2, 4],
            decoder_hidden_size=16,
            n_codebooks=3,
            codebook_size=16,
            codebook_dim=4,
            sampling_rate=24000,
        )
        theirs = DacModel(config).eval()
        with torch.no_grad():
            for name, parameter in theirs.named_parameters():
                if not name.endswith("alpha"):
                    parameter.normal_(0.0, 0.1)
        if normed:
            theirs.apply_weight_norm()
        theirs.save_pretrained(tmp_path / "theirs")
        ours = load(tmp_path / "theirs")
        assert (ours.sample_rate, ours.hop_length, ours.latent_dim) == (24000, 8, 16)
        with torch.no_grad():
            padded = wav[..., :496]
            codes = theirs.encode(padded).audio_codes
            assert torch.equal(ours.encode(padded).codes, codes)
            audio = theirs.decode(audio_codes=codes).audio_values
            torch.testing.assert_close(
                ours.decode_codes(codes)[:, 0], audio, rtol=0, atol=1e-5
            )

    def test_what_its_layout_cannot_hold(self, make_dac, tmp_path):
        uneven = make_dac(encoder_rates=[2, 4], decoder_rates=[2, 4])
        with pytest.raises(ValueError, match="not the reverse"):
            uneven.save(tmp_path / "a")
        mixed = make_dac(codebook_dim=[4, 4, 2])
        with pytest.raises(ValueError, match="one codebook_dim"):
            mixed.save(tmp_path / "b")
        for codec in (uneven, mixed):
            loaded = load(codec.save(tmp_path / "c.safetensors"))
            assert loaded.config == codec.config


def test_speechbrains_lobe_reads_our_pth(make_dac, wav, tmp_path):
    lobe = pytest.importorskip("speechbrain.lobes.models.discrete.dac")
    codec = make_dac()
    path = codec.save(tmp_path / "codec.pth")
    theirs = lobe.DAC(load_pretrained=True, load_path=path, strict=True).eval()
    with torch.no_grad():
        codes, _ = theirs(wav, sample_rate=16000)
        assert torch.equal(codec.encode(wav).codes, codes)


class TestDelay:
    """Upstream's variants get the reported delay, whichever layout they come in."""

    @pytest.mark.parametrize("name", ["16khz", "24khz", "44khz", "44khz-16kbps"])
    @pytest.mark.parametrize("bare", [False, True])
    def test_official_variants_are_known(self, monkeypatch, tmp_path, name, bare):
        row = variant(name)
        with torch.device("meta"):
            state = DAC(**row.config).state_dict()
        # Half a byte a weight would still be 40 MB: one stored number serves all.
        state = {k: torch.zeros(1).expand(t.shape) for k, t in state.items()}
        monkeypatch.setattr(torch.Tensor, "nbytes", 0)
        kwargs = {
            k: v for k, v in row.config.items() if k not in ("delay", "latent_dim")
        }
        torch.save(
            state if bare else {"state_dict": state, "metadata": {"kwargs": kwargs}},
            tmp_path / "w.pth",
        )
        config = read_checkpoint(tmp_path / "w.pth").config
        assert config == dict(row.config)

    def test_another_rate_is_another_model(self, make_dac, tmp_path):
        codec = make_dac(encoder_rates=[2, 5], decoder_rates=[5, 2])
        assert load(codec.save(tmp_path / "a.pth")).delay == 0


class TestStrictness:
    def spoil(self, codec, path, change):
        codec.save(path)
        content = torch.load(path, weights_only=True)
        change(content["state_dict"], content["metadata"]["kwargs"])
        torch.save(content, path)
        return path

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda s, k: s.pop("decoder.model.0.bias"), "1 missing .decoder.model.0"),
            (lambda s, k: s.update(extra=torch.ones(1)), "1 unexpected .extra"),
            (
                lambda s, k: s.update({"decoder.model.0.bias": torch.ones(3)}),
                r"1 of another shape .decoder.model.0.bias \(3,\) for \(16,\)",
            ),
            (lambda s, k: s.clear(), "none at all"),
            (lambda s, k: k.update(n_codebooks=9), "n_codebooks=9.*tensors have 3"),
            (lambda s, k: k.update(sample_rate="fast"), "sample_rate='fast'"),
            (lambda s, k: k.update(sample_rate=-1), "sample_rate=-1"),
            (lambda s, k: k.update(delay=float("nan")), "delay=nan"),
            (
                lambda s, k: s.update({"decoder.model.0.bias": torch.ones(16).long()}),
                "has type torch.int64",
            ),
            (
                lambda s, k: s.update(
                    {"decoder.model.0.bias": torch.ones(1).expand(10**12)}
                ),
                "claims more values",
            ),
        ],
    )
    def test_one_error_says_what_is_wrong(self, make_dac, tmp_path, change, message):
        path = self.spoil(make_dac(), tmp_path / "codec.pth", change)
        with pytest.raises(ValueError, match=message) as caught:
            load(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_partial_load_changes_nothing(self, make_dac, tmp_path):
        codec = make_dac()
        path = self.spoil(
            make_dac(), tmp_path / "w.pth", lambda s, k: s.pop("decoder.model.0.bias")
        )
        before = {key: tensor.clone() for key, tensor in codec.state_dict().items()}
        with pytest.raises(ValueError, match="1 missing"):
            read_checkpoint(path).load_into(codec)
        for key, tensor in codec.state_dict().items():
            assert torch.equal(tensor, before[key])

    def test_strict_even_when_speechbrains_argument_says_no(self, make_dac, tmp_path):
        path = self.spoil(make_dac(), tmp_path / "w.pth", lambda s, k: s.clear())
        with pytest.raises(ValueError, match="none at all"):
            DAC(load_path=path, strict=False)

    def test_two_models_do_not_share_weights(self, make_dac, tmp_path):
        checkpoint = read_checkpoint(make_dac().save(tmp_path / "w.pth"))
        first, second = DAC(**checkpoint.config), DAC(**checkpoint.config)
        checkpoint.load_into(first)
        checkpoint.load_into(second)
        with torch.no_grad():
            first.decoder.model[0].bias.add_(1)
        assert not torch.equal(
            first.decoder.model[0].bias, second.decoder.model[0].bias
        )


class Code:
    """Runs a command when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


class TestBadFiles:
    def test_none(self, tmp_path):
        with pytest.raises(ValueError, match="does not exist"):
            load(tmp_path / "none.pth")
        with pytest.raises(ValueError, match="does not exist"):
            load("weights/none.safetensors")
        with pytest.raises(ValueError, match="a/folder/none does not exist and is no"):
            load("a/folder/none")
        with pytest.raises(ValueError, match="unknown model ''"):
            load("")

    @pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
    def test_empty(self, tmp_path, name):
        (tmp_path / name).touch()
        with pytest.raises(ValueError, match="the file is empty"):
            load(tmp_path / name)

    def test_an_empty_folder(self, tmp_path):
        with pytest.raises(ValueError, match="holds none of model.safetensors"):
            load(tmp_path)

    def test_a_folder_without_configuration(self, make_dac, tmp_path):
        folder = make_dac().save(tmp_path / "folder")
        (folder / "config.json").unlink()
        with pytest.raises(ValueError, match="config.json is missing"):
            load(folder)

    @pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
    @pytest.mark.parametrize("kept", [1, 9, 100, 0.5, 0.999])
    def test_truncated(self, make_dac, tmp_path, name, kept):
        path = make_dac().save(tmp_path / name)
        content = path.read_bytes()
        path.write_bytes(content[: int(kept * len(content)) if kept < 1 else kept])
        with pytest.raises(ValueError, match="truncated|neither"):
            load(path)

    def test_code_is_not_run(self, tmp_path):
        path, trace = tmp_path / "evil.pth", tmp_path / "trace"
        torch.save({"state_dict": {}, "metadata": Code(trace)}, path)
        with pytest.raises(ValueError, match="more than tensors and plain values"):
            load(path)
        (tmp_path / "bare.pth").write_bytes(pickle.dumps(Code(trace)))
        with pytest.raises(ValueError, match="neither a PyTorch zip file"):
            load(tmp_path / "bare.pth")
        assert not trace.exists()

    def test_another_architecture(self, tmp_path):
        state = torch.nn.Linear(2, 2).state_dict()
        torch.save(state, tmp_path / "a.pth")
        save_file(state, tmp_path / "a.safetensors")
        for name in ("a.pth", "a.safetensors"):
            with pytest.raises(ValueError, match="first keys are: bias, weight"):
                load(tmp_path / name)

    @pytest.mark.parametrize("content", [[1, 2], {"state_dict": 3}, {"a": "b"}, {1: 2}])
    def test_other_things(self, tmp_path, content):
        torch.save(content, tmp_path / "a.pth")
        with pytest.raises(ValueError, match="it holds"):
            load(tmp_path / "a.pth")

    def test_an_ordinary_zip(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.pth", "w") as file:
            file.writestr("readme.txt", "hello")
        with pytest.raises(ValueError, match="not a usable DAC checkpoint"):
            load(tmp_path / "a.pth")

    @pytest.mark.parametrize("name", LAYOUTS)
    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(data=st.data())
    def test_damage_is_an_error_or_a_codec(self, make_dac, tmp_path, name, data):
        path = make_dac().save(tmp_path / "good" / name)
        target = path / "config.json" if path.is_dir() else path
        content = bytearray(target.read_bytes())
        # Headers and pickles are where structure is; the rest is numbers.
        where = st.one_of(
            st.integers(0, min(8000, len(content) - 1)),
            st.integers(0, len(content) - 1),
        )
        for place in data.draw(st.lists(where, min_size=1, max_size=4)):
            content[place] = data.draw(st.integers(0, 255))
        target.unlink()
        target.write_bytes(content)
        message = str(path)
        try:
            load(path)
        except ValueError as error:
            message = str(error)
        assert str(path) in message


class TestSources:
    def test_a_name_wins_over_a_file(self, make_dac, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        codec = make_dac()
        codec.save(tmp_path / "16khz-small")
        from pathlib import Path

        assert load(Path("16khz-small")).config == codec.config
        assert load("16khz-small").config != codec.config

    def test_unknown_names(self):
        with pytest.raises(ValueError, match="Did you mean 16khz-small"):
            load("16khz-smal")

    def test_hub_ids(self, make_dac, tmp_path, monkeypatch):
        from dac_lobe.weights import fetch

        folder = make_dac().save(tmp_path / "folder")
        asked = []

        def hub(hub_id, cache_dir):
            asked.append((hub_id, cache_dir))
            return folder

        monkeypatch.setattr(fetch, "download_hub", hub)
        assert load("org/name", cache_dir="here").hop_length == 8
        assert asked == [("org/name", "here")]

    def test_a_relative_folder_is_not_a_hub_id(self, make_dac, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        make_dac().save(tmp_path / "org" / "name")
        assert load("org/name").hop_length == 8

    @pytest.mark.parametrize("options", [{"backend": "abacus"}, {"precision": "vague"}])
    def test_unknown_options(self, options):
        with pytest.raises(ValueError, match="abacus|vague"):
            load("16khz-small", **options)


class TestWriting:
    @pytest.mark.parametrize("name", ["a.pt", "a.ckpt", "a.bin", "x.foo"])
    def test_unknown_suffixes(self, tiny_dac, tmp_path, name):
        with pytest.raises(ValueError, match=r"must be '.pth' or '.safetensors'"):
            tiny_dac.save(tmp_path / name)

    def test_half_is_for_safetensors(self, tiny_dac, tmp_path):
        with pytest.raises(ValueError, match="half=True needs"):
            tiny_dac.save(tmp_path / "a.pth", half=True)

    def test_half_refuses_what_does_not_fit(self, make_dac, tmp_path):
        codec = make_dac()
        with torch.no_grad():
            codec.decoder.model[0].bias.fill_(1e6)
        with pytest.raises(ValueError, match="'decoder.model.0.bias' does not fit"):
            codec.save(tmp_path / "a.safetensors", half=True)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("name", LAYOUTS)
    def test_a_full_disk_leaves_the_old_file(
        self, make_dac, tmp_path, monkeypatch, name
    ):
        codec = make_dac()
        path = codec.save(tmp_path / name)
        before = {p: p.read_bytes() for p in sorted(tmp_path.rglob("*")) if p.is_file()}

        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            codec.save(path)
        after = {p: p.read_bytes() for p in sorted(tmp_path.rglob("*")) if p.is_file()}
        assert after == before

    def test_what_the_header_says(self, tiny_dac, tmp_path):
        path = tiny_dac.save(tmp_path / "a.safetensors")
        with safe_open(path, framework="pt") as file:
            assert json.loads(file.metadata()["config"]) == tiny_dac.config


def test_loading_draws_nothing_at_random(make_dac, tmp_path, monkeypatch):
    path = make_dac().save(tmp_path / "a.pth")
    state = torch.get_rng_state()

    def refuse(*_, **__):
        raise AssertionError("weights are drawn only to be overwritten")

    monkeypatch.setattr(torch.nn.init, "trunc_normal_", refuse)
    load(path)
    DAC(load_path=path)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", ["speech.pth", "16khz"])
def test_a_codec_from_a_path_is_named_by_its_file(make_dac, tmp_path, name):
    """As `from_pretrained` names it; a file that is called as a model is a file."""
    path = make_dac().save(tmp_path / "speech.pth").rename(tmp_path / name)
    codec = DAC(load_path=str(path))
    assert codec.source == DAC.from_pretrained(path).source == name
    assert f"DAC({name}: " in repr(codec)
