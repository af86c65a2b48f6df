"""Errors of each utterance: what is read is what was written, whole or not at all."""

from __future__ import annotations

import pytest

from dac_lobe.nnet.utterances import (
    Utterance,
    file_stem,
    read_utterances,
    write_utterances,
)

LINES = [
    Utterance("b", "anna, the first", 1, 5, 2, 20),
    Utterance('a "é"', "", 0, 3, 0, 9),
]


def test_there_and_back(tmp_path):
    test = "test, 2 codebooks"
    assert read_utterances(tmp_path / "run", test) == {}
    write_utterances(tmp_path / "run", test, LINES)
    assert list(read_utterances(tmp_path / "run", test).values()) == LINES
    assert read_utterances(tmp_path / "run", "test") == {}
    (path,) = (tmp_path / "run").iterdir()
    assert path.name == f"utterances_{file_stem(test)}.csv"
    assert " " not in path.name


def test_an_error_on_the_way_leaves_what_was_there(tmp_path):
    def broken():
        yield LINES[1]
        raise KeyError("spk_id")

    write_utterances(tmp_path, "test", LINES)
    with pytest.raises(KeyError):
        write_utterances(tmp_path, "test", broken())
    assert list(read_utterances(tmp_path, "test").values()) == LINES
