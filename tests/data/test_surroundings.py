"""Rooms and noise: as strong as asked for, in step, and not there unless asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dac_lobe.audio import write_audio
from dac_lobe.data.augment import Augment
from dac_lobe.data.surroundings import Surroundings

RATE = 16000


def draw(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def noises(tmp_path_factory):
    """A recording longer than a segment, and one shorter."""
    folder = tmp_path_factory.mktemp("noise")
    for number, length in enumerate((20000, 700)):
        wav = 0.1 * draw(number).standard_normal(length)
        write_audio(folder / f"{number}.wav", wav, RATE)
    return folder


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    """A room with a decaying tail; its direct path comes late, and upside down."""
    folder = tmp_path_factory.mktemp("rooms")
    response = np.zeros(3000)
    response[40] = -0.9
    tail = np.exp(-np.arange(2500) / 400) * draw(0).standard_normal(2500)
    response[500:] = 0.05 * tail
    write_audio(folder / "hall.wav", response, RATE)
    return folder


@pytest.fixture(scope="module")
def echoless(tmp_path_factory):
    """A room that only delays and inverts."""
    folder = tmp_path_factory.mktemp("echoless")
    response = np.zeros(100)
    response[70] = -0.5
    write_audio(folder / "field.wav", response, RATE)
    return folder


@given(seed=st.integers(0, 2**32 - 1), snr=st.floats(-5, 40))
def test_noise_is_as_strong_as_asked_for(noises, seed, snr):
    place = Surroundings(noises, noise=1.0, snr_db=(snr, snr))
    wav = draw(seed).standard_normal(4000) * 0.1
    noise = place(wav, draw(seed)) - wav
    ratio = 10 * np.log10(np.mean(wav**2) / np.mean(noise**2))
    assert ratio == pytest.approx(snr, abs=0.1)


def test_noise_comes_on_top_of_the_room(noises, rooms):
    wav = draw(1).standard_normal(4000) * 0.1
    both = Surroundings(noises, rooms, noise=1.0, rooms=1.0, snr_db=(10.0, 10.0))
    room = Surroundings(None, rooms, rooms=1.0)
    wet = room(wav, draw(2))
    noise = both(wav, draw(2)) - wet
    ratio = 10 * np.log10(np.mean(wet**2) / np.mean(noise**2))
    assert ratio == pytest.approx(10.0, abs=0.1)


def test_a_room_without_echo_changes_nothing(echoless):
    wav = draw(0).standard_normal(4000) * 0.1
    wet = Surroundings(None, echoless, rooms=1.0)(wav, draw(0))
    np.testing.assert_allclose(wet, wav, atol=1e-6)  # single precision


@pytest.mark.parametrize("length", [500, 2000, 16000])
def test_a_room_keeps_length_time_and_power(rooms, length):
    wav = draw(3).standard_normal(length) * 0.1
    wet = Surroundings(None, rooms, rooms=1.0)(wav, draw(0))
    assert wet.shape == wav.shape
    assert np.mean(wet**2) == pytest.approx(np.mean(wav**2))
    lag = int(np.correlate(wet, wav, "full").argmax()) - (length - 1)
    assert lag == 0
    assert np.abs(wet - wav).max() > 1e-3 or length <= 500


def test_surroundings_are_a_function_of_the_generator(noises, rooms):
    place = Surroundings(noises, rooms)
    wav = draw(0).standard_normal(2000)
    first, again, other = (place(wav, draw(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_half_of_the_segments_get_noise(noises):
    place = Surroundings(noises, noise=0.5)
    wav = np.full(400, 0.1)
    changed = sum(not np.array_equal(place(wav, draw(i)), wav) for i in range(400))
    assert 150 < changed < 250


def test_silence_stays_silence(noises, rooms):
    place = Surroundings(noises, rooms, noise=1.0, rooms=1.0)
    assert not place(np.zeros(1000), draw(0)).any()


@pytest.mark.parametrize("place", [None, Surroundings()])
def test_without_folders_nothing_changes(place):
    """Bit for bit, what is drawn afterwards included."""
    wav = draw(0).standard_normal(3000).astype(np.float32)
    plain, given = Augment(speed=0.1, noise_db=20.0), Augment(speed=0.1, noise_db=20.0)
    given.surroundings = place
    for seed in range(5):
        np.testing.assert_array_equal(plain(wav, draw(seed)), given(wav, draw(seed)))


def test_augment_keeps_shape_and_headroom(noises, rooms):
    place = Surroundings(noises, rooms, noise=1.0, rooms=1.0, snr_db=(0.0, 0.0))
    wav = draw(0).standard_normal(3000).astype(np.float32)
    changed = Augment(surroundings=place)(wav, draw(1))
    assert changed.shape == wav.shape
    assert changed.dtype == np.float32
    assert np.abs(changed).max() <= 0.98 + 1e-6


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"noise": 1.5}, "noise=1.5"),
        ({"rooms": -1.0}, "rooms=-1.0"),
        ({"snr_db": (20.0, 5.0)}, "the lower end comes first"),
    ],
)
def test_wrong_ranges_are_named(options, said):
    with pytest.raises(ValueError, match=said):
        Surroundings(**options)


def test_a_silent_room_is_refused(tmp_path):
    write_audio(tmp_path / "a.wav", np.zeros(100), RATE)
    with pytest.raises(ValueError, match="silent"):
        Surroundings(None, tmp_path)
