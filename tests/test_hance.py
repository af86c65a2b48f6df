"""hance-ai's card: its names work, its seams are gone, its pickles are not run."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from dac_lobe.audio import AudioError, read_audio, write_audio
from dac_lobe.hance import HanceCodec


@pytest.fixture
def clip(tmp_path):
    wav = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 1203)).astype(np.float32)
    return write_audio(tmp_path / "clip.wav", wav, 16000, "FLOAT")


@pytest.mark.parametrize("seconds", [0.0005, 0.01, 100])
def test_chunks_of_any_size_give_the_codes_of_the_whole(tiny_dac, clip, seconds):
    zq, s = HanceCodec(tiny_dac, encoding_chunk_size_in_sec=seconds).encode(clip)
    mono = torch.from_numpy(read_audio(clip).mean(axis=0))[None, None]
    with torch.no_grad():
        whole = tiny_dac.encode(mono)
    assert torch.equal(s, whole.codes)
    torch.testing.assert_close(zq, whole.z)


@pytest.mark.parametrize("rate", [1e-6, 0.1, 1])
@pytest.mark.parametrize("rates", [[4, 2], [5, 2]])
def test_seams_are_exact_from_latents_and_from_codes(make_dac, clip, rate, rates):
    codec = make_dac(encoder_rates=rates[::-1], decoder_rates=rates, delay=3)
    model = HanceCodec(codec, decoding_chunk_rate=rate, decoding_overlap_rate=0.3)
    zq, s = model.encode(clip)
    with torch.no_grad():
        whole = codec.decode_codes(s)
    assert whole.shape[-1] == s.shape[-1] * codec.hop_length
    torch.testing.assert_close(model.decode(s=s), whole, atol=1e-6, rtol=0)
    torch.testing.assert_close(model.decode(zq=zq), whole, atol=1e-6, rtol=0)


def test_any_rate_goes_in_and_the_models_comes_out(tiny_dac, tmp_path):
    wav = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 44100))
    clip = write_audio(tmp_path / "a.flac", wav, 44100)
    model = HanceCodec(tiny_dac)
    out = model.decode(s=model.encode(clip).s)
    assert out.shape == (1, 1, 16000)
    model.waveform_to_audiofile(out, tmp_path / "b.wav")
    assert read_audio(tmp_path / "b.wav").shape == (1, 16000)


def test_tensors_come_back_and_are_no_pickles(tiny_dac, tmp_path):
    model, path = HanceCodec(tiny_dac), tmp_path / "tokens.pt"
    tokens = torch.randint(16, (1, 3, 50))
    model.save_tensor(tokens.transpose(1, 2), path)
    assert torch.equal(model.load_tensor(path), tokens.transpose(1, 2))
    assert not path.read_bytes().startswith((b"PK", b"\x80"))
    torch.save(tokens, path)  # what the card's own method writes
    assert torch.equal(model.load_tensor(path), tokens)


class Bomb:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_tensor_file_is_not_executed(tiny_dac, tmp_path):
    path, trace = tmp_path / "tokens.pt", tmp_path / "executed"
    torch.save(Bomb(trace), path)
    with pytest.raises(ValueError, match=r"tokens\.pt"):
        HanceCodec(tiny_dac).load_tensor(path)
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="something else"):
        HanceCodec(tiny_dac).load_tensor(path)
    path.write_bytes(b"garbage")
    with pytest.raises(ValueError, match=r"tokens\.pt"):
        HanceCodec(tiny_dac).load_tensor(path)
    assert not trace.exists()


def test_wrong_use(tiny_dac, tmp_path):
    model = HanceCodec(tiny_dac)
    for arguments in ({}, {"zq": torch.zeros(1, 16, 1), "s": torch.zeros(1, 1, 1)}):
        with pytest.raises(ValueError, match="either"):
            model.decode(**arguments)
    with pytest.raises(ValueError, match=r"\[0, 15\]"):
        model.decode(s=torch.full((1, 3, 4), 16))
    with pytest.raises(ValueError, match="decoding_chunk_rate=0"):
        HanceCodec(tiny_dac, decoding_chunk_rate=0)
    (tmp_path / "a.wav").write_bytes(b"no audio")
    with pytest.raises(AudioError, match=r"a\.wav"):
        model.encode(tmp_path / "a.wav")


def test_names_of_the_card_are_names_of_ours(monkeypatch, tiny_dac):
    asked = []

    def from_pretrained(source, cache_dir=None):
        asked.append(source)
        return tiny_dac

    monkeypatch.setattr("dac_lobe.hance.DAC.from_pretrained", from_pretrained)
    name = "hance-ai/descript-audio-codec-44khz"
    model = HanceCodec.from_pretrained(
        name, trust_remote_code=True, decoding_chunk_rate=0.5
    )
    HanceCodec.from_pretrained("16khz-small")
    assert asked == ["44khz", "16khz-small"]
    assert not model.training
    assert model.decoding_chunk_rate == 0.5
