"""The native kernel without Python: built and run for this processor, and for ARM."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Path(__file__).with_name("native_selftest.cpp")
NATIVE = ROOT / "dac_lobe" / "execution" / "native"


def found(*commands: str) -> list[str]:
    """Return the first of some commands that is there, in words; skip without one."""
    for command in commands:
        words = shlex.split(command)
        if words and shutil.which(words[0]):
            return words
    pytest.skip(f"not installed: {' or '.join(filter(None, commands))}")


def build(compiler: list[str], program: Path, *flags: str) -> None:
    warnings = ["-Wall", "-Wextra", "-Werror"]
    command = [*compiler, "-std=c++17", "-O2", *warnings, *flags, f"-I{NATIVE}"]
    command += [str(SOURCE), "-o", str(program), "-pthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def passes(*command: str | Path) -> str:
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_on_this_processor(tmp_path):
    build(found(os.environ.get("CXX", ""), "g++", "clang++"), tmp_path / "selftest")
    assert " 60 cases, " in passes(tmp_path / "selftest", 20)


def test_on_an_emulated_arm_processor(tmp_path):
    compiler = found("aarch64-linux-gnu-g++")
    emulator = found("qemu-aarch64", "qemu-aarch64-static")
    build(compiler, tmp_path / "selftest", "-static")
    assert passes(*emulator, tmp_path / "selftest", 8).startswith("neon: 24 cases, ")


def test_a_wrong_kernel_does_not_pass(tmp_path):
    compiler = found(os.environ.get("CXX", ""), "g++", "clang++")
    wrong = tmp_path / "winograd.h"
    right = (NATIVE / "winograd.h").read_text()
    wrong.write_text(right.replace("-6.25f", "-6.2f"))
    assert wrong.read_text() != right
    for header in NATIVE.glob("*.[hc]*"):
        if not (tmp_path / header.name).exists():
            shutil.copy(header, tmp_path)
    build([*compiler, f"-I{tmp_path}"], tmp_path / "selftest", "-O1")
    done = subprocess.run([tmp_path / "selftest"], capture_output=True, check=False)
    assert done.returncode == 1
    assert b"residual unit, " in done.stdout
