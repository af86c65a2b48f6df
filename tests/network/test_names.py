"""Every public function takes its number of codebooks under each of the field's names.

Authors
 * The dac-lobe developers 2026
"""

import copy
import shutil

import pytest
import soundfile
import torch

from dac_lobe import DAC, DACTokenizer
from dac_lobe.network.names import NAMES
from dac_lobe.network.quantizer import ResidualVectorQuantize
from dac_lobe.tokens import TokenStore, extract

SHAPE = {
    "encoder_dim": 4,
    "encoder_rates": [2, 4],
    "decoder_dim": 16,
    "decoder_rates": [4, 2],
    "codebook_size": 16,
    "sample_rate": 16000,
}


@pytest.fixture(scope="module")
def codec():
    torch.manual_seed(0)
    return DAC(**SHAPE, n_codebooks=3).eval()


@pytest.fixture(scope="module")
def wav():
    return torch.randn(1, 1, 200, generator=torch.Generator().manual_seed(1)) / 8


@pytest.fixture(scope="module")
def clip(wav, tmp_path_factory):
    path = tmp_path_factory.mktemp("names") / "clip.wav"
    soundfile.write(path, wav[0, 0].numpy(), 16000)
    return path


def _stream(codec, wav, **given):
    with codec.streaming_encoder(**given) as encoder:
        return torch.cat([encoder.push(wav), encoder.flush()], dim=-1)


def _extract(codec, clip, **given):
    folder = clip.with_name("store")
    shutil.rmtree(folder, ignore_errors=True)
    model = codec.save(clip.with_name("codec.safetensors"))
    (clip.parent / "list.csv").write_text("path\nclip.wav\n")
    extract(clip.parent / "list.csv", folder, model, **given)
    return TokenStore(folder)


CALLS = {
    "encode": lambda codec, wav, clip, **given: codec.encode(wav, **given).codes,
    "forward": lambda codec, wav, clip, **given: codec(wav, **given).codes,
    "encode_chunked": lambda codec, wav, clip, **given: codec.encode_chunked(
        wav, **given
    ),
    "encode_file": lambda codec, wav, clip, **given: torch.as_tensor(
        codec.encode_file(clip, **given).codes
    ),
    "stream": lambda codec, wav, clip, **given: _stream(codec, wav, **given),
    "bitrate": lambda codec, wav, clip, **given: torch.tensor(codec.bitrate(**given)),
    "quantizer": lambda codec, wav, clip, **given: (
        codec.quantizer(codec.encoder(wav), **given).codes
    ),
    "decode_file": lambda codec, wav, clip, **given: torch.as_tensor(
        soundfile.read(
            codec.decode_file(
                codec.encode_file(clip), clip.with_name("decoded.wav"), **given
            )
        )[0]
    ),
    "tokenizer": lambda codec, wav, clip, **given: DACTokenizer(codec, **given)(wav[0]),
    "tokenizer's call": lambda codec, wav, clip, **given: DACTokenizer(codec)(
        wav[0], **given
    ),
    "extract": lambda codec, wav, clip, **given: _extract(codec, clip, **given)["clip"],
    "store": lambda codec, wav, clip, **given: TokenStore(
        _extract(codec, clip).path, **given
    )["clip"],
    "embeddings": lambda codec, wav, clip, **given: DACTokenizer(
        codec
    ).get_pretrained_embeddings(**given),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_each_name_means_the_same(call, codec, wav, clip):
    expected, *others = (call(codec, wav, clip, **{name: 2}) for name in NAMES)
    every = call(codec, wav, clip)
    assert expected.shape != every.shape or not torch.equal(expected, every)
    for found in others:
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_two_names_are_refused(call, codec, wav, clip):
    with pytest.raises(ValueError, match="are one argument. Give one of them"):
        call(codec, wav, clip, num_codebooks=2, n_quantizers=2)


def test_a_name_beside_the_place_is_refused(codec, wav):
    with pytest.raises(ValueError, match="n_quantizers and num_codebooks are one"):
        codec.encode(wav, 2, num_codebooks=2)


@pytest.mark.parametrize("name", NAMES)
def test_constructors(name):
    assert DAC(**SHAPE, **{name: 2}).num_codebooks == 2
    assert ResidualVectorQuantize(8, codebook_size=16, **{name: 2}).n_codebooks == 2


def test_a_codec_says_what_it_is(codec):
    text = repr(DAC.from_pretrained())
    assert "16khz-small: 16000 Hz, 12 codebooks of 1024 at 50 Hz = 6 kbps" in text
    assert len(text.splitlines()) <= 3
    assert repr(copy.deepcopy(codec)) == repr(codec)
    assert "Conv1d" in repr(codec.encoder)
