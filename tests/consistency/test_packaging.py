"""What is installed: both packages with their data, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DATA = PROJECT["tool"]["setuptools"]["package-data"]


def tracked(*patterns: str) -> list[str]:
    """List files under version control; skips outside a checkout."""
    done = subprocess.run(
        ["git", "ls-files", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("not a git checkout")
    return done.stdout.splitlines()


def test_packages_are_listed():
    find = PROJECT["tool"]["setuptools"]["packages"]["find"]
    assert find == {"include": ["dac_lobe*", "evaluation*"], "namespaces": False}


def test_every_folder_with_modules_is_a_package():
    """A folder without __init__.py would be left out of the wheel without a word."""
    for path in tracked("dac_lobe/*.py", "evaluation/*.py"):
        assert (ROOT / path).with_name("__init__.py").exists(), path


@pytest.mark.parametrize("package", ["dac_lobe", "evaluation"])
def test_data_files_are_installed(package):
    for path in tracked(f"{package}/"):
        inside = path.removeprefix(f"{package}/")
        # The kernel's sources are compiled into the wheel instead.
        if not inside.endswith((".py", ".md", ".cpp", ".h")):
            assert any(fnmatch(inside, pattern) for pattern in DATA[package]), path


def test_weights_are_small():
    """The wheel stays small: the bundled model is at most 8 MB."""
    assets = [ROOT / path for path in tracked("dac_lobe/assets/*.safetensors")]
    assert all(path.stat().st_size <= 8_000_000 for path in assets)


def test_all_extra_is_every_extra():
    extras = PROJECT["project"]["optional-dependencies"]
    named = re.search(r"\[(.*)\]", *extras["all"]).group(1).split(",")
    assert set(named) == set(extras) - {"all"}


def test_every_requirement_is_pinned():
    """constraints.txt pins what pyproject.toml asks for, at a version it allows."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    pins = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, version = line.split("==")
            pins[canonicalize_name(name)] = version
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    asked = [
        *project["dependencies"],
        *(r for e in set(extras) - {"all"} for r in extras[e]),
    ]
    for requirement in map(Requirement, asked):
        pin = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(pin), f"{requirement} but {pin} is pinned"


def test_version_is_the_module_version():
    import dac_lobe

    assert "version" in PROJECT["project"]["dynamic"]
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", dac_lobe.__version__)
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"version: {dac_lobe.__version__}" in citation


@pytest.mark.slow
def test_wheel(tmp_path):
    """The wheel holds exactly the two packages, their data and the notices."""
    source = tmp_path / "source"
    for path in tracked():
        target = source / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / path).is_file():
            target.write_bytes((ROOT / path).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
        + ["--quiet", "--wheel-dir", tmp_path, source],
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"dac_lobe", "evaluation"}
    assert not [name for name in names if "/tests/" in name or "/recipes/" in name]
    ours = tracked("dac_lobe/", "evaluation/")
    sources = (".md", ".cpp", ".h")
    assert {name for name in ours if not name.endswith(sources)} <= set(names)
    assert any(name.endswith("licenses/NOTICE") for name in names)
