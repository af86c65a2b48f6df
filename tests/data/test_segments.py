"""Segments in memory: the very samples of the files."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from dac_lobe.data.segments import SegmentDataset, WholeDataset
from dac_lobe.data.waves import as_float, read_waves

RATE = 16000


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Recordings of 16 bits, one shorter than a segment; every sample is its own."""
    folder = tmp_path_factory.mktemp("recordings")
    generator = np.random.default_rng(0)
    for name, length in (("a.wav", 5000), ("b.flac", 3000), ("short.wav", 300)):
        samples = generator.integers(-32768, 32768, length, dtype=np.int16)
        soundfile.write(folder / name, samples, RATE)
    return folder


def test_int16_segments_are_bit_for_bit_those_of_the_files(recordings):
    files = {
        path.stem: soundfile.read(path, dtype="float32")[0]
        for path in recordings.iterdir()
    }
    data = SegmentDataset(recordings, RATE, 800, size=40, sample_type="int16")
    seen = set()
    for index in range(len(data)):
        item = data[index]
        name, wav = item["id"].rsplit("-", 1)[0], item["sig"].numpy()
        file = np.pad(files[name], (0, 800))
        starts = np.flatnonzero(file[: len(files[name])] == wav[0])
        assert any(np.array_equal(file[s : s + 800], wav) for s in starts)
        seen.add(name)
    assert {"a", "b"} <= seen


def test_both_sample_types_draw_the_same_stretches(recordings):
    exact, half = (
        SegmentDataset(recordings, RATE, 800, size=20, sample_type=kind)
        for kind in ("int16", "float16")
    )
    for index in range(20):
        assert exact[index]["id"] == half[index]["id"]
        np.testing.assert_allclose(
            exact[index]["sig"], half[index]["sig"], rtol=2**-11, atol=2**-16
        )


def test_samples_beyond_full_scale_are_limited(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.array([2.0, -2.0]), RATE, subtype="FLOAT")
    data = SegmentDataset(tmp_path, RATE, 2, size=1, sample_type="int16")
    np.testing.assert_allclose(data[0]["sig"], [32767 / 32768, -1.0])


def test_unknown_sample_types_are_named():
    with pytest.raises(ValueError, match="float16, int16"):
        read_waves([], RATE, "int8")


def test_full_scale_is_one():
    np.testing.assert_array_equal(
        as_float(np.array([-32768, 0, 16384], np.int16)), [-1.0, 0.0, 0.5]
    )


@pytest.mark.parametrize("limit", [1, 7, 8, 15, 40, None])
def test_a_limit_takes_recordings_from_beginning_to_end(tmp_path, limit):
    names = [f"{number:02d}" for number in range(15)]
    for number, name in enumerate(names):
        soundfile.write(tmp_path / f"{name}.wav", np.full(10, number / 16), RATE)
    data = WholeDataset(tmp_path, RATE, limit)
    taken = [int(data[index]["sig"][0] * 16 + 0.5) for index in range(len(data))]
    assert len(taken) == min(limit or 15, 15)
    gaps = np.diff([*taken, 15])
    assert taken[0] == 0
    assert gaps.max() - gaps.min() <= 1
