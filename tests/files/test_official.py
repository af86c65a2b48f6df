"""The official package's files: read without executing anything, and written."""

from __future__ import annotations

import copy
import io
import os
import pickle
import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dac_lobe.audio import read_audio, write_audio
from dac_lobe.audio.loudness import cookbook_weighting, measure_loudness
from dac_lobe.container import ContainerError
from dac_lobe.container.official import OfficialFile, is_official
from dac_lobe.container.pickled import PickleError, read_pickle
from dac_lobe.files.official import decode_official, encode_official
from dac_lobe.network.receptive_field import convolutions


def official_bytes(codes, **changes):
    """What the official package's ``DACFile.save`` writes, by numpy itself."""
    metadata = {
        "input_db": np.array([-23.5], dtype=np.float32),
        "original_length": codes.shape[-1] * 8,
        "sample_rate": 16000,
        "chunk_length": codes.shape[-1],
        "channels": codes.shape[0],
        "padding": True,
        "dac_version": "1.0.0",
        **changes,
    }
    file = io.BytesIO()
    np.save(file, {"codes": codes.astype(np.uint16), "metadata": metadata})
    return file.getvalue()


CODES = np.random.default_rng(0).integers(0, 16, (2, 3, 40))
OFFICIAL = official_bytes(CODES)


def load(data):
    return OfficialFile.load(io.BytesIO(data))


def test_reads_what_numpy_wrote():
    file = load(OFFICIAL)
    np.testing.assert_array_equal(file.codes, CODES)
    assert (file.chunk_length, file.original_length) == (40, 320)
    assert (file.channels, file.sample_rate, file.padding) == (2, 16000, True)
    assert file.input_db == pytest.approx(-23.5)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_reads_every_protocol_that_numpy_used(protocol):
    content = np.load(io.BytesIO(OFFICIAL), allow_pickle=True)
    header = OFFICIAL[: 10 + int.from_bytes(OFFICIAL[8:10], "little")]
    data = header + pickle.dumps(content, protocol=protocol)
    np.testing.assert_array_equal(load(data).codes, CODES)


@given(st.sampled_from("u1 <u2 >u2 <i8 <f4 >f8".split()), st.integers(0, 30))
def test_arrays_come_back_from_a_pickle(dtype, size):
    array = np.arange(size).astype(dtype).reshape(-1, 1)
    found = read_pickle(pickle.dumps({"a": [array, (1, "b", None, True, 2.5)]}, 4))
    np.testing.assert_array_equal(found["a"][0], array)
    assert found["a"][0].dtype == array.dtype
    assert found["a"][1] == (1, "b", None, True, 2.5)


def test_what_is_written_is_read_by_numpy_and_by_us(tmp_path):
    file = load(OFFICIAL)
    path = file.save(tmp_path / "a.dac")
    assert is_official(path)
    content = np.load(path, allow_pickle=True)[()]  # as the official package does
    np.testing.assert_array_equal(content["codes"], CODES)
    assert content["codes"].dtype == np.uint16
    assert content["metadata"]["dac_version"] == "1.0.0"
    assert set(content["metadata"]) == {
        "input_db",
        "original_length",
        "sample_rate",
        "chunk_length",
        "channels",
        "padding",
        "dac_version",
    }
    assert content["metadata"]["input_db"].dtype == np.float32
    again = OfficialFile.load(path)
    np.testing.assert_array_equal(again.codes, file.codes)
    # The name that both generations of numpy know.
    assert b"numpy._core" not in path.read_bytes()


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_nothing_in_a_file_is_executed(tmp_path, protocol):
    trace = tmp_path / "executed"
    data = pickle.dumps({"codes": Bomb(trace), "metadata": {}}, protocol)
    pickle.loads(data)  # noqa: S301  (the bomb works)
    trace.rmdir()
    with pytest.raises(PickleError):
        read_pickle(data)
    header = OFFICIAL[: 10 + int.from_bytes(OFFICIAL[8:10], "little")]
    with pytest.raises(ContainerError, match="refused|damaged"):
        load(header + data)
    assert not trace.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"\x80\x04",
        b"N",
        b"(" * 100_000 + b"t" * 100_000 + b".",  # as deep as it is long
        b"]" + b"\x94h\x00a" * 1000 + b".",  # a list that holds itself
        b"\x96" + b"\xff" * 7 + b"\x7f" + b".",  # BYTEARRAY8 of 2**63 - 1 bytes
        b"\x8e" + b"\xff" * 7 + b"\x7f" + b".",  # BINBYTES8 of as many
        b"I" + b"9" * 100_000 + b"\n.",
        pickle.dumps({("a",): 1}, 4),
        pickle.dumps({1, 2}, 4),
        pickle.dumps(2 + 3j, 4),
    ],
)
def test_hostile_pickles_are_refused_at_once(data):
    with pytest.raises(PickleError) as error:
        read_pickle(data)
    assert "\n" not in str(error.value)


def test_a_far_memo_costs_nothing():
    # LONG_BINPUT to 2**31: Python's own unpickler takes 16 GB for it.
    assert read_pickle(b"Nr\xff\xff\xff\x7f.") is None


def test_lists_that_stand_for_far_more_than_they_fill():
    # Each list holds the one before ten times: ten to the thirtieth values.
    program = b"]\x94"
    for level in range(30):
        program += b"](" + (b"h" + bytes([level])) * 10 + b"e\x94"
    with pytest.raises(PickleError, match="more than arrays"):
        read_pickle(program + b"h\x1e.")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dac_version": "2.0.0"}, "version"),
        ({"channels": 1}, "channels"),
        ({"channels": True}, "channels"),
        ({"chunk_length": 0}, "chunk_length"),
        ({"original_length": -5}, "original_length"),
        ({"original_length": 1 << 50}, "original_length"),
        ({"sample_rate": 10**9}, "sample_rate"),
        ({"padding": 1}, "padding"),
        ({"input_db": np.array([np.nan], np.float32)}, "input_db"),
        ({"input_db": np.array([1.0, 2.0], np.float32)}, "input_db"),
        ({"input_db": "loud"}, "input_db"),
    ],
)
def test_metadata_out_of_range_is_refused(changes, message):
    with pytest.raises(ContainerError, match=message):
        load(official_bytes(CODES, **changes))


def fuzz(count, seed):
    generator = random.Random(seed)
    for _ in range(count):
        data = bytearray(OFFICIAL)
        for _ in range(generator.choice((1, 1, 2, 4))):
            place = generator.randrange(len(data))
            match generator.randrange(4):
                case 0:
                    data[place] ^= 1 << generator.randrange(8)
                case 1:
                    del data[place:]
                case 2:
                    data[place:place] = data[place : place + 9]
                case 3:
                    data[place] = generator.randrange(256)
            if not data:
                break
        try:
            file = load(bytes(data))
        except ContainerError:
            continue
        assert isinstance(file.codes, np.ndarray)


def test_two_thousand_mutations():
    fuzz(2000, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_two_hundred_thousand_mutations(seed):
    fuzz(50_000, seed)


# Sound


def unpadded(decoder):
    """Make a decoder as the official package's chunks have it: nothing padded."""
    decoder = copy.deepcopy(decoder)
    for layer in convolutions(decoder):
        layer.padding = (0,)
    return decoder


def lufs(wav, rate):
    """As the official package measures it, at least half a second."""
    silence = np.zeros((len(wav), max(0, rate // 2 - wav.shape[1])))
    return measure_loudness([wav, silence], rate, cookbook_weighting).lufs


@pytest.mark.parametrize("rate", [16000, 24000, 44100])
@pytest.mark.parametrize("seconds", [0.3, 2.0])
def test_the_gain_is_the_official_packages(tmp_path, make_dac, rate, seconds):
    """The output has, by its own meter, the loudness that the file states."""
    pyloudnorm = pytest.importorskip("pyloudnorm", reason="pyloudnorm is not here")
    codec = make_dac(sample_rate=rate)
    frames = int(seconds * rate) // codec.hop_length
    file = make_file(
        codec,
        frames,
        frames,
        padding=True,
        original_length=8 * frames,
        sample_rate=rate,
    )
    decode_official(
        codec, file.save(tmp_path / "a.dac"), tmp_path / "a.wav", subtype="FLOAT"
    )
    wav = read_audio(tmp_path / "a.wav")[0]
    filled = np.pad(wav, (0, max(0, rate // 2 - len(wav))))
    found = pyloudnorm.Meter(rate).integrated_loudness(filled.astype(np.float64))
    assert found == pytest.approx(-20.0, abs=1e-3)


def make_file(codec, frames, chunk, channels=1, **changes):
    generator = np.random.default_rng(0)
    shape = (channels, codec.num_codebooks, frames)
    fields = {
        "codes": generator.integers(0, codec.codebook_size, shape),
        "chunk_length": chunk,
        "original_length": 50,
        "input_db": -20.0,
        "channels": channels,
        "sample_rate": codec.sample_rate,
        "padding": False,
    }
    return OfficialFile(**{**fields, **changes})


@pytest.mark.parametrize("rates", [[4, 2], [5, 2], [3, 5, 2]])
@pytest.mark.parametrize("channels", [1, 2])
def test_chunks_are_those_of_a_decoder_without_padding(
    tmp_path, make_dac, rates, channels
):
    codec = make_dac(encoder_rates=rates[::-1], decoder_rates=rates)
    chunk = 120
    file = make_file(codec, 3 * chunk, chunk, channels)
    plain = unpadded(codec.decoder)
    with torch.no_grad():
        expected = np.concatenate(
            [
                plain(codec.quantizer.from_codes(part).z)[:, 0].numpy()
                for part in torch.from_numpy(file.codes).split(chunk, dim=-1)
            ],
            axis=1,
        )
    expected = expected * 10 ** ((-20.0 - lufs(expected, codec.sample_rate)) / 20)
    length = expected.shape[1] - 7
    file = make_file(codec, 3 * chunk, chunk, channels, original_length=length)
    decode_official(
        codec, file.save(tmp_path / "a.dac"), tmp_path / "a.wav", subtype="FLOAT"
    )
    found = read_audio(tmp_path / "a.wav")
    assert found.shape == (channels, length)
    np.testing.assert_allclose(found, expected[:, :length], atol=1e-5)


def test_a_file_promises_no_more_than_its_codes_give(tmp_path, tiny_dac):
    file = make_file(tiny_dac, 300, 100, original_length=10**9)
    path = file.save(tmp_path / "a.dac")
    with pytest.raises(ContainerError, match="promises 1000000000 samples"):
        decode_official(tiny_dac, path, tmp_path / "a.wav")
    file = make_file(tiny_dac, 300, 5)
    path = file.save(tmp_path / "b.dac")
    with pytest.raises(ContainerError, match="too short"):
        decode_official(tiny_dac, path, tmp_path / "b.wav")
    assert not list(tmp_path.glob("*.wav"))


@pytest.mark.parametrize("rate", [16000, 22050])
@pytest.mark.parametrize("decoder_rates", [[4, 2], [5, 2]])
def test_our_files_have_what_the_official_decoder_needs(
    tmp_path, make_dac, rate, decoder_rates
):
    codec = make_dac(encoder_rates=decoder_rates[::-1], decoder_rates=decoder_rates)
    tone = 0.1 * np.sin(np.arange(rate) * 0.05)
    source = write_audio(tmp_path / "a.wav", np.stack([tone, tone / 2]), rate)
    path = encode_official(codec, source, tmp_path / "a.dac")
    content = np.load(path, allow_pickle=True)[()]
    codes, metadata = content["codes"], content["metadata"]
    # The official package decodes chunk_length frames at a time, resamples, cuts
    # to original_length, and fails where there is less.
    assert metadata["chunk_length"] == codes.shape[-1]
    with torch.no_grad():
        raw = codec.decode(
            codec.quantizer.from_codes(torch.from_numpy(codes.astype(int))).z
        )
    available = raw.shape[-1] * rate // codec.sample_rate
    assert rate - 10 * rate // 16000 <= metadata["original_length"] <= available
    wav = read_audio(source, codec.sample_rate)
    expected = lufs(wav, codec.sample_rate)
    assert metadata["input_db"][0] == pytest.approx(expected, abs=1e-3)


def test_what_is_encoded_has_the_loudness_that_the_file_promises(tmp_path, tiny_dac):
    """The official package encodes at -16 by the meter that writes input_db."""
    wav = 0.05 * np.random.default_rng(1).standard_normal((1, 16000))
    source = write_audio(tmp_path / "a.wav", wav, 16000, "FLOAT")
    file = OfficialFile.load(encode_official(tiny_dac, source, tmp_path / "a.dac"))
    raised = wav * 10 ** (round(-16 - float(file.input_db), 2) / 20)
    codes = tiny_dac.encode(torch.from_numpy(raised).float()).codes
    np.testing.assert_array_equal(file.codes, codes)


def test_the_loudness_and_the_balance_come_back(tmp_path, tiny_dac):
    generator = np.random.default_rng(0)
    wav = 0.05 * generator.standard_normal((2, 16000)) * [[1.0], [0.25]]
    source = write_audio(tmp_path / "a.wav", wav, 16000)
    path = encode_official(tiny_dac, source, tmp_path / "a.dac")
    tiny_dac.decode_file(path, tmp_path / "b.wav", subtype="FLOAT")
    out = read_audio(tmp_path / "b.wav")
    before = lufs(read_audio(source), 16000)
    assert lufs(out, 16000) == pytest.approx(before, abs=0.05)
    whole = tiny_dac.decode_chunked(
        torch.from_numpy(OfficialFile.load(path).codes.astype(int))
    )
    ratio = out / whole[:, 0].numpy()[:, : out.shape[1]]
    # One gain for both channels.
    assert np.nanstd(ratio) < 1e-3 * np.nanmean(ratio)
