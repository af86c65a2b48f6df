"""First mistakes at the command line: nothing is lost, and what is wrong is said.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import io
import re
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


def one_line(capsys):
    """The error that was printed, which must be one line and no traceback."""
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("dac-lobe: ")
    return lines[0]


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


def test_a_format_that_cannot_say_what_made_a_file_is_not_called_foreign(
    packed, model, tmp_path, capsys
):
    for ending, said in [
        ("w64", "W64.* cannot say what made it"),
        ("au", "AU.* cannot say what made it"),
        ("ogg", "OGG.* cannot show whether it was changed"),
        ("caf", "CAF.* cannot show whether it was changed"),
    ]:
        output = tmp_path / f"out.{ending}"
        given = ["decode", str(packed), "-m", model, "-o", str(output), "-q"]
        assert main(given) == 0
        before = output.read_bytes()
        assert main([*given, "-k", "1"]) == 1
        assert re.search(f"{output} is there already and .*{said}", one_line(capsys))
        assert output.read_bytes() == before
        assert main([*given, "-k", "1", "--overwrite"]) == 0
        assert output.read_bytes() != before


# What is wrong in the command itself


def test_wrong_options_exit_with_2(talk, packed, model, tmp_path, capsys):
    before = sorted(tmp_path.rglob("*"))
    out = str(tmp_path / "out")
    encode = ["encode", str(talk), "-m", model, "-o", f"{out}.dac"]
    for arguments, message in [
        ([*encode, "--official", "--normalize", "-20"], "--official and --normalize"),
    ]:
        assert main(arguments) == 2, arguments
        assert re.search(message, one_line(capsys)), message
    assert sorted(tmp_path.rglob("*")) == before
