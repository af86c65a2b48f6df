"""The synthetic corpus: the same every time, and what the preparers take."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from dac_lobe.data import prepare_an4, read_manifest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
from make_digits import DIGITS, make_digits, speak


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_digits(tmp_path_factory.mktemp("digits"), utterances=12)


def test_equal_bytes(corpus, tmp_path):
    again = make_digits(tmp_path, utterances=12)
    for path in corpus.rglob("*.*"):
        assert path.read_bytes() == (again / path.relative_to(corpus)).read_bytes()


def test_the_preparer_takes_it(corpus, tmp_path):
    manifests = prepare_an4(corpus, tmp_path)
    speakers = [
        {item.fields["spk_id"] for item in read_manifest(path, data_root=corpus)}
        for path in manifests.values()
    ]
    assert [len(part) for part in speakers] == [8, 2, 2]
    assert len(set.union(*speakers)) == 12


@pytest.mark.parametrize("word", DIGITS)
def test_speech(word):
    """Audible, not clipped, and another utterance of the same word is another signal."""
    rng = np.random.default_rng(0)
    first, second = speak([word], rng), speak([word], rng)
    assert 0.25 < np.abs(first).max() < 0.8
    assert first.shape == second.shape
    assert np.abs(first - second).max() > 0.01


def test_vowels_have_their_formants():
    """The second formant of THREE's vowel is an octave above that of TWO's."""

    def second_formant(word):
        wav = speak([word], np.random.default_rng(0))
        vowel = wav[-1280 - 1500 : -1280 - 300]  # the end, but for the pause
        spectrum = np.abs(np.fft.rfft(vowel * np.hanning(vowel.size)))
        hertz = np.fft.rfftfreq(vowel.size, 1 / 16000)
        return hertz[np.where(hertz > 600, spectrum, 0).argmax()]

    assert second_formant("TWO") == pytest.approx(870, rel=0.15)
    assert second_formant("THREE") > 2 * second_formant("TWO")


def test_too_few(tmp_path):
    with pytest.raises(ValueError, match="at least 12"):
        make_digits(tmp_path, utterances=3)
