"""First mistakes at the command line: nothing is lost, and what is wrong is said.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from dac_lobe.audio import write_audio
from dac_lobe.cli import main

RATE = 16000


@pytest.fixture
def model(tiny_dac, tmp_path):
    """A checkpoint of the tiny codec."""
    return str(tiny_dac.save(tmp_path / "model" / "tiny.safetensors"))


@pytest.fixture
def talk(tmp_path):
    """A recording."""
    wav = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 3001))
    return write_audio(tmp_path / "talk.wav", wav, RATE)


@pytest.fixture
def packed(talk, model):
    """The recording's packed file."""
    assert main(["encode", str(talk), "-m", model, "-q"]) == 0
    return talk.with_suffix(".dac")


@pytest.fixture
def piped(monkeypatch):
    """Put bytes on standard input."""

    def put(data):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))

    return put


# What is there already


@pytest.mark.parametrize("command", ["encode", "decode"])
def test_a_piped_source_replaces_no_foreign_file(
    command, talk, packed, model, piped, tmp_path, capsys
):
    source, ending = (talk, "dac") if command == "encode" else (packed, "wav")
    output = tmp_path / f"out.{ending}"
    output.write_bytes(b"somebody's diary")
    given = [command, "-", "-o", str(output), "-m", model]
    piped(source.read_bytes())
    assert main([*given, "-q"]) == 1
    assert "out" in capsys.readouterr().err
    assert output.read_bytes() == b"somebody's diary"
    for options, summary in [
        (["--overwrite"], f"1 {command}d"),
        ([], f"0 {command}d, 1 already there"),
        (["-k", "2"], f"1 {command}d"),
    ]:
        piped(source.read_bytes())
        assert main([*given, *options]) == 0
        assert capsys.readouterr().err.strip() == summary
