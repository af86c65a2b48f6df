"""The set-up moves torchaudio's libraries aside exactly when they cannot load."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "set_torchaudio_aside.py"
set_aside = runpy.run_path(str(SCRIPT))["set_aside"]

LINKED = b"\x7fELF...libc10.so\0libc10_cuda.so\0..."
UNLINKED = b"\x7fELF...libc10.so\0..."


def environment(root: Path, cuda: str | None, hip: str | None, *contents: bytes):
    """Make a site-packages folder with a torch and a torchaudio of these builds."""
    (root / "torch").mkdir()
    (root / "torch" / "version.py").write_text(f"cuda = {cuda!r}\nhip = {hip!r}\n")
    lib = root / "torchaudio" / "lib"
    lib.mkdir(parents=True)
    (lib / "__init__.py").touch()
    for index, content in enumerate(contents):
        (lib / f"{index}.so").write_bytes(content)
    return lib


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.so"))


def test_cpu_torch_moves_all_libraries(tmp_path):
    lib = environment(tmp_path, None, None, UNLINKED, LINKED)
    moved = set_aside(tmp_path)
    assert moved == [lib / "set_aside" / "0.so", lib / "set_aside" / "1.so"]
    assert names(lib) == []
    assert (lib / "set_aside" / "1.so").read_bytes() == LINKED
    assert (lib / "__init__.py").exists()


def test_again_after_a_reinstallation(tmp_path):
    lib = environment(tmp_path, None, None, LINKED)
    set_aside(tmp_path)
    assert set_aside(tmp_path) == []
    (lib / "0.so").write_bytes(LINKED + b"newer")
    assert len(set_aside(tmp_path)) == 1
    assert (lib / "set_aside" / "0.so").read_bytes() == LINKED + b"newer"


@pytest.mark.parametrize(
    ("cuda", "hip", "content"),
    [("12.8", None, LINKED), (None, "6.4", LINKED), (None, None, UNLINKED)],
    ids=["cuda torch", "rocm torch", "cpu torchaudio"],
)
def test_touches_nothing_that_loads(tmp_path, cuda, hip, content):
    lib = environment(tmp_path, cuda, hip, content)
    assert set_aside(tmp_path) == []
    assert names(lib) == ["0.so"]
    assert not (lib / "set_aside").exists()


def test_nothing_installed(tmp_path):
    assert set_aside(tmp_path) == []


def test_refuses_outside_a_virtual_environment():
    base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    if not base.is_file():
        pytest.skip(f"no interpreter at {base}")
    done = subprocess.run(
        [base, SCRIPT], capture_output=True, text=True, env={}, check=False
    )
    assert done.returncode == 1
    assert "not in a virtual environment" in done.stderr


def test_torchaudio_loads_here():
    """After the set-up, what SpeechBrain imports can be imported."""
    subprocess.run([sys.executable, "-c", "import torchaudio"], check=True)
