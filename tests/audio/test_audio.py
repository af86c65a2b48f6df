"""Audio files: every format in, the same samples out, and nothing half-written."""

from __future__ import annotations

import hashlib
import os

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given
from hypothesis import strategies as st

from dac_lobe.audio import (
    AudioError,
    AudioReader,
    AudioWriter,
    Segment,
    read_audio,
    write_audio,
)
from dac_lobe.audio.resampling import RESAMPLER, Resampler, resampled_length
from dac_lobe.disk.atomic import replacing


def noise(channels=1, samples=1000, seed=0):
    generator = np.random.default_rng(seed)
    return generator.uniform(-0.9, 0.9, (channels, samples)).astype(np.float32)


@pytest.mark.parametrize(
    ("kind", "subtype", "step"),
    [
        ("wav", "PCM_U8", 1 / 64),
        ("wav", "PCM_16", 1 / 16384),
        ("wav", "PCM_24", 1e-6),
        ("wav", "PCM_32", 1e-6),
        ("wav", "FLOAT", 0),
        ("wav", "DOUBLE", 0),
        ("flac", "PCM_16", 1 / 16384),
        ("flac", "PCM_24", 1e-6),
        ("aiff", "PCM_16", 1 / 16384),
    ],
)
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("rate", [8000, 192000])
def test_every_sample_format_reads_back(tmp_path, kind, subtype, step, channels, rate):
    wav = noise(channels)
    path = write_audio(tmp_path / f"a.{kind}", wav, rate, subtype)
    with AudioReader(path) as reader:
        assert (reader.sample_rate, reader.channels) == (rate, channels)
        assert reader.num_samples == wav.shape[1]
    np.testing.assert_allclose(read_audio(path), wav, rtol=0, atol=step)


def test_content_decides_and_not_the_name(tmp_path):
    path = write_audio(tmp_path / "a.wav", noise(), 8000, "FLOAT")
    renamed = path.rename(tmp_path / "a.raw")
    np.testing.assert_array_equal(read_audio(renamed), noise())


def test_an_open_file_is_read_from_its_beginning(tmp_path):
    path = write_audio(tmp_path / "a.wav", noise(), 8000, "FLOAT")
    with open(path, "rb") as file:
        file.read(7)
        np.testing.assert_array_equal(read_audio(file), noise())


def test_blocks_are_the_whole(tmp_path):
    path = write_audio(tmp_path / "a.wav", noise(2), 8000, "FLOAT")
    with AudioReader(path) as reader:
        for size in (1, 7, 1000, 5000):
            blocks = list(reader.blocks(size))
            assert max(block.shape[1] for block in blocks) <= size
            np.testing.assert_array_equal(np.concatenate(blocks, axis=1), noise(2))


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.wav"):
        AudioReader(tmp_path / "none.wav")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty file"),
        (b"RIFF", "not audio"),
        (bytes(range(256)) * 8, "not audio"),
        (b"\x93NUMPY not at all", "not audio"),
    ],
)
def test_what_is_not_audio_is_named(tmp_path, content, message):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=rf"a\.wav.*{message}") as error:
        AudioReader(path)
    assert "\n" not in str(error.value)


def test_audio_without_samples(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((0, 1)), 8000)
    with pytest.raises(AudioError, match="holds no samples"):
        AudioReader(tmp_path / "a.wav")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_found(tmp_path, bad):
    wav = noise(2, 100_000)
    wav[1, 70_001] = bad
    path = write_audio(tmp_path / "a.wav", wav, 8000, "FLOAT")
    with pytest.raises(AudioError, match="NaN or infinite sample at 70001"):
        read_audio(path)


def halved(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def test_a_file_that_breaks_its_promise_of_length_is_refused(tmp_path):
    path = halved(write_audio(tmp_path / "a.flac", noise(1, 20_000), 8000))
    with pytest.raises(AudioError, match=r"a\.flac"):
        read_audio(path)


def test_a_file_without_such_a_promise_ends_where_it_ends(tmp_path):
    path = halved(write_audio(tmp_path / "a.aiff", noise(1, 20_000), 8000))
    with AudioReader(path) as reader:
        assert reader.num_samples == read_audio(path).shape[1] < 20_000


@pytest.mark.parametrize("samples", [100, 3000, 20000, 70000])
@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_a_digest_may_be_asked_for_while_reading(tmp_path, kind, samples):
    path = write_audio(tmp_path / f"a.{kind}", noise(samples=samples), 8000)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:32]
    blocks = []
    with AudioReader(path) as reader:
        for block in reader.blocks(1000):
            assert reader.digest() == digest
            blocks.append(block)
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), read_audio(path))


def test_a_segment_of_a_damaged_file_is_one_line(tmp_path):
    path = write_audio(tmp_path / "a.flac", noise(samples=100_000), 8000)
    path.write_bytes(path.read_bytes()[:50_000])
    with pytest.raises(AudioError, match=r"a\.flac is damaged after sample 90000"):
        read_audio(path, segment=Segment(90_000, 95_000))


def test_a_segment_tells_where_the_file_is_no_number(tmp_path):
    wav = noise(samples=1000)
    wav[:, 700] = np.nan
    path = tmp_path / "a.wav"
    soundfile.write(path, wav.T, 8000, "FLOAT")
    with pytest.raises(AudioError, match="infinite sample at 700"):
        read_audio(path, segment=Segment(600, 900))


def test_a_segment_that_an_estimate_promised_in_vain(tmp_path):
    path = write_audio(tmp_path / "a.mp3", noise(samples=100_000), 16000)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(AudioError, match="ends after 0 of 5000 samples"):
        read_audio(path, segment=Segment(90_000, 95_000))


def test_a_full_disk_leaves_nothing(tmp_path, disk_of):
    for kind in ("wav", "flac"):
        path = tmp_path / f"a.{kind}"
        with pytest.raises(OSError, match="large"), disk_of(20_000):
            write_audio(path, noise(1, 100_000), 8000)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_file(tmp_path, disk_of):
    path = write_audio(tmp_path / "a.wav", noise(), 8000)
    before = path.read_bytes()
    with pytest.raises(OSError, match="large"), disk_of(20_000):
        write_audio(path, noise(1, 100_000), 8000)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_while_writing_leaves_nothing(tmp_path):
    def interrupted():
        with AudioWriter(tmp_path / "a.wav", 8000, 1) as writer:
            writer.write(noise())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_formats_that_cannot_be_written(tmp_path):
    with pytest.raises(AudioError, match=r"Choose \.wav or \.flac"):
        write_audio(tmp_path / "a.xyz", noise(), 8000)
    with pytest.raises(AudioError, match="FLAC has no sample format 'FLOAT'.*PCM_16"):
        write_audio(tmp_path / "a.flac", noise(), 8000, "FLOAT")
    with pytest.raises(AudioError, match=r"FLAC cannot hold 9 channels.*\.wav"):
        write_audio(tmp_path / "a.flac", noise(9), 8000)
    assert list(tmp_path.iterdir()) == []


def test_a_wav_does_not_outgrow_its_header(tmp_path, monkeypatch):
    monkeypatch.setattr("dac_lobe.audio.writer._MAX_SMALL", 10_000)
    with pytest.raises(AudioError, match=r"a\.wav would have more than 4 GiB.*w64"):
        write_audio(tmp_path / "a.wav", noise(samples=5000), 8000)
    write_audio(tmp_path / "a.w64", noise(samples=5000), 8000)
    assert [path.name for path in tmp_path.iterdir()] == ["a.w64"]


def test_opus_is_opus(tmp_path):
    path = write_audio(tmp_path / "a.opus", noise(samples=4800), 48000)
    assert soundfile.info(path).subtype == "OPUS"
    with pytest.raises(AudioError, match="cannot hold 1 channels at 44100 Hz"):
        write_audio(tmp_path / "b.opus", noise(), 44100)


def test_a_pipe_and_a_folder_are_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "folder.wav").mkdir()
    for name in ("pipe.wav", "folder.wav"):
        with pytest.raises(FileExistsError, match="not to be replaced. Name a file"):
            write_audio(tmp_path / name, noise(), 8000)
    assert (tmp_path / "pipe.wav").is_fifo()


def test_replacing_makes_folders_and_honours_the_umask(tmp_path):
    path = tmp_path / "new" / "folder" / "file"
    with replacing(path) as file:
        file.write(b"x")
    other = tmp_path / "other"
    other.write_bytes(b"x")
    assert path.stat().st_mode == other.stat().st_mode


rates = st.sampled_from([8000, 11025, 16000, 22050, 24000, 44100, 48000, 192000])


@given(rates, rates, st.integers(1, 3000), st.lists(st.integers(1, 700), max_size=5))
def test_resampling_a_stream_is_resampling_the_whole(from_rate, to_rate, samples, cuts):
    wav = noise(2, samples)
    resampler = Resampler(from_rate, to_rate, 2)
    places = np.cumsum([0, *cuts])
    parts = [wav[:, a:b] for a, b in zip(places, places[1:], strict=False)]
    parts.append(wav[:, places[-1] :])
    ready = [resampler.push(part) for part in parts if part.shape[1]]
    ready = np.concatenate([*ready, resampler.flush()], axis=1)
    assert ready.shape[1] == resampled_length(samples, from_rate, to_rate)
    whole = Resampler(from_rate, to_rate, 2)
    whole = np.concatenate([whole.push(wav), whole.flush()], axis=1)
    np.testing.assert_array_equal(ready, whole)


def test_resampling_is_that_of_soxr_and_keeps_time():
    wav = noise(1, 44100)
    resampler = Resampler(44100, 16000, 1)
    ours = np.concatenate([resampler.push(wav), resampler.flush()], axis=1)[0]
    theirs = soxr.resample(wav[0], 44100, 16000, quality=RESAMPLER)
    # Only the end differs, where soxr's own stream stops short of the silence.
    np.testing.assert_allclose(ours[:-200], theirs[:-200], atol=1e-6)


@given(rates, rates, st.integers(1, 10**9))
def test_a_length_that_goes_there_and_back_is_enough(from_rate, to_rate, samples):
    there = resampled_length(samples, from_rate, to_rate)
    assert resampled_length(there, to_rate, from_rate) >= samples
