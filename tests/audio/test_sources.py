"""Audio from anywhere: the same samples, whoever holds them; and what is refused."""

from __future__ import annotations

import gzip
import io
import logging
import struct
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from dac_lobe import load_audio
from dac_lobe.audio import AudioError, AudioReader, Segment, read_audio, write_audio
from dac_lobe.audio.media import has_decoder
from dac_lobe.audio.wav_header import stated_samples
from dac_lobe.network import checks
from tests.audio.containers import contain

RATE = 8000
WAV = np.random.default_rng(0).uniform(-0.9, 0.9, (2, 1000)).astype(np.float32)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return write_audio(tmp_path_factory.mktemp("a") / "a.wav", WAV, RATE, "FLOAT")


def zipped(path):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.write(path, "a.raw")
    return zipfile.ZipFile(archive).open("a.raw")


def gzipped(path):
    return gzip.open(io.BytesIO(gzip.compress(path.read_bytes())))


class Stream(io.RawIOBase):
    """As of a network: no way back."""

    def __init__(self, path):
        self.file = open(path, "rb")

    def readable(self):
        return True

    def readinto(self, buffer):
        return self.file.readinto(buffer)


def decoder(path):
    samples = SimpleNamespace(data=torch.from_numpy(WAV), sample_rate=RATE)
    return SimpleNamespace(get_all_samples=lambda: samples)


FORMS = {
    "str": str,
    "PathLike": Path,
    "file": lambda path: open(path, "rb"),
    "bytes": lambda path: path.read_bytes(),
    "BytesIO": lambda path: io.BytesIO(path.read_bytes()),
    "zip": zipped,
    "gzip": gzipped,
    "stream": Stream,
    "soundfile": lambda path: soundfile.read(path, dtype="float32"),
    "double": soundfile.read,
    "torchaudio": lambda path: (torch.from_numpy(WAV), RATE),
    "a list": lambda path: [torch.from_numpy(WAV), np.int64(RATE)],
    "datasets": lambda path: {"path": "a.wav", "array": WAV.T, "sampling_rate": RATE},
    "datasets, not decoded": lambda path: {"path": None, "bytes": path.read_bytes()},
    "torchcodec": decoder,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_source_gives_the_same(path, form):
    np.testing.assert_array_equal(read_audio(FORMS[form](path)), WAV)
    with AudioReader(FORMS[form](path)) as reader:
        assert (reader.sample_rate, reader.channels, reader.num_samples) == (
            RATE,
            2,
            1000,
        )
        first = list(reader.blocks(300))
        np.testing.assert_array_equal(np.concatenate(list(reader.blocks()), 1), WAV)
        assert len(first) == 4
        assert len(reader.digest()) == 32


@pytest.mark.parametrize("form", ["BytesIO", "soundfile", "torchaudio", "datasets"])
def test_codes_do_not_depend_on_the_source(path, form, tiny_dac):
    expected = tiny_dac.encode_file(path)
    found = tiny_dac.encode_file(FORMS[form](path))
    np.testing.assert_array_equal(found.codes, expected.codes)
    assert found.num_samples == expected.num_samples


def test_datasets_own_decoder(path):
    """The object that datasets gives now, where its decoder is installed."""
    datasets = pytest.importorskip("datasets")
    pytest.importorskip("torchcodec")
    rows = datasets.Dataset.from_dict({"audio": [str(path)]})
    audio = rows.cast_column("audio", datasets.Audio())[0]["audio"]
    np.testing.assert_allclose(read_audio(audio), WAV, atol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "scale", "offset"),
    [("int16", 2**15, 0), ("int32", 2**31, 0), ("uint8", 2**7, 128)],
)
def test_integers_with_a_rate_are_scaled(dtype, scale, offset):
    samples = (WAV[0].astype(np.float64) * scale + offset).astype(dtype)
    found = read_audio((samples, RATE))
    np.testing.assert_allclose(
        found[0], WAV[0], atol=2 / scale if scale < 2**31 else 1e-6
    )


@pytest.mark.parametrize(
    ("shape", "channels"),
    [((100,), 1), ((100, 2), 2), ((2, 100), 2), ((1, 100), 1), ((100, 1), 1)],
)
@pytest.mark.parametrize("kind", [np.zeros, torch.zeros])
def test_channels_are_told_from_samples(shape, channels, kind):
    assert read_audio((kind(shape), RATE)).shape == (channels, 100)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ((np.zeros((2, 3)), RATE), r"\(2, 3\); which are channels"),
        ((np.zeros((100, 200)), RATE), "which are channels"),
        ((np.zeros((1, 1, 9)), RATE), "which are channels"),
        ((np.zeros(0), RATE), "no samples"),
        ((np.zeros(9, np.int64), RATE), "int64; give floats"),
        ((np.zeros(9, np.complex64), RATE), "complex64"),
        (np.zeros(9, np.int16), "no rate"),
        (torch.zeros(9), "no rate"),
        ((RATE, np.zeros(9)), "ndarray are no recording|no recording"),
        ((np.zeros(9), 0), "rate=0"),
        ((np.zeros(9), 8000.5), "rate=8000.5"),
        ((np.zeros(9), None), "no recording"),
        ((np.full(9, 9.0), RATE), "up to 9.*Divide by 32768"),
        ((np.full(9, np.nan), RATE), "NaN"),
        (io.StringIO("a"), "as text"),
        (b"", "empty file"),
        (b"not audio", "not audio"),
        (object(), "nothing that audio comes from"),
        (17, "int is nothing"),
        ({"path": None, "bytes": None}, "nothing that audio"),
    ],
)
def test_what_is_no_audio_is_refused_in_one_line(source, message):
    with pytest.raises(AudioError, match=message) as error:
        read_audio(source)
    assert "\n" not in str(error.value)


def test_load_audio_is_what_the_codec_takes(path, tiny_dac):
    wav = load_audio(path, 16000)
    assert wav.shape == (1, 1, 2000)
    assert wav.dtype == torch.float32
    assert torch.equal(load_audio((WAV.T, RATE), 16000), wav)
    tiny_dac.encode(wav)


@pytest.mark.parametrize(
    ("segment", "cut"),
    [
        (Segment(100, 300), slice(100, 300)),
        (Segment(100, None), slice(100, None)),
        (Segment(0.0125, 0.0375, seconds=True), slice(100, 300)),
        (Segment(0.1, 0.13, seconds=True), slice(800, None)),  # 5 ms past: rounding
    ],
)
def test_segments(path, segment, cut):
    for source in (path, (WAV.T, RATE)):
        np.testing.assert_array_equal(read_audio(source, None, segment), WAV[:, cut])
        with AudioReader(source, segment) as reader:
            blocks = list(reader.blocks(64))
            assert reader.num_samples == sum(block.shape[1] for block in blocks)
            assert max(block.shape[1] for block in blocks) <= 64


@pytest.mark.parametrize(
    "segment",
    [
        Segment(0, 1001),
        Segment(5, 5),
        Segment(9, 5),
        Segment(-1, 5),
        Segment(1000, None),
    ]
    + [Segment(0, 0.2, seconds=True)],
)
def test_segments_that_are_not_in_the_file(path, segment):
    with pytest.raises(AudioError, match=r"a\.wav: the segment .* is not in its 1000"):
        read_audio(path, None, segment)


def test_level(monkeypatch, caplog, tiny_dac):
    """Out of [-1, 1] is said once a process; beyond 8 nothing is coded."""
    monkeypatch.setattr(checks, "_warned", [])
    loud = torch.full((1, 1, 80), 2.0)
    for _ in range(3):
        tiny_dac.encode(loud)
        tiny_dac.encode_file((loud[0, 0].numpy(), 16000))
    assert len(caplog.records) == 1
    assert "up to 2" in caplog.text
    for call in (tiny_dac.encode, tiny_dac.encode_chunked):
        with pytest.raises(ValueError, match="up to 32768.*Divide by 32768"):
            call(loud * 16384)
    with pytest.raises(AudioError, match="Divide by 32768"):
        tiny_dac.encode_file((loud[0, 0].numpy() * 16384, 16000))


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "ULAW"])
def test_a_wav_that_was_cut_off_says_so(tmp_path, subtype, caplog):
    path = write_audio(tmp_path / "a.wav", WAV, RATE, subtype)
    AudioReader(path).close()
    assert not caplog.records
    path.write_bytes(path.read_bytes()[:-200])
    with caplog.at_level(logging.WARNING):
        wav = read_audio(path)
    assert f"promises 1000 samples and holds {wav.shape[1]}" in caplog.text
    with pytest.raises(AudioError, match="promises 1000"):
        AudioReader(path, strict=True)


def test_a_wav_of_unknown_length_promises_nothing(path):
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", 0xFFFFFFFF)
    assert stated_samples(io.BytesIO(bytes(content))) is None


CONTAINERS = {"m4a": "aac", "webm": "libopus", "mka": "flac", "mp4": "aac"}


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_other_containers_are_read_where_there_is_a_decoder(tmp_path, suffix):
    tone = contain(tmp_path / f"a.{suffix}", CONTAINERS[suffix])
    for source in (tmp_path / f"a.{suffix}", (tmp_path / f"a.{suffix}").read_bytes()):
        with AudioReader(source) as reader:
            found = np.concatenate(list(reader.blocks(1000)), axis=1)[0]
            again = np.concatenate(list(reader.blocks()), axis=1)[0]
        np.testing.assert_array_equal(found, again)
        assert abs(len(found) - len(tone)) < 3000
        middle = found[8000:40000]
        phase = np.exp(2j * np.pi * 440 * np.arange(len(middle)) / 48000)
        assert abs(abs(np.vdot(phase, middle)) / len(middle) - 0.25) < 0.01


def test_the_length_of_a_stream_without_a_header_is_counted(tmp_path):
    """Its bitrate changes: loud noise first, then silence."""
    av = pytest.importorskip("av")
    rate, size = 44100, 1024
    loud = np.random.default_rng(0).uniform(-0.8, 0.8, (1, 50 * size))
    wav = np.concatenate([loud, np.zeros((1, 200 * size))], axis=1).astype(np.float32)
    with av.open(str(tmp_path / "a.aac"), "w", format="adts") as container:
        stream = container.add_stream("aac", rate=rate, layout="mono")
        for start in range(0, wav.shape[1], size):
            part = wav[:, start : start + size]
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    path = tmp_path / "a.aac"
    whole = read_audio(path)
    with AudioReader(path) as reader:
        assert abs(reader.num_samples - whole.shape[1]) <= 2 * size
    np.testing.assert_array_equal(
        read_audio(path, segment=Segment(1000, None)), whole[:, 1000:]
    )
    late = Segment(240 * size, 241 * size)
    np.testing.assert_array_equal(
        read_audio(path, segment=late), whole[:, 240 * size : 241 * size]
    )


def test_without_a_decoder_the_extra_and_ffmpeg_are_named(tmp_path, monkeypatch):
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(64))
    monkeypatch.setattr("dac_lobe.audio.sources.has_decoder", lambda: False)
    with pytest.raises(AudioError, match=r"dac-lobe\[media\].*ffmpeg -i .*a\.m4a"):
        read_audio(tmp_path / "a.m4a")


@pytest.mark.skipif(not has_decoder(), reason="PyAV is not installed")
def test_a_damaged_container_is_one_line(tmp_path):
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(64))
    with pytest.raises(AudioError, match=r"a\.m4a cannot be decoded") as error:
        read_audio(tmp_path / "a.m4a")
    assert "\n" not in str(error.value)
