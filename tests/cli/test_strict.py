"""Files that contradict themselves: a warning with both figures, or --strict refuses."""

from __future__ import annotations

import csv
import logging

import numpy as np
import pytest
import soundfile

from dac_lobe.cli import main
from dac_lobe.container.official import OfficialFile
from dac_lobe.tokens import TokenStore
from evaluation.cli import main as evaluate

RATE = 16000
CUT = "b.wav promises 8000 samples and holds 7872"


@pytest.fixture
def model(tiny_dac, tmp_path):
    return str(tiny_dac.save(tmp_path / "tiny.safetensors"))


@pytest.fixture
def folder(tmp_path):
    """Two recordings, of which the second was cut off."""
    folder = tmp_path / "audio"
    folder.mkdir()
    wav = 0.1 * np.random.default_rng(0).standard_normal(8000)
    for name in "ab":
        soundfile.write(folder / f"{name}.wav", wav, RATE)
    path = folder / "b.wav"
    path.write_bytes(path.read_bytes()[:-256])
    return folder


def run(command, folder, model, out, *options):
    """Run one of the commands on a folder, into another."""
    if command == "evaluate":
        given = [str(folder), "--model", "identity", "--metrics", "mel_dac7", "-j", "0"]
        return evaluate([*given, "-o", str(out), *options])
    given = ["-o", str(out)] if command == "encode" else [str(out)]
    return main([command, str(folder), *given, "-m", model, *options])


def made(command, out):
    """Name what a command has made of the two."""
    if command == "encode":
        return sorted(path.stem for path in out.glob("*.dac"))
    if command == "extract":
        return sorted(TokenStore(out)) if out.exists() else []
    if not out.exists():
        return []
    with (out / "utterances.csv").open(newline="", encoding="utf-8") as file:
        return sorted({row["utterance"] for row in csv.DictReader(file)})


@pytest.mark.parametrize("command", ["encode", "extract", "evaluate"])
def test_a_recording_that_was_cut_off(command, folder, model, tmp_path, caplog, capfd):
    out = tmp_path / "out"
    with caplog.at_level(logging.WARNING):
        assert run(command, folder, model, out) == 0
    assert sum(CUT in record.getMessage() for record in caplog.records) == 1
    assert made(command, out) == ["a", "b"]
    caplog.clear()
    out = tmp_path / "strict"
    assert run(command, folder, model, out, "--strict") == 1
    assert not caplog.records
    assert f"{CUT}: it was cut off. Fetch it again" in capfd.readouterr().err.replace(
        "Fetch them", "Fetch it"
    )
    # What takes one file after the other has done those that are whole.
    assert made(command, out) == (["a"] if command == "encode" else [])
    (folder / "b.wav").unlink()
    assert run(command, folder, model, out, "--strict") == 0


def test_a_file_that_was_encoded_before_is_refused_too(folder, model, tmp_path, capfd):
    out = tmp_path / "out"
    assert run("encode", folder, model, out) == 0
    before = (out / "b.dac").read_bytes()
    assert run("encode", folder, model, out, "--strict") == 1
    assert CUT in capfd.readouterr().err
    assert (out / "b.dac").read_bytes() == before


def test_an_official_file_that_promises_more(tiny_dac, model, tmp_path, caplog, capfd):
    codes = np.random.default_rng(0).integers(0, 16, (1, 3, 1000))
    file = OfficialFile(codes, 1000, 8005, -20.0, 1, RATE, True)
    path = file.save(tmp_path / "a.dac")
    given = ["decode", str(path), "-m", model, "-o", str(tmp_path / "a.wav")]
    assert main([*given, "--strict"]) == 1
    assert "a.dac promises 8005 samples, and its codes give 8000" in (
        capfd.readouterr().err
    )
    assert not (tmp_path / "a.wav").exists()
    with caplog.at_level(logging.WARNING):
        assert main(given) == 0
    assert "promises 8005 samples, and its codes give 8000: silence" in caplog.text
    assert soundfile.info(tmp_path / "a.wav").frames == 8005
    assert main([*given, "--strict", "--overwrite"]) == 1
    assert soundfile.info(tmp_path / "a.wav").frames == 8005
