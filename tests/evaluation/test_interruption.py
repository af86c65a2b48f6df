"""A run that is killed, and started again, ends with the same bytes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy_recordings import make_clips

COMMAND = [
    sys.executable, "-m", "evaluation", "--model", "toy_systems:Rounding",
    "--codebooks", "1,2,4", "--metrics", "stoi,estoi,mel_dac7,si_sdr,pesq_nb",
    "--baseline", "opus:1.0/0.95,resample", "--workers", "2",
]  # fmt: skip
ROOT = Path(__file__).parents[2]


def start(clips: Path, output: Path) -> subprocess.Popen:
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    return subprocess.Popen(
        [*COMMAND, str(clips), "--output", str(output)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell's background jobs ignore Ctrl-C, and their children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def scored(output: Path) -> int:
    """Lines of scores on disk."""
    shards = (output / "cache").glob("scores-*.jsonl")
    return sum(shard.read_bytes().count(b"\n") for shard in shards)


def children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return (
        [int(child) for child in listed.read_text().split()] if listed.exists() else []
    )


def alive(pid: int) -> bool:
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    except OSError:
        return False


def wait_for(condition, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def finish(clips: Path, output: Path) -> None:
    process = start(clips, output)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors


def same_numbers(first: Path, second: Path) -> None:
    for one in sorted(first.glob("*")):
        if one.suffix in (".csv", ".md", ".tex") or one.name == "definitions.json":
            assert one.read_bytes() == (second / one.name).read_bytes(), one.name


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Recordings that no test here changes."""
    return make_clips(tmp_path_factory.mktemp("recordings") / "clips")


@pytest.fixture(scope="module")
def undisturbed(clips, tmp_path_factory):
    """What a run writes that nobody disturbs."""
    output = tmp_path_factory.mktemp("undisturbed") / "out"
    finish(clips, output)
    return output


@pytest.mark.parametrize(
    "kills", [2, pytest.param(10, marks=pytest.mark.slow)], ids=lambda n: f"{n} kills"
)
def test_killed_and_started_again(clips, tmp_path, undisturbed, kills):
    output = tmp_path / "killed"
    cells = scored(undisturbed)
    draw = random.Random(kills)
    for _ in range(kills):
        before = scored(output)
        process = start(clips, output)
        goal = min(cells - 1, before + draw.randint(0, max(1, cells // kills)))
        wait_for(lambda g=goal, p=process: scored(output) >= g or p.poll() is not None)
        workers = children(process.pid)
        process.kill()
        process.communicate()
        wait_for(lambda w=workers: not any(map(alive, w)), 60)
    finish(clips, output)
    same_numbers(undisturbed, output)
    assert scored(output) >= cells


def test_ctrl_c_leaves_a_state_to_go_on_from(clips, tmp_path, undisturbed):
    output = tmp_path / "interrupted"
    process = start(clips, output)
    wait_for(lambda: scored(output) >= 5 or process.poll() is not None)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "goes on where it was" in errors
    assert "Traceback" not in errors
    finish(clips, output)
    same_numbers(undisturbed, output)


@pytest.mark.skipif(os.name != "posix", reason="limits file sizes, as POSIX can")
def test_no_space_left(clips, tmp_path, undisturbed):
    """A disk that fills up is an error in one line, and the next run goes on."""
    output = tmp_path / "full"
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, -1))\n"
        "from evaluation.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    done = subprocess.run(
        [sys.executable, "-c", code, *COMMAND[3:], str(clips), "--output", str(output)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "File too large" in done.stderr
    finish(clips, output)
    same_numbers(undisturbed, output)
