"""The command line: exit codes, one-line errors, folders, pipes."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import torch

from dac_lobe import DAC
from dac_lobe.audio import read_audio, write_audio
from dac_lobe.cli import main
from dac_lobe.cli.progress import Report
from dac_lobe.cli.tasks import Outcome, Task, plan, run
from dac_lobe.container import Packed
from dac_lobe.disk.suffixes import AUDIO_SUFFIXES
from dac_lobe.files.official import encode_official


@pytest.fixture(scope="module")
def model(tiny_dac, tmp_path_factory):
    """A checkpoint of the tiny codec."""
    return str(tiny_dac.save(tmp_path_factory.mktemp("model") / "tiny.safetensors"))


@pytest.fixture
def audio(tmp_path):
    """A folder of recordings that differ in everything."""
    folder = tmp_path / "audio"
    generator = np.random.default_rng(0)
    kinds = {
        "mono.wav": (1, 16000, 3001, "PCM_16"),
        "day/stereo.flac": (2, 44100, 5000, "PCM_24"),
        "day/one/eight bits.wav": (1, 8000, 800, "PCM_U8"),
        "day/one/float.WAV": (2, 192000, 9999, "FLOAT"),
        "day/two/surround.wav": (6, 48000, 4800, "PCM_16"),
        "day/two/one sample.wav": (1, 16000, 1, "PCM_16"),
    }
    for name, (channels, rate, samples, subtype) in kinds.items():
        wav = generator.uniform(-0.5, 0.5, (channels, samples))
        write_audio(folder / name, wav, rate, subtype)
    (folder / "notes.txt").write_text("no audio")
    (folder / ".hidden.wav").write_bytes(b"no audio")
    return folder


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def one_line(capsys):
    """The error that was printed, which must be one line and no traceback."""
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("dac-lobe: ")
    assert "Traceback" not in lines[0]
    return lines[0]


# Folders


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_a_tree_there_and_back(audio, model, tmp_path, capsys, jobs):
    coded, decoded = tmp_path / "coded", tmp_path / "decoded"
    assert main(["encode", str(audio), "-o", str(coded), "-m", model, "-j", jobs]) == 0
    assert "6 encoded" in capsys.readouterr().err
    assert set(files(coded)) == {
        "mono.dac",
        "day/stereo.dac",
        "day/one/eight bits.dac",
        "day/one/float.dac",
        "day/two/surround.dac",
        "day/two/one sample.dac",
    }
    codec = DAC.from_pretrained(model)
    for name, content in files(coded).items():
        source = next(audio.glob(name.replace(".dac", ".*")))
        alone = codec.encode_file(source).save(tmp_path / "alone.dac")
        assert content == alone.read_bytes()
    arguments = ["decode", str(coded), "-o", str(decoded), "-m", model, "-j", jobs]
    assert main(arguments) == 0
    for name in files(coded):
        source = next(audio.glob(name.replace(".dac", ".*")))
        found = read_audio(decoded / name.replace(".dac", ".wav"))
        assert found.shape == read_audio(source).shape


def test_what_is_done_is_skipped_and_what_is_damaged_is_not(
    audio, model, tmp_path, capsys
):
    coded, decoded = tmp_path / "coded", tmp_path / "decoded"
    encode = ["encode", str(audio), "-o", str(coded), "-m", model]
    decode = ["decode", str(coded), "-o", str(decoded), "-m", model]
    main(encode)
    before = files(coded)
    main(decode)
    capsys.readouterr()
    times = {path: path.stat().st_mtime_ns for path in coded.rglob("*.dac")}
    assert main(encode) == 0
    assert "0 encoded, 6 already there" in capsys.readouterr().err
    assert times == {path: path.stat().st_mtime_ns for path in coded.rglob("*.dac")}
    assert main(decode) == 0
    assert "0 decoded, 6 already there" in capsys.readouterr().err
    damaged, missing = coded / "mono.dac", coded / "day" / "stereo.dac"
    damaged.write_bytes(damaged.read_bytes()[:-50])
    missing.unlink()
    assert main(encode) == 0
    assert "2 encoded, 4 already there" in capsys.readouterr().err
    assert files(coded) == before


def test_one_bad_file_does_not_stop_the_others(audio, model, tmp_path, capsys):
    (audio / "day" / "bad.wav").write_bytes(b"no audio")
    (audio / "empty.wav").write_bytes(b"")
    write_audio(audio / "nan.wav", np.full((1, 100), np.nan), 16000, "FLOAT")
    coded = tmp_path / "coded"
    assert main(["encode", str(audio), "-o", str(coded), "-m", model]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 4
    assert [any(name in line for line in errors) for name in ("bad", "empty", "nan")]
    assert "6 encoded, 3 failed" in errors[-1]
    assert len(files(coded)) == 6


def test_beside_the_input_by_default(audio, model):
    assert main(["encode", str(audio / "mono.wav"), "-m", model, "-q"]) == 0
    packed = audio / "mono.dac"
    assert Packed.load(packed).num_samples == 3001
    (audio / "mono.wav").unlink()
    assert main(["decode", str(packed), "-m", model, "-q", "--format", "flac"]) == 0
    assert read_audio(audio / "mono.flac").shape == (1, 3001)


def test_a_recording_beside_its_packed_file_is_not_replaced(audio, model, capsys):
    recordings = files(audio)
    assert main(["encode", str(audio), "-m", model, "-q"]) == 0
    for _ in range(2):  # the same when the recording is the newer of the two
        assert main(["decode", str(audio), "-m", model, "-q"]) == 1
        errors = capsys.readouterr().err.splitlines()
        refused = {line.split(" is there already")[0] for line in errors}
        assert refused == {
            f"dac-lobe: {audio / name}" for name in recordings if name.endswith(".wav")
        } - {f"dac-lobe: {audio / '.hidden.wav'}"}
        assert all("-o" in line and "--overwrite" in line for line in errors)
        found = files(audio)
        assert {name: found[name] for name in recordings} == recordings
        assert "day/stereo.wav" in found  # the others are done
        os.utime(audio / "mono.wav")
    assert main(["decode", str(audio), "-m", model, "-q", "--overwrite"]) == 0
    assert (audio / "mono.wav").read_bytes() != recordings["mono.wav"]
    assert read_audio(audio / "mono.wav").shape == (1, 3001)


def test_decode_replaces_nothing_that_it_did_not_make(audio, model, tmp_path, capsys):
    packed = tmp_path / "stereo.dac"
    arguments = [str(audio / "day" / "stereo.flac"), "-m", model, "-q"]
    assert main(["encode", *arguments, "-o", str(packed)]) == 0
    victim = write_audio(tmp_path / "stereo.flac", np.zeros((1, 99)), 8000)
    excerpt = tmp_path / "excerpt.wav"
    excerpt.touch()  # an empty file is no loss
    before = victim.read_bytes()
    decode = ["decode", str(packed), "-m", model, "-q"]
    assert main([*decode, "--format", "flac"]) == 1
    assert "stereo.flac is there already" in one_line(capsys)
    part = [*decode, "-o", str(excerpt), "--duration", "0.05"]
    assert main(part) == 0
    before_excerpt = excerpt.read_bytes()
    assert main(part) == 0  # done
    assert excerpt.read_bytes() == before_excerpt
    assert victim.read_bytes() == before
    assert main([*decode, "--format", "flac", "--overwrite"]) == 0
    assert read_audio(victim).shape == (2, 5000)
    assert main([*part, "--start", "0.05", "--overwrite"]) == 0


def test_what_a_folder_holds_beside_recordings_is_counted(
    audio, model, tmp_path, capsys
):
    (audio / "day" / "more.TXT").touch()
    (audio / "day" / "old.dac").touch()
    (audio / "readme").touch()
    encode = ["encode", str(audio), "-o", str(tmp_path / "coded"), "-m", model]
    assert main(encode) == 0
    summary = capsys.readouterr().err.strip()
    assert summary == "6 encoded, left out: 3 (.txt 2, no ending 1)"


@pytest.mark.parametrize("workers", [("-j", "2"), ("--jobs", "2"), ("--jobs=2",)])
def test_workers_under_old_names(audio, model, tmp_path, workers, capsys):
    encode = ["encode", str(audio), "-o", str(tmp_path / "coded"), "-m", model, "-q"]
    threads = torch.get_num_threads()
    assert main([*encode, *workers]) == 0
    assert torch.get_num_threads() == threads
    said = "--jobs is now --workers" in capsys.readouterr().err
    assert said == workers[0].startswith("--jobs")
    extract = [
        "extract",
        str(audio / "day"),
        str(tmp_path / "store"),
        "-m",
        model,
        "-q",
    ]
    old = "-w" if len(workers) == 2 else "--workers"
    assert main([*extract, old, "1"]) == 0


def test_encode_replaces_packed_files_only(audio, model, tmp_path, capsys):
    output = tmp_path / "talk.dac"
    output.write_bytes(b"somebody's diary")
    encode = ["encode", str(audio / "mono.wav"), "-o", str(output), "-m", model, "-q"]
    for arguments in (encode, [*encode, "--official"]):
        assert main(arguments) == 1
        assert "talk.dac is there already" in one_line(capsys)
        assert output.read_bytes() == b"somebody's diary"
    assert main([*encode, "--overwrite"]) == 0
    assert Packed.load(output).num_samples == 3001
    for arguments in ([*encode, "-k", "2"], [*encode, "--official"], encode):
        assert main(arguments) == 0


def test_options_reach_the_codec(audio, model, tmp_path):
    source, coded = str(audio / "mono.wav"), tmp_path / "a.dac"
    arguments = ["encode", source, "-o", str(coded), "-m", model, "-q"]
    assert main([*arguments, "-k", "2", "--normalize", "-30"]) == 0
    packed = Packed.load(coded)
    assert packed.codes.shape[:2] == (1, 2)
    assert packed.header.gain_db < 0
    assert packed.header.model == "tiny.safetensors"
    out = tmp_path / "a.wav"
    arguments = ["decode", str(coded), "-o", str(out), "-m", model, "-q"]
    assert main([*arguments, "-k", "1", "--rate", "8000", "--subtype", "FLOAT"]) == 0
    assert read_audio(out).shape == (1, 1501)


def test_the_official_packages_files(audio, model, tiny_dac, tmp_path, capsys):
    path = encode_official(tiny_dac, audio / "mono.wav", tmp_path / "old.dac")
    assert main(["decode", str(path), "-m", model, "-q"]) == 0
    assert read_audio(tmp_path / "old.wav").shape == (1, 3001)
    (tmp_path / "old.wav").unlink()
    assert main(["decode", str(path), "-q"]) == 1
    assert "--model" in one_line(capsys)
    assert main(["info", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "official" in shown
    assert "16000 Hz, 1 channel\n" in shown
    new = tmp_path / "new.dac"
    arguments = ["encode", str(audio / "mono.wav"), "-o", str(new), "-m", model, "-q"]
    assert main([*arguments, "--official"]) == 0
    assert new.read_bytes() == path.read_bytes()


# Errors


def test_wrong_commands_exit_with_2(audio, model, tmp_path, capsys):
    source = str(audio / "mono.wav")
    before = files(tmp_path)
    for arguments, message in [
        (["encode"], "no input"),
        (
            ["encode", str(tmp_path / "none.wav"), "-m", model],
            "^dac-lobe: /.*none.wav does not exist",
        ),
        (["encode", source, "-m", "17khz"], "unknown model '17khz'"),
        (["encode", source, "-m", str(audio / "no.pth")], "no.pth"),
        (["encode", source, "-m", model, "-k", "4"], "-k 4.*1 to 3"),
        (["encode", source, "-m", model, "-k", "0"], "-k 0: a whole number"),
        (["encode", source, "-m", model, "-k", "two"], "-k two: a whole number"),
        (["encode", source, "-m", model, "--device", "tpu9"], "tpu9"),
        (["encode", source, "-m", model, "--workers", "0"], "workers"),
        (["encode", str(audio / "day"), "-o", "-", "-m", model], "pipe"),
        (["encode", source, "--wrong"], "--wrong"),
        (["decode", str(audio), "-m", model], "no such files in .*dac"),
        (["encode", source, "-m", model, "-o", str(audio / "x.wav")], "x.wav.* .dac"),
        (
            ["encode", source, "-m", model, "-o", str(audio / "day" / "stereo.flac")],
            "stereo.flac does not end in .dac",
        ),
        (
            ["encode", source, source, "-m", model, "-o", f"{audio}/pair.dac"],
            "pair.dac is the name of a file",
        ),
        (
            ["encode", str(audio), "-m", model, "-o", f"{tmp_path}/pair.dac"],
            "pair.dac is the name of a file",
        ),
        (["decode"], "no input"),
        (["encode", source, "-m", model, "--normalize", "5"], "normalize"),
        (["decode", source, "-m", model, "--rate", "999"], "rate"),
        (["decode", source, "-m", model, "--duration", "0"], "duration"),
        (["wrong"], "wrong"),
        (["download", "17khz"], "unknown model '17khz'"),
        (["info", str(tmp_path / "none.dac")], "none.dac does not exist"),
        (["extract", str(tmp_path / "none"), f"{tmp_path}/store"], "none"),
        (["extract", str(audio), f"{tmp_path}/store", "--engine", "spark"], "ray"),
        (["extract", str(audio), f"{tmp_path}/store", "--backend", "fast"], "native"),
        (["info", "17khz"], "unknown model '17khz'"),
    ]:
        assert main(arguments) == 2, arguments
        assert re.search(message, one_line(capsys)), message
    assert files(tmp_path) == before


def test_failures_exit_with_1(audio, model, tmp_path, capsys):
    source, coded = str(audio / "mono.wav"), tmp_path / "a.dac"
    bad = tmp_path / "bad.dac"
    bad.write_bytes(b"no such thing")
    main(["encode", source, "-o", str(coded), "-m", model, "-q"])
    before = files(tmp_path)
    for arguments, message in [
        (["encode", source, "-o", f"{source}/a.dac", "-m", model], "mono.wav"),
        (["encode", str(audio / "notes.txt"), "-o", str(tmp_path / "b.dac")], "notes"),
        (["encode", source, "-o", source], "replace the input"),
        (["encode", str(coded), "-m", model], "a.dac: .*`decode` .dac files"),
        (["decode", source], "mono.wav: .*`encode` takes audio"),
        (["decode", str(bad), "-m", model], "bad.dac is not a packed file"),
        (["decode", str(coded)], "encoded by 'tiny.safetensors'.*--model"),
        (["decode", str(coded), "-m", "16khz-small"], "tiny.*16khz-small"),
        (["info", str(bad)], "bad.dac is not a packed file"),
    ]:
        assert main([*arguments, *(["-q"] if arguments[0] != "info" else [])]) == 1
        assert re.search(message, one_line(capsys)), message
    assert files(tmp_path) == before


def test_an_unfinished_file_names_the_option(audio, model, tmp_path, capsys):
    whole, cut = tmp_path / "a.dac", tmp_path / "cut.dac"
    source = str(audio / "day" / "one" / "float.WAV")
    main(["encode", source, "-o", str(whole), "-m", model, "-q"])
    cut.write_bytes(whole.read_bytes()[:-1])
    decode = ["decode", str(cut), "-m", model, "-q"]
    assert main(decode) == 1
    error = one_line(capsys)
    assert "cut.dac is unfinished" in error
    assert "--partial" in error


def test_a_full_disk_is_one_line(audio, model, tmp_path, capsys, disk_of):
    write_audio(audio / "long.wav", np.zeros((1, 100_000)), 16000)
    before = files(tmp_path)
    arguments = ["encode", str(audio / "long.wav"), "-m", model, "-q"]
    with disk_of(5000):
        assert main(arguments) == 1
    assert "large" in one_line(capsys)
    assert set(files(tmp_path)) - set(before) == {"audio/.long.dac.part"}
    assert main(arguments) == 0
    assert set(files(tmp_path)) - set(before) == {"audio/long.dac"}


# What it shows


def test_info_of_a_file(audio, model, tmp_path, capsys):
    coded = tmp_path / "a.dac"
    main(
        ["encode", str(audio / "day/stereo.flac"), "-o", str(coded), "-m", model, "-q"]
    )
    assert main(["info", str(coded), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["model"] == "tiny.safetensors"
    assert shown["samples"] == 5000
    assert shown["source"] == "44100 Hz, 2 channels"
    assert shown["duration_s"] == round(5000 / 44100, 3)
    assert shown["kbps"] == 2 * 3 * 4 * 2000 / 1000
    assert shown["kbps_in_file"] > shown["kbps"]
    assert shown["complete"] is True
    assert main(["info", str(coded)]) == 0
    assert "tiny.safetensors" in capsys.readouterr().out


def test_info_of_a_model(model, tiny_dac, capsys):
    assert main(["info", model, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["kbps"] == {"1": 8.0, "2": 16.0, "3": 24.0}
    assert shown["delay"] == tiny_dac.delay
    assert shown["encoder_rates"] == [2, 4]
    assert shown["frame_rate_hz"] == 2000
    assert shown["backend"].startswith(DAC.from_pretrained(model).backend)
    assert main(["info", model]) == 0
    assert "1: 8.0, 2: 16.0, 3: 24.0" in capsys.readouterr().out


def test_a_store_tells_its_failures_each_time(audio, model, tmp_path, capsys):
    (audio / "day" / "bad.wav").write_bytes(b"no audio")
    store = str(tmp_path / "store")
    for _ in range(2):
        assert main(["extract", str(audio / "day"), store, "-m", model]) == 1
        failure, summary = capsys.readouterr().err.strip().splitlines()[-2:]
        assert failure.startswith("dac-lobe: bad: ")
        assert "1 failed; --retry-failed" in summary
    assert "0 shards written" in summary
    assert main(["info", store, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["store"], shown["items"], shown["failed"]) == (store, 5, 1)
    assert shown["complete"] is True
    assert shown["num_codebooks"] == 3
    assert shown["frame_rate"] == 2000
    samples = (-(-5000 * 16000 // 44100), 1600, -(-9999 // 12), 1600, 1)
    assert shown["duration_s"] == pytest.approx(sum(samples) / 16000, abs=0.001)
    next(Path(store, "shards").iterdir()).unlink()
    assert main(["info", store]) == 0
    assert "complete       False" in capsys.readouterr().out


def test_download_says_where(capsys):
    assert main(["download", "16khz-small"]) == 0
    assert capsys.readouterr().out.strip().endswith("16khz-small.safetensors")


def python(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "dac_lobe", *arguments],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        **options,
    )


def test_pipes(audio, model, tmp_path):
    source = audio / "day" / "stereo.flac"
    coded = python("encode", "-", "-m", model, input=source.read_bytes())
    assert coded.returncode == 0, coded.stderr
    main(["encode", str(source), "-o", str(tmp_path / "a.dac"), "-m", model, "-q"])
    assert coded.stdout == (tmp_path / "a.dac").read_bytes()
    wav = python("decode", "--stdin", "--stdout", "-m", model, input=coded.stdout)
    assert wav.returncode == 0, wav.stderr
    main(["decode", str(tmp_path / "a.dac"), "-m", model, "-q"])
    assert wav.stdout == (tmp_path / "a.wav").read_bytes()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full is not here")
def test_a_pipe_into_a_full_disk(audio, model):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "dac_lobe", "encode", str(audio / "mono.wav")]
            + ["-o", "-", "-m", model, "-q"],
            stdout=full,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.getcwd()},
        )
    assert done.returncode == 1
    assert b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr


def test_help_is_quick_and_loads_nothing_heavy():
    program = (
        "import sys; from dac_lobe.cli import main; code = main(['encode', '--help'])\n"
        "heavy = {'torch', 'numpy', 'soundfile', 'scipy', 'speechbrain', 'transformers'}"
        "\nprint(sorted(heavy & set(sys.modules)), code, file=sys.stderr)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stderr.decode().strip() == "[] 0"
    assert b"--codebooks" in done.stdout
    assert b"is encoded anew" in b" ".join(done.stdout.split())
    # Of the processor's time, which a busy machine does not change much.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


@pytest.mark.parametrize("loaded", [True, False])
def test_threads_that_wait_sleep_unless_torch_is_loaded(loaded, monkeypatch, capsys):
    monkeypatch.setenv("OMP_WAIT_POLICY", "")  # so that it is as it was afterwards
    monkeypatch.delenv("OMP_WAIT_POLICY")
    if not loaded:
        monkeypatch.delitem(sys.modules, "torch")
    assert main(["--version"]) == 0
    assert os.environ.get("OMP_WAIT_POLICY") == (None if loaded else "passive")
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    main(["--version"])
    assert os.environ["OMP_WAIT_POLICY"] == "active"


# Plans


def test_a_plan_keeps_the_tree_and_leaves_hidden_files(audio, tmp_path):
    tasks = plan([audio], tmp_path / "out", AUDIO_SUFFIXES, ".dac").tasks
    assert [task.source for task in tasks] == sorted(task.source for task in tasks)
    assert len(tasks) == 6
    for task in tasks:
        relative = task.source.relative_to(audio)
        assert task.output == (tmp_path / "out" / relative).with_suffix(".dac")


def test_two_that_would_become_one_are_told(tmp_path):
    for name in ("a.flac", "a.wav"):
        (tmp_path / name).touch()
    first, second = plan([tmp_path], tmp_path / "out", AUDIO_SUFFIXES, ".dac").tasks
    assert first.problem == ""
    assert "a.flac becomes" in second.problem


def test_files_may_go_into_a_folder(tmp_path):
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).touch()
    inputs = [tmp_path / "a.wav", tmp_path / "b.wav"]
    tasks = plan(inputs, tmp_path / "out", AUDIO_SUFFIXES, ".dac").tasks
    assert [task.output.name for task in tasks] == ["a.dac", "b.dac"]
    (folder := tmp_path / "there").mkdir()
    assert (
        plan(inputs[:1], folder, AUDIO_SUFFIXES, ".dac").tasks[0].output
        == folder / "a.dac"
    )
    assert plan(inputs[:1], tmp_path / "c.x", AUDIO_SUFFIXES, ".dac").tasks[
        0
    ].output.name == ("c.x")
    coded = tmp_path / "coded"
    (task,) = plan(inputs[:1], coded, AUDIO_SUFFIXES, ".dac").tasks
    assert task.output == coded / "a.dac"
    coded.touch()
    for name in ("a.wav", "new.dac", "new.flac", "coded"):
        with pytest.raises(ValueError, match="is the name of a file"):
            plan(inputs, tmp_path / name, AUDIO_SUFFIXES, ".dac")
    with pytest.raises(ValueError, match="is the name of a file"):
        plan(inputs[:1], coded, AUDIO_SUFFIXES, ".dac")


@pytest.mark.parametrize(("workers", "ahead"), [(1, 0), (1, 1), (4, 0)])
def test_outcomes_of_all_tasks(tmp_path, workers, ahead):
    tasks = [Task(tmp_path / f"{i}.wav", tmp_path / f"{i}.dac") for i in range(9)]

    def work(task):
        number = int(task.source.stem)
        if number % 3 == 0:
            raise ValueError(f"number {number}\nis bad")
        return number % 3 == 1

    outcomes = sorted(run(tasks, work, workers=workers, ahead=ahead))
    kinds = ["failed", "done", "skipped"] * 3
    assert [outcome.status for outcome in outcomes] == kinds
    assert outcomes[3] == Outcome(tasks[3], "failed", "number 3 is bad")


def test_what_is_no_failure_of_a_task_ends_the_run(tmp_path):
    tasks = [Task(tmp_path / "a", tmp_path / "b")] * 3

    def work(task):
        raise KeyboardInterrupt

    for workers in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            list(run(tasks, work, workers=workers))


@pytest.mark.parametrize("workers", [1, 3])
def test_a_run_that_ends_early_ends_what_has_begun(workers):
    """Of two files in hand, one is refused for good; the other must not go on."""
    begun, report = Event(), Report(2, "done", quiet=True)

    def work(task):
        if task.source.stem == "long":
            update = report.file("long")
            begun.set()
            for _ in range(600):  # a minute
                time.sleep(0.1)
                update(0.0, 1.0)
        begun.wait()
        raise RuntimeError

    tasks = [Task(Path(name), Path(name)) for name in ("long", "short")]
    started = time.monotonic()
    with pytest.raises(RuntimeError):
        list(run(tasks, work, report.stop, workers=workers, ahead=1))
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    ("program", "words", "wanted"),
    [
        ("dac_lobe", "dac-lobe e", ["encode", "extract", "export"]),
        ("dac_lobe", "dac-lobe encode --mod", ["--model"]),
        ("evaluation", "dac-lobe-evaluate --met", ["--metrics"]),
    ],
)
def test_the_shell_completes(program, words, wanted):
    name = words.split()[0]
    asked = {
        f"_{name.replace('-', '_').upper()}_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-m", program],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == wanted


def test_a_full_disk_is_told_with_the_file_that_found_it_full():
    def work(task):
        raise OSError(28, "No space left on device")

    (outcome,) = run([Task(Path("a.wav"), Path("out/a.dac"))], work)
    assert outcome.reason == "out/a.dac: [Errno 28] No space left on device"
