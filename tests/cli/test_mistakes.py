"""First mistakes at the command line: nothing is lost, and what is wrong is said.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import importlib.util
import io
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dac_lobe.audio import write_audio
from dac_lobe.cli import main
from dac_lobe.cli.tasks import Outcome, Task, run
from dac_lobe.container import PackedReader

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
    cut = tmp_path / "cut.dac"
    cut.write_bytes(packed.read_bytes()[:5])
    before = sorted(tmp_path.rglob("*"))
    out = str(tmp_path / "out")
    encode = ["encode", str(talk), "-m", model, "-o", f"{out}.dac"]
    decode = ["decode", str(packed), "-m", model]
    wav = ["-o", f"{out}.wav"]
    for arguments, message in [
        ([*encode, "--official", "--normalize", "-20"], "--official and --normalize"),
        ([*encode, "--normalize", "-inf"], "normalize"),
        ([*encode, "--stdin"], "--stdin and an input"),
        ([*encode, "--stdout"], "--stdout and -o .*out.dac"),
        ([*encode[:4], "-o", "/dev/null"], "/dev/null is the name of a file"),
        (["encode", "", "-m", model], "argument is empty"),
        (["encode", "-", "-o", str(tmp_path)], "folder's name"),
        (["encode", f"{out}.wav", "-o", "-"], "out.wav does not exist"),
        ([*decode, *wav, "-k", "4"], "-k 4: .*1 to 3"),
        (["decode", str(cut), str(packed), "-k", "4"], "-k 4: .*1 to 3"),
        ([*decode, "-o", f"{out}.xyz"], "out.xyz does not end like an audio file"),
        ([*decode, "-o", out, "--format", "xyz"], "talk.xyz does not end like"),
        ([*decode, "-o", "-", "--format", "xyz"], "xyz does not end like"),
        (
            [*decode, "-o", f"{out}.flac", "--subtype", "PCM_17"],
            "'PCM_17'. Choose one of PCM_16, PCM_24, PCM_S8",
        ),
        ([*decode, *wav, "--rate", "10000001"], "rate"),
        ([*decode, *wav, "--stdin"], "--stdin and an input"),
        (["info", f"{out}.wav"], "out.wav does not exist"),
        (["extract", str(talk.parent), out, "-m", model, "-k", "4"], "-k 4.*1 to 3"),
        (["extract", str(talk.parent), out, "-m", "unknown"], "'unknown'"),
        (
            ["extract", str(talk.parent), out, "-m", model]
            + ["--engine", "torchrun", "--parquet", out],
            "Run it afterwards with --engine local",
        ),
    ]:
        assert main(arguments) == 2, arguments
        assert re.search(message, one_line(capsys)), message
    assert sorted(tmp_path.rglob("*")) == before


def test_codebooks_that_some_files_have(talk, packed, model, tmp_path, capsys):
    fewer = tmp_path / "fewer.dac"
    encode = ["encode", str(talk), "-m", model, "-q", "-k", "1"]
    assert main([*encode, "-o", str(fewer)]) == 0
    files = [str(fewer), str(packed)]
    out = tmp_path / "out"
    assert main(["decode", *files, "-m", model, "-q", "-k", "2", "-o", str(out)]) == 1
    assert "num_codebooks=2, but the file has 1" in one_line(capsys)
    assert [path.name for path in out.iterdir()] == ["talk.wav"]


def test_bytes_do_not_go_to_a_terminal(talk, model, monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["encode", str(talk), "-m", model, "-o", "-"]) == 2
    assert "terminal" in one_line(capsys)


def test_a_file_that_is_named_twice_is_done_once(talk, model, capsys):
    given = [str(talk), str(talk.parent), str(talk)]
    assert main(["encode", *given, "-m", model]) == 0
    assert capsys.readouterr().err.startswith("1 encoded")


# What goes wrong with a file


def test_a_file_without_a_whole_block(packed, model, tmp_path, capsys):
    with PackedReader(packed) as reader:
        head = len(reader.header.to_bytes())
    cut = tmp_path / "cut.dac"
    cut.write_bytes(packed.read_bytes()[: head + 9])
    given = ["decode", str(cut), "-m", model, "-q", "--partial"]
    assert main(given) == 1
    assert "cut.dac holds no whole block" in one_line(capsys)
    assert not cut.with_suffix(".wav").exists()


def test_a_piped_file_of_the_official_package(talk, model, piped, tmp_path, capsys):
    path = tmp_path / "old.dac"
    encode = ["encode", str(talk), "-m", model, "-q", "--official", "-o", str(path)]
    assert main(encode) == 0
    piped(path.read_bytes())
    assert main(["decode", "-", "-q", "-o", str(tmp_path / "a.wav")]) == 1
    assert one_line(capsys).startswith("dac-lobe: the input is of the official")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_task_without_memory_fails_alone(workers):
    tasks = [Task(Path(name), Path(name)) for name in "ab"]

    def work(task):
        if task.source.name == "a":
            raise MemoryError
        return True

    outcomes = {outcome.task: outcome for outcome in run(tasks, work, workers=workers)}
    assert outcomes[tasks[0]] == Outcome(tasks[0], "failed", "a: out of memory.")
    assert outcomes[tasks[1]].status == "done"


def test_a_store_whose_folder_is_named_like_a_file(talk, model, tmp_path, capsys):
    store = str(tmp_path / "store.dac")
    assert main(["extract", str(talk.parent), store, "-m", model, "-q"]) == 0
    capsys.readouterr()
    assert main(["info", store, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["store"] == store


@pytest.mark.parametrize(
    ("missing", "listing", "options", "extra"),
    [
        ("lhotse", "cuts.jsonl", [], "lhotse"),
        ("ray", "list.csv", ["--engine", "ray"], "distributed"),
        ("pyarrow", "list.csv", ["--parquet", "parquet"], "evaluation"),
    ],
)
def test_a_package_that_is_not_installed_is_named(
    missing, listing, options, extra, talk, model, tmp_path, monkeypatch, capsys
):
    """And before anything is encoded."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *given: None if name == missing else find(name, *given),
    )
    monkeypatch.chdir(tmp_path)
    Path(listing).write_text(f"path\n{talk}\n")
    given = ["extract", listing, "store", "-m", model, "--device", "cpu"]
    assert main([*given, *options]) == 1
    assert f"pip install 'dac-lobe[{extra}]'" in one_line(capsys)
    assert not list(Path("store").glob("shards/*"))


# Names


def test_one_place_that_is_named_in_two_ways(talk, model, tmp_path, capsys):
    other = write_audio(tmp_path / "talk.flac", np.zeros((1, 800)), RATE)
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    for folder in (tmp_path / ".." / tmp_path.name, tmp_path / "link"):
        arguments = ["encode", str(talk), str(folder / other.name), "-m", model]
        for _ in range(2):
            assert main(arguments) == 1
            assert f"{talk} becomes " in capsys.readouterr().err
        again = ["encode", str(talk), str(folder / talk.name), "-m", model]
        assert main(again) == 0
        assert "0 encoded, 1 already there" in capsys.readouterr().err
    with PackedReader(talk.with_suffix(".dac")) as reader:
        assert reader.num_samples == 3001


@pytest.mark.parametrize("name", ["声" * 83, "x" * 251])
def test_names_as_long_as_the_disk_allows(talk, model, name, tmp_path):
    long = talk.rename(tmp_path / f"{name}.wav")
    assert main(["encode", str(long), "-m", model, "-q"]) == 0
    packed = long.with_suffix(".dac")
    long.unlink()
    assert main(["decode", str(packed), "-m", model, "-q"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        long.name, packed.name, "model",
    }  # fmt: skip


@pytest.mark.parametrize("stream", ["stdin", "stdout"])
def test_a_standard_stream_that_is_closed(talk, model, stream, monkeypatch, capsys):
    monkeypatch.setattr(sys, stream, None)
    here = ["-", "-o", "q.dac"] if stream == "stdin" else [str(talk), "-o", "-"]
    assert main(["encode", *here, "-m", model]) == 1
    named = {"stdin": "input", "stdout": "output"}[stream]
    said = capsys.readouterr().err.splitlines()[0]
    assert said == f"dac-lobe: standard {named} is closed. Name a file in place of '-'."
