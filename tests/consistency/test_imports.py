"""Who may import whom. The table is the architecture diagram.

Read a row as "this module may import these". Imports go up the table, never down:
a row names only modules above it. What a function imports when it is called (to
start fast, or because the package is optional) stands in LAZY and may point
anywhere. The standard library is free. A module without a row fails.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = ("dac_lobe", "evaluation")

TABLE: dict[str, set[str]] = {
    # The network, in the order of the paper
    "dac_lobe": set(),
    "dac_lobe.receptive_field": {"torch"},
    "dac_lobe.layers": {"torch", "dac_lobe.receptive_field"},
    "dac_lobe.encoder": {"torch", "dac_lobe.layers"},
    "dac_lobe.decoder": {"torch", "dac_lobe.layers"},
    "dac_lobe.quantizer": {"torch", "dac_lobe.layers"},
    "dac_lobe.checks": {"torch"},
    "dac_lobe.outputs": {"torch"},
    "dac_lobe.dac": {
        "torch",
        "dac_lobe.checks",
        "dac_lobe.decoder",
        "dac_lobe.encoder",
        "dac_lobe.layers",
        "dac_lobe.outputs",
        "dac_lobe.quantizer",
    },
    # Any length, any batch
    "dac_lobe.chunked": {
        "torch",
        "dac_lobe.checks",
        "dac_lobe.layers",
        "dac_lobe.receptive_field",
    },
    "dac_lobe.streaming": {"torch", "dac_lobe.checks", "dac_lobe.chunked"},
    "dac_lobe.tokenizer": {"torch", "dac_lobe.checks", "dac_lobe.dac"},
}

LAZY: dict[str, set[str]] = {
    "dac_lobe.dac": {
        "dac_lobe.checkpoint",
        "dac_lobe.chunked",
        "dac_lobe.fetch",
        "dac_lobe.files",
        "dac_lobe.streaming",
    },
}

# Who alone may import a package that is heavy or optional, and whether at the top of
# the file. A row of the table cannot widen this.
RESERVED = {
    "speechbrain": ("dac_lobe.tokenizer", "dac_lobe.nnet", "evaluation"),
    "transformers": ("dac_lobe.hf", "dac_lobe.encodec"),
    "ray": ("dac_lobe.tokens",),
}
ONLY_LAZILY = {"pesq", "pystoi", "ray", "torchaudio", "transformers"}
NEVER = {"audiotools", "dac", "librosa", "recipes", "tests"}


class Imports(NamedTuple):
    """What one module imports when it is loaded, and what its functions do later."""

    loaded: set[str]
    lazy: set[str]


def modules() -> dict[str, Path]:
    """Find every module of both packages."""
    found = {}
    for package in OURS:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            found[".".join(parts)] = path
    return found


MODULES = modules()


def targets(node: ast.stmt, module: str) -> Iterator[str]:
    """Name what an import statement loads: our module, or a package's first name."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        base = node.module or ""
        if node.level:
            package = module.split(".")
            is_package = MODULES.get(module, Path()).name == "__init__.py"
            package = package[: len(package) - node.level + is_package]
            base = ".".join([*package, base]) if base else ".".join(package)
        submodules = [f"{base}.{alias.name}" for alias in node.names]
        names = [name if name in MODULES else base for name in submodules]
    for name in names:
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names:
            yield name if top in OURS else top


def is_type_checking(node: ast.AST) -> bool:
    """Recognise ``if TYPE_CHECKING:``, which never runs."""
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def imports(module: str, source: str) -> Imports:
    """Collect a module's imports."""
    found = Imports(set(), set())

    def visit(node: ast.AST, lazy: bool) -> None:
        if is_type_checking(node):
            return
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            (found.lazy if lazy else found.loaded).update(targets(node, module))
        lazy = lazy or isinstance(
            node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
        )
        for child in ast.iter_child_nodes(node):
            visit(child, lazy)

    visit(ast.parse(source), lazy=False)
    found.loaded.discard(module)
    found.lazy.discard(module)
    return found


FOUND = {name: imports(name, path.read_text()) for name, path in MODULES.items()}


def within(module: str, packages: tuple[str, ...]) -> bool:
    """Say whether a module is one of these, or inside one of them."""
    return any(module == name or module.startswith(f"{name}.") for name in packages)


def test_every_module_has_a_row():
    assert set(MODULES) == set(TABLE)


def test_rows_point_up():
    """The table is in order, so there are no cycles."""
    above: set[str] = set()
    for module, allowed in TABLE.items():
        down = {name for name in allowed if within(name, OURS)} - above
        assert not down, f"{module} stands above {sorted(down)}, which it imports"
        above.add(module)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_what_its_row_says(module):
    """Neither more, nor a stale entry."""
    assert FOUND[module].loaded == TABLE.get(module, set())


@pytest.mark.parametrize("module", sorted(MODULES))
def test_lazy_imports_are_listed(module):
    lazy = FOUND[module].lazy - FOUND[module].loaded
    assert lazy == LAZY.get(module, set())


@pytest.mark.parametrize("module", sorted(MODULES))
def test_reserved_packages(module):
    """Heavy and optional packages are imported where they belong."""
    loaded, lazy = FOUND[module]
    for package, homes in RESERVED.items():
        assert package not in loaded | lazy or within(module, homes), package
    assert not loaded & ONLY_LAZILY
    assert not (loaded | lazy) & NEVER


@pytest.mark.parametrize("module", sorted(MODULES))
def test_packages_keep_apart(module):
    """dac_lobe knows nothing of evaluation, which knows only its public face."""
    both = FOUND[module].loaded | FOUND[module].lazy
    if within(module, ("dac_lobe",)):
        assert not {name for name in both if within(name, ("evaluation",))}
    else:
        assert {name for name in both if within(name, ("dac_lobe",))} <= {"dac_lobe"}


@pytest.mark.parametrize(
    ("source", "loaded", "lazy"),
    [
        ("import os, torch.nn as nn", {"torch"}, set()),
        ("from dac_lobe.layers import snake", {"dac_lobe.layers"}, set()),
        ("from dac_lobe import layers", {"dac_lobe.layers"}, set()),
        ("from dac_lobe import DAC", {"dac_lobe"}, set()),
        ("from .layers import snake", {"dac_lobe.layers"}, set()),
        ("from . import layers", {"dac_lobe.layers"}, set()),
        ("try:\n    import ray\nexcept ImportError:\n    ray = None", {"ray"}, set()),
        ("def f():\n    import ray", set(), {"ray"}),
        ("class A:\n    import ray", {"ray"}, set()),
        ("if TYPE_CHECKING:\n    import ray", set(), set()),
    ],
)
def test_collector(source, loaded, lazy):
    """The collector itself, on statements whose meaning is known."""
    assert imports("dac_lobe.dac", source) == (loaded, lazy)
