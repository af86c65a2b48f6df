"""What make would do, asked with ``make -n`` in a copy that has no environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = ("Makefile", "pyproject.toml", "setup.py", "constraints.txt")

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="make is not here")


@pytest.fixture
def copy(tmp_path):
    """A checkout with only what the rules look at."""
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "set_torchaudio_aside.py", tmp_path / "scripts")
    return tmp_path


def plan(folder: Path, *arguments: str) -> str:
    """List the commands that make would run."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MAKEFLAGS", "MAKELEVEL", "TORCH_INDEX", "AUDIO", "PYTEST_ARGS")
    }
    return subprocess.run(
        ["make", "-n", *arguments],
        cwd=folder,
        env=clean,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def installed(folder: Path, what: str) -> Path:
    """Pretend that an installation has finished."""
    (folder / ".venv" / "bin").mkdir(parents=True, exist_ok=True)
    (folder / ".venv" / "bin" / "python").touch()
    stamp = folder / ".venv" / f".installed-{what}"
    stamp.touch()
    later = time.time() + 10
    os.utime(stamp, (later, later))
    return stamp


def test_first_demo_installs_under_the_pins(copy):
    commands = plan(copy, "demo")
    assert "-m venv .venv" in commands
    assert 'pip install -c constraints.txt  -e ".[evaluation]"' in commands
    assert commands.index("pip install") < commands.index("set_torchaudio_aside.py")
    assert commands.index("set_torchaudio_aside.py") < commands.index("demo.py")


@pytest.mark.parametrize("target", ["test", "test-all", "check", "demo"])
def test_second_time_installs_nothing(copy, target):
    installed(copy, "all")
    commands = plan(copy, target)
    assert "pip" not in commands
    assert "venv .venv" not in commands


def test_test_after_demo_installs_every_extra(copy):
    installed(copy, "demo")
    assert '".[all]"' in plan(copy, "test")


@pytest.mark.parametrize("name", FILES[1:])
def test_a_changed_requirement_installs_again(copy, name):
    stamp = installed(copy, "all")
    later = stamp.stat().st_mtime + 10
    os.utime(copy / name, (later, later))
    assert "pip install" in plan(copy, "test")


def test_options(copy):
    assert "--extra-index-url somewhere" in plan(copy, "demo", "TORCH_INDEX=somewhere")
    assert "extra-index-url" not in plan(copy, "demo")
    assert '"my talks"' in plan(copy, "demo", "AUDIO=my talks")


def test_marks(copy):
    installed(copy, "all")
    assert '-m "not slow and not network and not gpu"' in plan(copy, "test")
    assert '-m "not network"' in plan(copy, "test-all")
