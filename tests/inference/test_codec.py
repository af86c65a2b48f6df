"""The codec inside an exported model: on the fast path, and a stretch at a time."""

from __future__ import annotations

import copy
from unittest.mock import patch

import pytest
import torch

from dac_lobe.audio import write_audio
from dac_lobe.execution import detach
from dac_lobe.inference import TokenASR, TokenTTS
from dac_lobe.nnet.embedding import TokenEmbedding
from dac_lobe.nnet.encoder import LSTMEncoder
from dac_lobe.nnet.frontend import TokenFrontend
from dac_lobe.nnet.tts import TokenSynthesizer
from dac_lobe.weights.fingerprint import _digest, fingerprint


@pytest.fixture
def codec(tiny_dac):
    """As a folder makes it: by the constructor, with weights loaded later."""
    return detach(copy.deepcopy(tiny_dac))


@pytest.fixture
def facts(codec):
    return {
        "sample_rate": codec.sample_rate,
        "num_codebooks": codec.n_codebooks,
        "codec_fingerprint": fingerprint(codec),
    }


@pytest.fixture
def asr(codec, facts):
    encoder = LSTMEncoder(8, hidden_size=6, num_layers=1)
    output = torch.nn.Linear(encoder.output_size, 5)
    modules = {
        "frontend": TokenFrontend(
            TokenEmbedding(codec.n_codebooks, codec.codebook_size, 8)
        ),
        "encoder": encoder,
        "output": output,
        "codec": codec,
    }
    facts = {"input": "tokens", "blank_index": 0, "labels": ["", *"ABC "], **facts}
    return TokenASR(modules, facts, {"device": "cpu"})


def test_the_codec_takes_the_fast_path(asr, codec, facts):
    synthesizer = TokenSynthesizer(
        *(codec.n_codebooks, codec.codebook_size, 40, 2),
        **{"d_model": 16, "nhead": 2, "d_ffn": 8, "num_layers": 1},
    )
    modules = {"synthesizer": synthesizer, "codec": detach(copy.deepcopy(codec))}
    tts = TokenTTS(modules, {"speakers": ["a", "b"], **facts}, {"device": "cpu"})
    for model in (asr, tts):
        assert model.codec.backend != "modules"


def test_a_file_is_heard_as_its_samples_and_never_encoded_whole(asr, tmp_path):
    wav = torch.randn(1, 5 * asr.codec.sample_rate) / 8
    path = write_audio(tmp_path / "a.wav", wav.numpy(), asr.codec.sample_rate, "FLOAT")
    tokens, lengths = [], []
    asr.mods["frontend"].register_forward_pre_hook(
        lambda module, given: tokens.append(given[0])
    )
    words = asr.transcribe_batch(wav)[0]
    encode_span = asr.codec.encode_span

    def note(audio, *given):
        lengths.append(audio.shape[-1])
        return encode_span(audio, *given)

    with patch.object(asr.codec, "encode_span", note):
        assert asr.transcribe_file(path) == words
    assert torch.equal(*tokens)
    assert len(lengths) > 1
    assert max(lengths) < 3 * asr.codec.sample_rate


def test_the_name_of_before_is_the_codecs(codec, asr, facts):
    facts["codec_fingerprint"] = _digest(codec, 1)
    modules = {name: getattr(asr.mods, name) for name in asr.mods}
    facts = {"input": "tokens", "blank_index": 0, "labels": ["", *"ABC "], **facts}
    again = TokenASR(modules, facts, {"device": "cpu"})
    assert again.codec.num_codebooks == codec.num_codebooks
