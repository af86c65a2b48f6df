"""What is released installs alone, without an extra, and encodes and decodes."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import soundfile
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
CLIP = ROOT / "demo" / "clips" / "english_man.flac"
pytestmark = pytest.mark.slow

# Makes what only extras ask for look as if it were not installed.
HIDE = """
import sys
from importlib.machinery import PathFinder

class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in {hidden!r}:
            return None
        return super().find_spec(name, path, target)

sys.meta_path = [Finder if f is PathFinder else f for f in sys.meta_path]
"""


def run(*command, cwd: Path, **environment: str) -> str:
    """Run a command, nothing of this checkout in its way; return what it prints."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**clean, "DAC_LOBE_OFFLINE": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def only_in_extras() -> set[str]:
    """Top-level modules of packages that an extra asks for and the core does not."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [canonicalize_name(Requirement(r).name) for r in project["dependencies"]]
    extras = {
        canonicalize_name(Requirement(requirement).name)
        for extra in project["optional-dependencies"].values()
        for requirement in extra
    }
    extras -= {*names, "dac-lobe"}
    # What the core's own requirements import, whatever extra names it as well.
    extras -= {"pyyaml", "setuptools", "pandas", "jinja2", "httpx"}
    return {
        module
        for module, owners in packages_distributions().items()
        if extras & set(map(canonicalize_name, owners))
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    pytest.importorskip("build", reason="the dev extra is not installed")
    files = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if files.returncode:
        pytest.skip("not a git checkout")
    source, output = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in files.stdout.splitlines():
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    # Sdist, then the wheel from the sdist.
    run(sys.executable, "-m", "build", "--no-isolation", "-o", output, cwd=source)
    return output


@pytest.fixture(scope="module")
def environment(built, tmp_path_factory) -> Path:
    """An environment with the wheel alone; its requirements are lent by this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    (wheel,) = built.glob("*.whl")
    run(
        python,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        wheel,
        cwd=folder,
    )
    site = run(
        python, "-c", "import site; print(site.getsitepackages()[0])", cwd=folder
    )
    lent = [path for path in sys.path if path.endswith("site-packages")]
    (Path(site.strip()) / "lent.pth").write_text("\n".join(lent))
    hide = HIDE.format(hidden=only_in_extras())
    (Path(site.strip()) / "sitecustomize.py").write_text(hide)
    return folder


def test_metadata(built):
    run(sys.executable, "-m", "twine", "check", "--strict", *built.iterdir(), cwd=built)


def test_sdist_is_whole(built):
    """It builds elsewhere (the wheel here came from it), and brings the notices."""
    (path,) = built.glob("*.tar.gz")
    names = {name.partition("/")[2] for name in tarfile.open(path).getnames()}
    for name in ("LICENSE", "NOTICE", "README.md", "pyproject.toml", "setup.py"):
        assert name in names
    native = ROOT / "dac_lobe" / "execution" / "native"
    kernel = {path.name for path in (*native.glob("*.h"), *native.glob("*.cpp"))}
    assert kernel
    assert {f"dac_lobe/execution/native/{name}" for name in kernel} <= names


@pytest.mark.skipif(sys.platform != "linux", reason="auditwheel reads ELF files")
def test_libraries(built):
    """The kernel needs nothing that a manylinux system does not have."""
    pytest.importorskip("auditwheel", reason="the dev extra is not installed")
    (wheel,) = built.glob("*.whl")
    if not any(name.endswith(".so") for name in zipfile.ZipFile(wheel).namelist()):
        pytest.skip("built without a compiler: there is no kernel in the wheel")
    text = run(sys.executable, "-m", "auditwheel", "show", wheel, cwd=built)
    assert "manylinux" in text


def test_it_is_the_wheel_that_runs(environment):
    code = "import dac_lobe; print(dac_lobe.__file__)"
    place = run(environment / "bin" / "python", "-c", code, cwd=environment)
    assert Path(place.strip()).is_relative_to(environment)


def test_extras_are_not_needed(environment, tmp_path):
    """Encode, decode and info, as after `pip install dac-lobe`."""
    command = environment / "bin" / "dac-lobe"
    packed, decoded = tmp_path / "talk.dac", tmp_path / "talk.wav"
    run(command, "encode", CLIP, "-o", packed, "-k", "4", cwd=tmp_path)
    run(command, "decode", packed, "-o", decoded, cwd=tmp_path)
    assert soundfile.info(decoded).frames == soundfile.info(CLIP).frames
    assert "16khz-small" in run(command, "info", packed, cwd=tmp_path)
    assert "12" in run(command, "info", "16khz-small", cwd=tmp_path)
    hidden = "import pystoi"
    with pytest.raises(AssertionError, match="No module named 'pystoi'"):
        run(environment / "bin" / "python", "-c", hidden, cwd=tmp_path)
