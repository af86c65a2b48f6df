"""Public names: what a module offers is what ``__all__`` says, and starts fast."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    path
    for package in ("dac_lobe", "evaluation")
    for path in (ROOT / package).rglob("*.py")
    if path.name not in ("__init__.py", "__main__.py")
)
NAMES = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in FILES]
DROP_IN = {
    "DAC",
    "Decoder",
    "DecoderBlock",
    "Encoder",
    "EncoderBlock",
    "ResidualUnit",
    "ResidualVectorQuantize",
    "Snake1d",
    "VectorQuantize",
    "WNConv1d",
    "WNConvTranspose1d",
    "download",
    "init_weights",
    "snake",
}
HEAVY = {"torch", "torchaudio", "transformers", "speechbrain", "numpy", "pandas"}


def loaded_after(statement: str) -> set[str]:
    """Run a statement in a fresh interpreter; return the packages it loaded."""
    code = (
        f"{statement}\nimport sys; print(*{{m.partition('.')[0] for m in sys.modules}})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split("\n")[-2].split())


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_all_is_complete(path):
    """Every public class and function is listed, and nothing that is not there.

    Ruff keeps the order (RUF022).
    """
    tree = ast.parse(path.read_text())
    exported = None
    defined, bound = set(), set()
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            defined.add(node.name)
        elif isinstance(node, ast.Assign):
            bound.update(t.id for t in node.targets if isinstance(t, ast.Name))
            if any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
                exported = ast.literal_eval(node.value)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            bound.add(node.target.id)
        elif isinstance(node, ast.ImportFrom):
            bound.update(alias.asname or alias.name for alias in node.names)
    assert exported is not None, "no __all__"
    assert len(exported) == len(set(exported))
    assert set(exported) <= defined | bound
    missing = {name for name in defined if not name.startswith("_")} - set(exported)
    assert not missing, f"public but not in __all__: {sorted(missing)}"


@pytest.mark.parametrize("package", ["dac_lobe", "evaluation"])
def test_package_names_resolve(package):
    module = importlib.import_module(package)
    assert list(module.__all__) == sorted(set(module.__all__))
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert set(module.__all__) <= set(dir(module))


@pytest.mark.parametrize("package", ["dac_lobe", "evaluation"])
def test_type_checkers_see_every_public_name(package):
    """What is imported for types is what the package gives when asked."""
    module = importlib.import_module(package)
    tree = ast.parse(Path(module.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.asname: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == module._HOME


def test_drop_in_names():
    """Everything that SpeechBrain's lobe offers is here under its name."""
    import dac_lobe

    assert set(dac_lobe.__all__) >= DROP_IN


def test_unknown_name():
    import dac_lobe

    with pytest.raises(AttributeError, match="no attribute 'DAK'"):
        _ = dac_lobe.DAK


@pytest.mark.parametrize("package", ["dac_lobe", "evaluation"])
def test_import_is_light(package):
    assert not loaded_after(f"import {package}") & HEAVY


@pytest.mark.parametrize("module", ["report", "report.board", "listening.page"])
def test_only_what_draws_loads_matplotlib(module):
    """Boards and listening tests have no picture of it."""
    assert "matplotlib" not in loaded_after(f"import evaluation.{module}")


def test_the_codec_needs_only_torch():
    """Nor does using the lobe load what other faces need."""
    loaded = loaded_after("import dac_lobe; dac_lobe.DAC")
    assert "torch" in loaded
    assert not loaded & {"torchaudio", "transformers", "speechbrain", "pandas", "ray"}
