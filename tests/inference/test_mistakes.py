"""What a recogniser and a speaker are given by mistake, and what they say."""

from __future__ import annotations

import math

import pytest
import torch

from dac_lobe.inference import TokenASR, TokenTTS
from dac_lobe.nnet.encoder import LSTMEncoder
from dac_lobe.nnet.frontend import FbankFrontend
from dac_lobe.nnet.tts import TokenSynthesizer
from dac_lobe.weights.fingerprint import fingerprint


@pytest.fixture
def asr():
    """A recogniser on filterbanks, with random weights."""
    torch.manual_seed(1)
    encoder = LSTMEncoder(8, hidden_size=6, num_layers=1)
    modules = {
        "frontend": FbankFrontend(16000, emb_dim=8, context_layers=1),
        "encoder": encoder,
        "output": torch.nn.Linear(encoder.output_size, 5),
    }
    torch.nn.init.normal_(modules["output"].weight, std=20.0)
    facts = {"input": "sig", "blank_index": 0, "labels": ["", *"ABC "]}
    return TokenASR(modules, {**facts, "sample_rate": 16000}, {"device": "cpu"})


@pytest.fixture
def tts(make_dac):
    """A speaker with random weights."""
    codec = make_dac()
    speaks = TokenSynthesizer(3, 16, 40, 2, d_model=16, nhead=2, d_ffn=8, num_layers=1)
    facts = {
        "speakers": ["a", "b"],
        "sample_rate": codec.sample_rate,
        "num_codebooks": codec.num_codebooks,
        "codec_fingerprint": fingerprint(codec),
    }
    modules = {"synthesizer": speaks, "codec": codec}
    return TokenTTS(modules, facts, {"device": "cpu"})


@pytest.mark.parametrize("samples", [1, 159, 160, 400])
def test_a_moment_is_transcribed(asr, samples):
    assert len(asr.transcribe_batch(torch.zeros(2, samples))) == 2


@pytest.mark.parametrize(
    ("wavs", "said"),
    [
        (torch.full((1, 8000), math.nan), "NaN or infinite"),
        (torch.full((1, 8000), math.inf), "NaN or infinite"),
        (torch.zeros(1, 0), "empty"),
        (torch.zeros(0, 8000), "at least one recording"),
        (torch.zeros(8000), r"\[B, T\] is needed"),
        (torch.zeros(1, 8000, dtype=torch.int16), "floating point"),
    ],
)
def test_what_a_codec_refuses_filterbanks_refuse(asr, wavs, said):
    with pytest.raises(ValueError, match=said):
        asr.transcribe_batch(wavs)


def test_lengths_in_samples_are_the_relative_ones(asr):
    wavs = 0.3 * torch.randn(2, 8000)
    relative = asr.transcribe_batch(wavs, torch.tensor([1.0, 0.5]))
    assert relative == asr.transcribe_batch(wavs, torch.tensor([8000, 4000]))
    assert relative != asr.transcribe_batch(wavs)
    assert asr.transcribe_batch(wavs[:, None]) == asr.transcribe_batch(wavs)


def test_what_is_not_spoken_is_told(tts, caplog):
    spoken = tts.synthesize("Call 911 now", max_frames=6)
    assert torch.equal(tts.synthesize("CALL NOW", max_frames=6), spoken)
    (record,) = caplog.records
    assert "'911' of 'Call 911 now'" in record.getMessage()
    with pytest.raises(ValueError, match=r"texts\[1\]: nothing is left .*'Привет'"):
        tts.synthesize_batch(["GO", "Привет"])


@pytest.mark.parametrize("speakers", [None, "aba"])
def test_a_text_alone_is_no_batch(tts, speakers):
    """Its letters would be spoken one by one."""
    with pytest.raises(ValueError, match="texts='YES' is one text. Give a list"):
        tts.synthesize_batch("YES", speakers)


@pytest.mark.parametrize("options", [{"temperature": -1.0}, {"top_k": 0}])
def test_what_cannot_be_drawn_from_is_refused(tts, options):
    with pytest.raises(ValueError, match=f"{next(iter(options))}=.* Give "):
        tts.synthesize("GO", max_frames=6, **options)


def test_no_text_is_refused(tts):
    with pytest.raises(ValueError, match="no text given. Give at least one."):
        tts.synthesize_batch([])
