"""Files: exact lengths, the codes of the whole, and runs that can be killed."""

from __future__ import annotations

import hashlib
import io
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from dac_lobe.audio import AudioError, load_audio, read_audio, write_audio
from dac_lobe.container import ContainerError, Packed, PackedReader
from dac_lobe.disk.inputs import digest_of
from dac_lobe.files import decode_file, encode_file, encode_file_to
from dac_lobe.files.done import is_decoded, is_encoded
from dac_lobe.files.official import encode_official
from dac_lobe.files.record import record_of
from dac_lobe.weights.fingerprint import _digest

RATE = 16000


def noise(channels=1, samples=5000, seed=0):
    generator = np.random.default_rng(seed)
    return generator.uniform(-0.5, 0.5, (channels, samples)).astype(np.float32)


@pytest.fixture
def wav_file(tmp_path):
    def write(wav=None, rate=RATE, name="a.wav", subtype="FLOAT"):
        return write_audio(
            tmp_path / name, noise() if wav is None else wav, rate, subtype
        )

    return write


def snapshot(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


# What comes out


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_the_codes_are_those_of_the_whole(tiny_dac, wav_file, channels):
    wav = noise(channels, 40_003)
    packed = tiny_dac.encode_file(wav_file(wav))
    with torch.no_grad():
        whole = tiny_dac.encode(torch.from_numpy(wav)[:, None]).codes
    np.testing.assert_array_equal(packed.codes, whole.numpy())


def test_the_sound_is_that_of_the_whole(tiny_dac, wav_file, tmp_path):
    packed = tiny_dac.encode_file(wav_file(noise(2, 40_003)))
    path = tiny_dac.decode_file(packed, tmp_path / "b.wav", subtype="FLOAT")
    with torch.no_grad():
        codes = torch.from_numpy(packed.codes.astype(int))
        whole = tiny_dac.decode_codes(codes, length=40_003)
    np.testing.assert_allclose(read_audio(path), whole[:, 0], atol=1e-6)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 192000])
@pytest.mark.parametrize("samples", [1, 2, 7, 8, 9, 1000, 33_333])
def test_exactly_as_many_samples_come_back(tiny_dac, wav_file, tmp_path, rate, samples):
    packed = tiny_dac.encode_file(wav_file(noise(2, samples), rate))
    assert packed.num_samples == samples
    assert packed.duration == samples / rate
    path = tiny_dac.decode_file(packed, tmp_path / "b.wav")
    assert read_audio(path).shape == (2, samples)
    path = tiny_dac.decode_file(packed, tmp_path / "c.wav", sample_rate=RATE)
    assert read_audio(path).shape == (2, -(-samples * RATE // rate))


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("channels", [1, 6])
def test_every_sample_format_goes_in(tiny_dac, wav_file, tmp_path, subtype, channels):
    path = wav_file(noise(channels), 192000, subtype=subtype)
    out = tiny_dac.decode_file(tiny_dac.encode_file(path), tmp_path / "b.wav")
    assert read_audio(out).shape == (channels, 5000)


def test_a_file_and_a_packed_object_are_the_same(tiny_dac, wav_file, tmp_path):
    path = wav_file()
    packed = encode_file(tiny_dac, path, num_codebooks=2)
    packed.save(tmp_path / "one.dac")
    encode_file_to(tiny_dac, path, tmp_path / "two.dac", num_codebooks=2)
    with open(tmp_path / "three.dac", "wb") as pipe, open(path, "rb") as source:
        encode_file_to(tiny_dac, source, pipe, num_codebooks=2)
    one, two, three = (
        (tmp_path / f"{name}.dac").read_bytes() for name in ("one", "two", "three")
    )
    assert one == two == three
    out = [
        decode_file(tiny_dac, source, tmp_path / f"{index}.wav").read_bytes()
        for index, source in enumerate([packed, tmp_path / "one.dac"])
    ]
    assert out[0] == out[1]


def test_a_prefix_of_the_codebooks_is_an_encoding_with_fewer(
    tiny_dac, wav_file, tmp_path
):
    path = wav_file()
    full, few = tiny_dac.encode_file(path), tiny_dac.encode_file(path, num_codebooks=2)
    np.testing.assert_array_equal(full.codes[:, :2], few.codes)
    one = decode_file(tiny_dac, full, tmp_path / "1.wav", num_codebooks=2)
    two = decode_file(tiny_dac, few, tmp_path / "2.wav")
    np.testing.assert_array_equal(read_audio(one), read_audio(two))


def test_progress_reaches_the_end(tiny_dac, wav_file, tmp_path):
    seen = []

    def progress(done, total):
        seen.append((done, total))

    path = wav_file(noise(1, 200_000))
    packed = tiny_dac.encode_file(path, progress=progress)
    assert seen[-1] == (12.5, 12.5)
    assert len(seen) > 2
    seen.clear()
    tiny_dac.decode_file(packed, tmp_path / "b.wav", progress=progress)
    assert seen[-1] == (12.5, 12.5)
    assert seen == sorted(seen)


# Excerpts


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("in_memory", [False, True])
@pytest.mark.parametrize("rates", [[4, 2], [5, 2]])
def test_an_excerpt_is_a_part_of_the_whole(
    make_dac, wav_file, tmp_path, rate, in_memory, rates
):
    codec = make_dac(encoder_rates=rates[::-1], decoder_rates=rates, delay=3)
    packed = codec.encode_file(wav_file(noise(2, rate), rate))
    source = packed if in_memory else packed.save(tmp_path / "a.dac")
    path = decode_file(codec, source, tmp_path / "whole.wav", subtype="FLOAT")
    whole = read_audio(path)
    for start, duration in [(0, 0.1), (0.5, 0.1), (0.4321, None), (0.9, 5), (0.3, 0)]:
        path = decode_file(
            codec,
            source,
            tmp_path / "part.wav",
            start=start,
            duration=duration,
            subtype="FLOAT",
        )
        first = round(start * rate)
        last = rate if duration is None else min(rate, first + round(duration * rate))
        if last == first:
            with pytest.raises(AudioError, match="no samples"):
                read_audio(path)
            continue
        # The resampler starts elsewhere: equal up to its last bits.
        tolerance = 1e-6 if rate == RATE else 1e-4
        np.testing.assert_allclose(
            read_audio(path), whole[:, first:last], atol=tolerance
        )


def test_an_excerpt_reads_only_the_blocks_it_needs(tiny_dac, wav_file, tmp_path):
    path = tiny_dac.encode_file(wav_file(noise(1, 200_000))).save(tmp_path / "a.dac")
    whole = decode_file(tiny_dac, path, tmp_path / "whole.wav", subtype="FLOAT")
    data = bytearray(path.read_bytes())
    data[len(data) // 4] ^= 1  # at 3 s
    path.write_bytes(data)
    part = decode_file(tiny_dac, path, tmp_path / "b.wav", start=6, subtype="FLOAT")
    np.testing.assert_allclose(
        read_audio(part), read_audio(whole)[:, 6 * RATE :], atol=1e-6
    )


@pytest.mark.parametrize(
    ("start", "duration"),
    [
        *[(-1, None), (99, None), (0, -1), (float("nan"), None)],
        *[(float("inf"), None), (0, float("inf"))],
    ],
)
def test_excerpts_that_are_not_there(tiny_dac, wav_file, tmp_path, start, duration):
    packed = tiny_dac.encode_file(wav_file())
    with pytest.raises(ValueError, match="start="):
        tiny_dac.decode_file(packed, tmp_path / "b.wav", start=start, duration=duration)
    assert not (tmp_path / "b.wav").exists()


# Loudness


def test_one_gain_for_all_channels_is_undone(tiny_dac, wav_file, tmp_path):
    wav = noise(2, 16000) * np.array([[0.02], [0.005]], np.float32)
    path = wav_file(wav)
    packed = tiny_dac.encode_file(path, normalize_db=-16.0)
    assert packed.header.gain_db > 10
    gain = np.float32(10 ** (packed.header.gain_db / 20))
    louder = tiny_dac.encode_file(wav_file(wav * gain, name="louder.wav"))
    np.testing.assert_array_equal(packed.codes, louder.codes)
    loud = decode_file(tiny_dac, louder, tmp_path / "1.wav", subtype="FLOAT")
    back = decode_file(tiny_dac, packed, tmp_path / "2.wav", subtype="FLOAT")
    np.testing.assert_allclose(read_audio(loud) / gain, read_audio(back), atol=1e-6)


@pytest.mark.parametrize("samples", [1, 100, 3000, 16000])
def test_normalising_survives_silence_and_short_clips(tiny_dac, wav_file, samples):
    silent = np.zeros((1, samples), np.float32)
    assert tiny_dac.encode_file(wav_file(silent), normalize_db=-16).header.gain_db == 0
    quiet = noise(1, samples) * 0.01
    gain_db = tiny_dac.encode_file(wav_file(quiet), normalize_db=-16).header.gain_db
    assert np.abs(quiet).max() * 10 ** (gain_db / 20) <= 1.0


# Wrong input


def test_bad_audio_is_one_line_and_leaves_nothing(tiny_dac, wav_file, tmp_path):
    nan = noise(1, 200_000)
    nan[0, 150_000] = np.nan
    (tmp_path / "garbage.wav").write_bytes(b"not audio" * 100)
    (tmp_path / "empty.wav").write_bytes(b"")
    write_audio(tmp_path / "none.wav", np.zeros((1, 0)), RATE)
    wav_file(nan, name="nan.wav")
    before = snapshot(tmp_path)
    for name in ("garbage.wav", "empty.wav", "none.wav", "nan.wav"):
        with pytest.raises(AudioError, match=name) as error:
            encode_file_to(tiny_dac, tmp_path / name, tmp_path / "a.dac")
        assert "\n" not in str(error.value)
    with pytest.raises(FileNotFoundError, match=r"missing\.wav"):
        encode_file_to(tiny_dac, tmp_path / "missing.wav", tmp_path / "a.dac")
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("count", [0, -1, 4])
def test_codebooks_out_of_range(tiny_dac, wav_file, tmp_path, count):
    with pytest.raises(ValueError, match=f"{count}.*1 to 3"):
        tiny_dac.encode_file(wav_file(), num_codebooks=count)
    packed = tiny_dac.encode_file(wav_file())
    with pytest.raises(ValueError, match=f"{count}.*1 to 3"):
        tiny_dac.decode_file(packed, tmp_path / "b.wav", num_codebooks=count)
    assert not (tmp_path / "b.wav").exists()


def test_another_model_is_refused_by_name(tiny_dac, make_dac, wav_file, tmp_path):
    packed = tiny_dac.encode_file(wav_file())
    other = make_dac(n_codebooks=4)
    other.source = "the other one"
    mine = packed.header.model
    with pytest.raises(ContainerError, match=rf"{mine}.*the other one") as error:
        other.decode_file(packed, tmp_path / "b.wav")
    assert packed.header.fingerprint[:12] in str(error.value)
    assert not (tmp_path / "b.wav").exists()


def test_codes_out_of_range_never_reach_the_model(tiny_dac, wav_file):
    packed = tiny_dac.encode_file(wav_file())
    codes = packed.codes.copy()
    codes[0, 0, 3] = 16
    with pytest.raises(ContainerError, match=r"\[0, 15\]"):
        Packed(packed.header, codes, packed.num_samples)


def test_an_output_that_cannot_be_written(tiny_dac, wav_file, tmp_path):
    path = wav_file()
    blocked = path / "folder" / "b"  # below a file
    packed = tiny_dac.encode_file(path)
    before = snapshot(tmp_path)
    for write in (
        lambda: encode_file_to(tiny_dac, path, blocked.with_suffix(".dac")),
        lambda: packed.save(blocked.with_suffix(".dac")),
        lambda: decode_file(tiny_dac, packed, blocked.with_suffix(".wav")),
    ):
        with pytest.raises(OSError, match="folder|a.wav"):
            write()
    assert snapshot(tmp_path) == before


def test_a_full_disk_leaves_nothing_under_the_name(
    tiny_dac, wav_file, tmp_path, disk_of
):
    path = wav_file(noise(1, 100_000))
    packed = tiny_dac.encode_file(path)
    with pytest.raises(OSError, match="large"), disk_of(5_000):
        decode_file(tiny_dac, packed, tmp_path / "b.wav")
    with pytest.raises(OSError, match="large"), disk_of(5_000):
        packed.save(tmp_path / "b.dac")
    with pytest.raises(OSError, match="large"), disk_of(5_000):
        encode_file_to(tiny_dac, path, tmp_path / "c.dac")
    # What was encoded waits for a disk with room.
    assert {found.name for found in tmp_path.iterdir()} == {"a.wav", ".c.dac.part"}
    encode_file_to(tiny_dac, path, tmp_path / "c.dac")
    assert (tmp_path / "c.dac").read_bytes() == packed.save(
        tmp_path / "d.dac"
    ).read_bytes()


def test_damage_is_an_error_and_leaves_nothing(tiny_dac, wav_file, tmp_path):
    path = tmp_path / "a.dac"
    encode_file_to(tiny_dac, wav_file(noise(1, 100_000)), path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ContainerError, match=r"a\.dac, block \d+ at [\d.]+ s: damaged"):
        tiny_dac.decode_file(path, tmp_path / "b.wav")
    assert not (tmp_path / "b.wav").exists()


# Interruptions


class StopError(BaseException):
    pass


@pytest.mark.parametrize(
    ("rate", "stops"),
    [(16000, [0.05]), (16000, [0.99]), (16000, [0.3, 0.6, 0.9]), (44100, [0.7])],
)
def test_a_run_that_was_interrupted_ends_with_the_same_bytes(
    make_dac, wav_file, tmp_path, rate, stops
):
    # Blocks of the stream (2 s) and of the file do not coincide.
    codec = make_dac(encoder_rates=[4, 8, 10], decoder_rates=[10, 8, 4])
    path = wav_file(noise(2, 25 * rate), rate)
    whole, broken = tmp_path / "whole.dac", tmp_path / "broken.dac"
    encode_file_to(codec, path, whole)
    encoded = []
    for stop in stops:

        def progress(done, total, stop=stop):
            if done >= stop * total:
                raise StopError

        with pytest.raises(StopError):
            encode_file_to(codec, path, broken, progress=progress)
        assert not broken.exists()
        with PackedReader(tmp_path / ".broken.dac.part", partial=True) as reader:
            encoded.append(reader.num_frames)
    assert encoded == sorted(encoded)
    if stops[-1] > 0.5:
        assert encoded[-1] > 0
    encode_file_to(codec, path, broken)
    assert broken.read_bytes() == whole.read_bytes()
    assert not (tmp_path / ".broken.dac.part").exists()


def test_another_recording_is_not_continued(tiny_dac, wav_file, tmp_path):
    def progress(done, total):
        raise StopError

    path = wav_file(noise(1, 100_000))
    with pytest.raises(StopError):
        encode_file_to(tiny_dac, path, tmp_path / "a.dac", progress=progress)
    path = wav_file(noise(1, 100_000, seed=1))
    encode_file_to(tiny_dac, path, tmp_path / "a.dac")
    expected = tiny_dac.encode_file(path)
    np.testing.assert_array_equal(Packed.load(tmp_path / "a.dac").codes, expected.codes)


KILLED = """
import sys, torch
from dac_lobe import DAC
from dac_lobe.files import encode_file_to
torch.set_num_threads(1)
model, source, output = sys.argv[1:]
encode_file_to(DAC.from_pretrained(model), source, output)
"""


@pytest.mark.slow
def test_an_hour_that_was_killed_twice_equals_one_that_was_not(
    make_dac, tmp_path, wav_file
):
    hour = np.tile(noise(1, 60 * RATE), (1, 60))
    source, output = wav_file(hour, subtype="PCM_16"), tmp_path / "killed.dac"
    codec = make_dac(encoder_dim=2, encoder_rates=[8, 8, 10], decoder_rates=[10, 8, 8])
    model = codec.save(tmp_path / "model.safetensors")
    command = [sys.executable, "-c", KILLED, str(model), str(source)]
    part = tmp_path / ".killed.dac.part"
    kept = 0
    for enough in (15_000, 75_000):
        process = subprocess.Popen([*command, str(output)])
        size = 0
        while size < enough:
            assert process.poll() is None
            time.sleep(0.01)
            size = part.stat().st_size if part.exists() else 0
            # The second run goes on; all it may drop is the last block.
            assert size >= kept - 1000
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not output.exists()
        kept = part.stat().st_size
    subprocess.run([*command, str(output)], check=True)
    whole = tmp_path / "whole.dac"
    subprocess.run([*command, str(whole)], check=True)
    assert output.read_bytes() == whole.read_bytes()
    assert Packed.load(whole).duration == 3600


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("nope", FileNotFoundError, "nope does not exist"),
        ("", IsADirectoryError, "is a folder. Name a file"),
    ],
)
def test_what_is_no_file_is_named(tiny_dac, tmp_path, name, kind, message):
    for attempt in (
        lambda: tiny_dac.encode_file(tmp_path / name),
        lambda: tiny_dac.decode_file(str(tmp_path / name), tmp_path / "b.wav"),
        lambda: Packed.load(tmp_path / name),
    ):
        with pytest.raises(kind, match=message) as caught:
            attempt()
        assert "Errno" not in str(caught.value)
        assert str(tmp_path) in str(caught.value)


# Work that is done already


def test_done_is_what_the_same_run_would_give(tiny_dac, make_dac, wav_file, tmp_path):
    source, output = wav_file(), tmp_path / "a.dac"
    assert not is_encoded(tiny_dac, source, output)
    encode_file_to(tiny_dac, source, output)
    assert is_encoded(tiny_dac, source, output)
    assert is_encoded(tiny_dac, source, output, num_codebooks=3)
    assert not is_encoded(tiny_dac, source, output, num_codebooks=2)
    assert not is_encoded(tiny_dac, source, output, normalize_db=-16.0)
    assert not is_encoded(make_dac(n_codebooks=4), source, output, num_codebooks=3)
    data = bytearray(output.read_bytes())
    data[-40] ^= 1
    output.write_bytes(data)
    assert not is_encoded(tiny_dac, source, output)
    encode_file_to(tiny_dac, source, output)
    wav_file(noise(seed=1))
    assert not is_encoded(tiny_dac, source, output)


OPTIONS = {
    "num_codebooks": 2,
    "start": 0.1,
    "duration": 0.05,
    "sample_rate": 8000,
    "subtype": "FLOAT",
}


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff", ".ogg"])
def test_decoded_is_what_the_same_options_would_give(
    tiny_dac, make_dac, wav_file, tmp_path, suffix
):
    packed = tiny_dac.encode_file(wav_file()).save(tmp_path / "a.dac")
    output = tmp_path / f"b{suffix}"
    assert not is_decoded(record_of(packed), output)
    tiny_dac.decode_file(packed, output)
    assert is_decoded(record_of(packed), output)
    assert is_decoded(record_of(packed, num_codebooks=3), output)
    for name, value in OPTIONS.items():
        if suffix == ".ogg":  # it cannot be sealed, so it is not replaced unasked
            with pytest.raises(ValueError, match="--overwrite"):
                is_decoded(record_of(packed, **{name: value}), output)
        else:
            assert not is_decoded(record_of(packed, **{name: value}), output), name
    with pytest.raises(ValueError, match="num_codebooks=99"):
        record_of(packed, num_codebooks=99)
    moved = output.rename(tmp_path / f"moved{suffix}")
    assert is_decoded(record_of(packed), moved)
    if suffix != ".ogg":  # whose streams have random numbers
        twice = [tiny_dac.decode_file(packed, output).read_bytes() for _ in range(2)]
        assert twice[0] == twice[1]


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff"])
def test_what_was_changed_since_is_left_alone(tiny_dac, wav_file, tmp_path, suffix):
    packed = tiny_dac.encode_file(wav_file()).save(tmp_path / "a.dac")
    output = tiny_dac.decode_file(packed, tmp_path / f"b{suffix}")
    data = bytearray(output.read_bytes())
    data[-3] ^= 1
    output.write_bytes(data)
    with pytest.raises(ValueError, match="not as dac-lobe left it"):
        is_decoded(record_of(packed), output)
    write_audio(output, noise(1, 5000), RATE)
    with pytest.raises(ValueError, match="not a file that dac-lobe decoded"):
        is_decoded(record_of(packed), output)


def test_a_packed_recording_and_its_file_are_one_source(tiny_dac, wav_file, tmp_path):
    packed = tiny_dac.encode_file(wav_file())
    path = packed.save(tmp_path / "a.dac")
    with open(path, "rb") as file:
        assert record_of(packed) == record_of(path) == record_of(file)
    output = tiny_dac.decode_file(path.read_bytes(), tmp_path / "b.wav")
    assert is_decoded(record_of(packed), output)


def test_another_model_is_another_record(tiny_dac, make_dac, wav_file, tmp_path):
    """Files of the official package name no model: the one that decodes them counts."""
    other = make_dac()
    with torch.no_grad():
        other.decoder.model[0].bias.add_(0.1)
    official = encode_official(tiny_dac, wav_file(), tmp_path / "official.dac")
    output = decode_file(tiny_dac, official, tmp_path / "b.wav")
    assert is_decoded(record_of(official, tiny_dac), output)
    assert not is_decoded(record_of(official, other), output)
    packed = tiny_dac.encode_file(wav_file()).save(tmp_path / "a.dac")
    assert record_of(packed) == record_of(packed, tiny_dac) != record_of(packed, other)
    with pytest.raises(ContainerError, match="Decode it with the model that made it"):
        decode_file(other, packed, output)


@pytest.mark.parametrize("rate", [0, -1, 0.5, 10**7 + 1, True, "16000", float("nan")])
def test_a_rate_that_is_none(tiny_dac, tmp_path, rate):
    packed = tiny_dac.encode_file((noise(), RATE))
    for attempt in (
        lambda: tiny_dac.decode_file(packed, tmp_path / "a.wav", sample_rate=rate),
        lambda: load_audio((noise(), RATE), rate),
    ):
        with pytest.raises(ValueError, match="from 1 to 10000000"):
            attempt()
    assert not list(tmp_path.iterdir())


def test_whole_rates_of_any_type(tiny_dac, tmp_path):
    packed = tiny_dac.encode_file((noise(), RATE))
    found = {
        tiny_dac.decode_file(packed, tmp_path / "a.wav", sample_rate=rate).read_bytes()
        for rate in (8000, 8000.0, np.int64(8000))
    }
    assert len(found) == 1


@pytest.mark.parametrize(
    "loudness", [float("nan"), -float("inf"), float("inf"), -71, 0.1, "-16", True]
)
def test_a_loudness_that_is_none(tiny_dac, loudness):
    with pytest.raises(ValueError, match="from -70 to 0 LUFS"):
        tiny_dac.encode_file((noise(), RATE), normalize_db=loudness)


@pytest.mark.parametrize("asked", [0, -1, 4, True, 2.0, 2.5, "2"])
def test_the_codebooks_to_decode_are_a_whole_number_of_those_there(
    tiny_dac, wav_file, tmp_path, asked
):
    """Of our files and the official package's alike."""
    packed = tiny_dac.encode_file(wav_file())
    official = encode_official(tiny_dac, wav_file(), tmp_path / "official.dac")
    for source in (packed, official):
        with pytest.raises(ValueError, match=f"num_codebooks={asked}, but .* has 3"):
            decode_file(tiny_dac, source, tmp_path / "b.wav", num_codebooks=asked)


def test_a_digest_keeps_the_place_in_a_file():
    file = io.BytesIO(b"0123456789" * 100_000)
    file.seek(7)
    expected = hashlib.sha256(file.getvalue()).hexdigest()[:32]
    assert (digest_of(file), file.tell()) == (expected, 7)


def test_files_with_the_fingerprints_of_before(tiny_dac, other_dac, wav_file, tmp_path):
    """They are decoded, by their model only, and neither made nor decoded again."""
    source, output, wav = wav_file(), tmp_path / "a.dac", tmp_path / "b.wav"
    packed = tiny_dac.encode_file(source)
    name = _digest(tiny_dac, 1)
    assert packed.header.fingerprint != name
    header = replace(packed.header, fingerprint=name)
    replace(packed, header=header).save(output)
    assert is_encoded(tiny_dac, source, output)
    tiny_dac.decode_file(output, wav)
    for codec in (tiny_dac, None):
        assert is_decoded(record_of(output, codec), wav)
    assert not is_encoded(other_dac, source, output)
    with pytest.raises(ContainerError, match="Decode it with the model"):
        other_dac.decode_file(output, tmp_path / "c.wav")
