"""The container: exact, honest about its rate, and safe whatever is in a file."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import random
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dac_lobe.container.writer
from dac_lobe.container import (
    ContainerError,
    Header,
    Packed,
    PackedReader,
    PackedWriter,
)
from dac_lobe.container.bits import bits_per_code, pack_bits, packed_size, unpack_bits

HEADER = Header(
    model="16khz",
    fingerprint="0123456789abcdef",
    sample_rate=16000,
    hop_length=320,
    codebook_size=1024,
    num_codebooks=3,
    channels=2,
    source_rate=44100,
)


def header(**changes):
    return dataclasses.replace(HEADER, **{"block_frames": 0, **changes})


def some_packed(frames=400, **changes):
    head = header(**changes)
    shape = (head.channels, head.num_codebooks, frames)
    codes = np.random.default_rng(0).integers(0, head.codebook_size, shape, np.uint16)
    samples = frames * head.hop_length * head.source_rate // head.sample_rate
    return Packed(head, codes, samples)


def as_bytes(packed, finish=True):
    file = io.BytesIO()
    with PackedWriter(file, packed.header) as writer:
        writer.write(packed.codes)
        if finish:
            writer.finish(packed.num_samples)
    return file.getvalue()


# Bits


@given(st.integers(1, 16), st.integers(0, 200), st.randoms())
def test_bits_come_back(bits, count, generator):
    values = np.array([generator.getrandbits(bits) for _ in range(count)], np.uint16)
    packed = pack_bits(values, bits)
    assert len(packed) == packed_size(count, bits)
    np.testing.assert_array_equal(unpack_bits(packed, count, bits), values)


@given(st.integers(1, 16), st.lists(st.integers(0, 2**16 - 1), max_size=20))
def test_bits_lie_as_a_person_would_write_them(bits, values):
    values = [value % 2**bits for value in values]
    text = "".join(f"{value:0{bits}b}" for value in values)
    text += "0" * (-len(text) % 8)
    obvious = bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))
    assert pack_bits(np.array(values, np.uint16), bits) == obvious


@given(st.integers(1, 65536))
def test_as_few_bits_as_the_codes_need(size):
    bits = bits_per_code(size)
    assert 2**bits >= size
    assert bits == 1 or 2 ** (bits - 1) < size


# Round trips


@given(
    st.integers(1, 3),
    st.integers(1, 5),
    st.sampled_from([1, 2, 3, 1000, 1024, 65536]),
    st.integers(0, 300),
    st.integers(0, 60),
    st.lists(st.integers(0, 100), max_size=6),
)
def test_what_is_written_is_read(channels, books, size, frames, block_frames, cuts):
    packed = some_packed(
        frames,
        channels=channels,
        num_codebooks=books,
        codebook_size=size,
        block_frames=block_frames,
        source_rate=16000,
    )
    file = io.BytesIO()
    with PackedWriter(file, packed.header) as writer:
        for part in np.split(packed.codes, sorted(cuts), axis=-1):
            writer.write(part)
        writer.finish(packed.num_samples)
    # However it was cut into writes, the bytes are the same.
    assert file.getvalue() == as_bytes(packed)
    loaded = Packed.load(file)
    assert loaded.header == packed.header
    assert loaded.num_samples == packed.num_samples
    np.testing.assert_array_equal(loaded.codes, packed.codes)


@given(st.integers(-10, 420), st.integers(-10, 420))
def test_any_stretch_can_be_read_alone(start, stop):
    packed = some_packed()
    start, stop = max(start, 0), max(stop, 0)
    with PackedReader(io.BytesIO(as_bytes(packed))) as reader:
        found = reader.read(start, stop)
    np.testing.assert_array_equal(found, packed.codes[..., start:stop])


def test_seeking_reads_only_the_block_it_needs():
    data = as_bytes(some_packed(4000))

    class Counting(io.BytesIO):
        taken = 0

        def read(self, size=-1):
            found = super().read(size)
            self.taken += len(found)
            return found

    file = Counting(data)
    with PackedReader(file) as reader:
        opened = file.taken
        frame = reader.frame_at(75.0)
        assert frame == 75 * 50
        reader.read(frame, frame + 1)
        assert file.taken - opened == reader.header.block_bytes + 4


@pytest.mark.parametrize(
    ("rate", "hop", "books", "size"),
    [
        *((16000, 320, books, 1024) for books in (1, 2, 4, 8, 12)),
        *((24000, 320, books, 1024) for books in (1, 8, 32)),
        *((44100, 512, books, 1024) for books in (1, 9, 18)),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_the_rate_of_the_file_is_the_nominal_one(rate, hop, books, size, channels):
    for seconds in (10, 61.7, 600):
        packed = some_packed(
            round(seconds * rate / hop),
            sample_rate=rate,
            source_rate=rate,
            hop_length=hop,
            num_codebooks=books,
            codebook_size=size,
            channels=channels,
        )
        head = len(packed.header.to_bytes())
        kbps = (len(as_bytes(packed)) - head) * 8 / 1000 / packed.duration
        # 24 bytes of trailer are a fixed cost, like the header.
        assert kbps - 24 * 8 / 1000 / packed.duration <= 1.02 * packed.bitrate
        assert packed.bitrate == pytest.approx(
            rate / hop * channels * books * 10 / 1000
        )


def test_an_hour_packs_quickly_and_in_little_memory():
    packed = some_packed(180_000, num_codebooks=12, channels=1)
    data = as_bytes(packed)
    tracemalloc.start()
    with PackedReader(io.BytesIO(data)) as reader:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        reader.verify()
        peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert peak < 1_000_000


# Wrong use


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.zeros((2, 3), np.uint16), "shape"),
        (np.zeros((1, 3, 4), np.uint16), r"\[2, 3, F\]"),
        (np.zeros((2, 3, 4), np.float32), "whole numbers"),
        (np.full((2, 3, 4), 1024), r"\[0, 1023\]"),
        (np.full((2, 3, 4), -1), r"\[0, 1023\]"),
    ],
)
def test_codes_that_do_not_fit_are_refused(codes, message):
    with PackedWriter(io.BytesIO(), HEADER) as writer:
        with pytest.raises(ContainerError, match=message):
            writer.write(codes)


def test_lengths_that_do_not_fit_are_refused():
    packed = some_packed(10)
    with pytest.raises(ContainerError, match="frames, but the codes have 10"):
        Packed(packed.header, packed.codes, 1)
    with PackedWriter(io.BytesIO(), packed.header) as writer:
        writer.write(packed.codes)
        with pytest.raises(ContainerError, match="but the codes have 10"):
            writer.finish(1)


@pytest.mark.parametrize("length", [-1, 0.0, 0.5, "0", None])
def test_lengths_that_are_none_are_refused(length):
    with pytest.raises(ContainerError, match="whole number from 0"):
        Packed(some_packed(0).header, some_packed(0).codes, length)
    with PackedWriter(io.BytesIO(), HEADER) as writer:
        with pytest.raises(ContainerError, match="whole number from 0"):
            writer.finish(length)


@pytest.mark.skipif(os.name == "nt", reason="Windows renames no open file")
@pytest.mark.parametrize("resume", [False, True])
def test_a_path_is_written_by_one_at_a_time(tmp_path, resume):
    packed, other = some_packed(300), some_packed(200)
    path = tmp_path / "a.dac"
    with PackedWriter(path, packed.header, resume=resume) as writer:
        writer.write(packed.codes)
        with pytest.raises(
            FileExistsError, match=r"another process, as \.a\.dac\.part"
        ):
            PackedWriter(path, other.header, resume=resume)
        writer.finish(packed.num_samples)
    assert np.array_equal(Packed.load(path).codes, packed.codes)
    other.save(path)
    assert np.array_equal(Packed.load(path).codes, other.codes)


def test_a_part_that_is_begun_while_another_is_published_stays(tmp_path, monkeypatch):
    packed = some_packed(300)
    path = tmp_path / "a.dac"
    publish = dac_lobe.container.writer.publish

    def publish_slowly(*arguments):
        publish(*arguments)
        (tmp_path / ".a.dac.part").write_bytes(b"of another")

    monkeypatch.setattr(dac_lobe.container.writer, "publish", publish_slowly)
    packed.save(path)
    assert (tmp_path / ".a.dac.part").read_bytes() == b"of another"


def test_frames_before_the_first_are_refused():
    with PackedReader(io.BytesIO(DATA)) as reader:
        for source in (reader, some_packed(10)):
            with pytest.raises(ValueError, match=r"start=-5: frames .* from 0"):
                list(source.blocks(-5))


def test_the_checksum_of_any_header_is_the_number_of_the_specification():
    for model in ("", "16khz", "another"):
        assert zlib.crc32(header(model=model).to_bytes()) == 0x2144DF1C


@pytest.mark.parametrize(
    "change",
    [
        {"channels": 0},
        {"channels": True},
        {"num_codebooks": 2000},
        {"codebook_size": 65537},
        {"sample_rate": 0.5},
        {"hop_length": -1},
        {"gain_db": float("nan")},
        {"gain_db": 1e9},
        {"model": 3},
        {"model": "x" * 2000},
        {"block_frames": 1 << 19, "num_codebooks": 1024},
    ],
)
def test_headers_out_of_range_are_refused(change):
    with pytest.raises(ContainerError, match=next(iter(change))[:5]):
        header(**change)


# Interrupted runs


@given(st.integers(0, 700))
def test_an_unfinished_file_is_readable_up_to_its_last_whole_block(cut):
    packed = some_packed(400)
    data = as_bytes(packed, finish=False)
    data = data[: max(len(data) - cut, len(packed.header.to_bytes()))]
    with pytest.raises(ContainerError, match="unfinished"):
        PackedReader(io.BytesIO(data))
    with PackedReader(io.BytesIO(data), partial=True) as reader:
        assert not reader.complete
        size = reader.header.block_frames
        body = len(data) - len(reader.header.to_bytes())
        assert reader.num_frames == body // (reader.header.block_bytes + 4) * size
        found = reader.read()
    np.testing.assert_array_equal(found, packed.codes[..., : found.shape[-1]])
    partial = Packed.load(io.BytesIO(data), partial=True)
    assert partial.num_frames == found.shape[-1]


def write_and_stop(path, packed, resume=False):
    with PackedWriter(path, packed.header, resume=resume) as writer:
        writer.write(packed.codes)
        raise KeyboardInterrupt


def test_a_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "a.dac")
    with pytest.raises(FileExistsError, match="not to be replaced"):
        some_packed().save(tmp_path / "a.dac")
    assert (tmp_path / "a.dac").is_fifo()
    assert len(list(tmp_path.iterdir())) == 1


def test_nothing_appears_before_it_is_finished(tmp_path):
    packed = some_packed()
    path = tmp_path / "a.dac"
    with pytest.raises(KeyboardInterrupt):
        write_and_stop(path, packed)
    assert list(tmp_path.iterdir()) == []
    with PackedWriter(path, packed.header) as writer:
        writer.write(packed.codes)  # and never finished
        assert not path.exists()
    assert list(tmp_path.iterdir()) == []


@given(st.integers(0, 400), st.binary(max_size=40))
def test_a_resumed_file_equals_one_that_was_not_interrupted(tmp_path_factory, at, torn):
    packed = some_packed()
    folder = tmp_path_factory.mktemp("resumed")
    path = folder / "a.dac"

    def run(stop):
        with PackedWriter(path, packed.header, resume=True) as writer:
            for frame in range(writer.num_frames, 400):
                if frame == stop:
                    raise KeyboardInterrupt
                writer.write(packed.codes[..., frame : frame + 1])
            writer.finish(packed.num_samples)
            return writer

    if at < 400:
        with pytest.raises(KeyboardInterrupt):
            run(stop=at)
        # What a crash can leave: a block that was written in part.
        part = folder / ".a.dac.part"
        part.write_bytes(part.read_bytes() + torn)
    run(stop=None)
    assert path.read_bytes() == as_bytes(packed)
    assert list(folder.iterdir()) == [path]


def test_work_of_another_kind_is_not_continued(tmp_path):
    path = tmp_path / "a.dac"
    packed = some_packed()
    with pytest.raises(KeyboardInterrupt):
        write_and_stop(path, some_packed(gain_db=1.0), resume=True)
    assert [found.name for found in tmp_path.iterdir()] == [".a.dac.part"]
    with PackedWriter(path, packed.header, resume=True) as writer:
        assert writer.num_frames == 0
        writer.write(packed.codes)
        writer.finish(packed.num_samples)
    assert path.read_bytes() == as_bytes(packed)


# Damage

DATA = as_bytes(some_packed(90, block_frames=16))
CODES = Packed.load(io.BytesIO(DATA)).codes


def read_all(data):
    """Read everything that a file offers; only the documented error may leave."""
    for partial in (False, True):
        try:
            with PackedReader(io.BytesIO(data), partial=partial) as reader:
                for block in reader.blocks():
                    assert block.max(initial=0) < reader.header.codebook_size
        except ContainerError:
            pass


def test_every_flipped_bit_is_noticed():
    for place in range(len(DATA)):
        for bit in range(8):
            data = bytearray(DATA)
            data[place] ^= 1 << bit
            with pytest.raises(ContainerError):
                Packed.load(io.BytesIO(data))


def test_every_cut_is_noticed():
    for length in range(len(DATA)):
        with pytest.raises(ContainerError):
            Packed.load(io.BytesIO(DATA[:length]))


def test_blocks_cannot_change_places():
    head = len(HEADER.to_bytes()) - len(str(HEADER.block_frames)) + 2
    with PackedReader(io.BytesIO(DATA)) as reader:
        head, size = len(reader._header_bytes), reader.header.block_bytes + 4
    blocks = [DATA[head + i * size : head + (i + 1) * size] for i in range(5)]
    blocks[1], blocks[3] = blocks[3], blocks[1]
    data = DATA[:head] + b"".join(blocks) + DATA[head + 5 * size :]
    with pytest.raises(ContainerError, match="block 1 at 0.32 s: damaged"):
        Packed.load(io.BytesIO(data))


def mutated(generator, data):
    """Flip, cut, double or overwrite, once to a few times."""
    data = bytearray(data)
    for _ in range(generator.choice((1, 1, 1, 2, 5))):
        if not data:
            break
        place = generator.randrange(len(data))
        length = min(generator.choice((1, 2, 4, 8, 50)), len(data) - place)
        match generator.randrange(6):
            case 0:
                data[place] ^= 1 << generator.randrange(8)
            case 1:
                del data[place:]
            case 2:
                del data[place : place + length]
            case 3:
                data[place:place] = data[place : place + length]
            case 4:
                data += data[place:]
            case 5:
                data[place : place + length] = generator.randbytes(length)
    return bytes(data)


def fuzz(count, seed):
    generator = random.Random(seed)
    for _ in range(count):
        data = mutated(generator, DATA)
        if data != DATA:
            read_all(data)
            with pytest.raises(ContainerError):
                Packed.load(io.BytesIO(data))


def test_two_thousand_mutations():
    fuzz(2000, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 9))
def test_two_hundred_thousand_mutations(seed):
    tracemalloc.start()
    fuzz(25_000, seed)
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


values = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from(["", "x", "\0", "1", "\ud83d", "x" * 1001]),
    st.booleans(),
    st.none(),
    st.lists(st.integers(), max_size=3),
)


@given(
    st.dictionaries(
        st.sampled_from([field.name for field in dataclasses.fields(Header)]),
        values,
        max_size=4,
    )
)
def test_a_header_that_lies_with_a_right_crc_is_refused_or_harmless(lies):
    fields = {**dataclasses.asdict(HEADER), **lies}
    text = json.dumps(fields).encode()
    head = struct.pack("<4sBH", b"DACL", 1, len(text)) + text
    head += struct.pack("<I", zlib.crc32(head))
    read_all(head + DATA[-200:])


@pytest.mark.parametrize("text", [b"[" * 60000, b"[]", b"{}", b"3", b"\xff", b""])
def test_headers_that_are_no_headers(text):
    head = struct.pack("<4sBH", b"DACL", 1, len(text)) + text
    head += struct.pack("<I", zlib.crc32(head))
    with pytest.raises(ContainerError, match="header"):
        PackedReader(io.BytesIO(head))


@pytest.mark.parametrize("data", [b"", b"D", b"DACL", b"RIFF....WAVE", b"\x93NUMPY"])
def test_foreign_files_are_named(tmp_path, data):
    path = tmp_path / "a.dac"
    path.write_bytes(data)
    with pytest.raises(ContainerError, match=r"a\.dac"):
        Packed.load(path)


def test_later_versions_are_told_from_damage():
    data = bytearray(DATA)
    data[4] = 2
    with pytest.raises(ContainerError, match="format version 2"):
        Packed.load(io.BytesIO(data))


def test_keys_of_later_versions_are_ignored():
    fields = {**dataclasses.asdict(some_packed(90).header), "later": [1]}
    text = json.dumps(fields).encode()
    head = struct.pack("<4sBH", b"DACL", 1, len(text)) + text
    head += struct.pack("<I", zlib.crc32(head))
    with PackedReader(io.BytesIO(head), partial=True) as reader:
        assert reader.header == some_packed(90).header


def test_repr_and_html_tell_the_facts(tiny_dac):
    """Rates, codebooks, duration; what comes from a file cannot inject markup."""
    header = Header(
        model="<b>mine</b>",
        fingerprint="0123456789abcdef",
        sample_rate=16000,
        hop_length=320,
        codebook_size=1024,
        num_codebooks=4,
        channels=2,
        source_rate=44100,
    )
    packed = Packed(header, np.zeros((2, 4, 50), np.uint16), num_samples=44100)
    assert repr(packed) == "Packed(<b>mine</b>, 1.00 s, codes [2, 4, 50], 4.00 kbps)"
    page = packed._repr_html_()
    assert "<b>" not in page
    for fact in ("1.00 s", "2 x 44100 Hz", "4 codebooks of 1024", "0123456789ab"):
        assert fact in page
