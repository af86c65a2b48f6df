"""The architecture: rooms in their order, and who may import what is heavy.

A room is a folder of a package, or a module at its root. It imports only rooms that
stand before it in `ORDER`: when it is loaded, inside functions, and for types alike.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
ORDER = {
    "dac_lobe": (
        "disk network execution weights audio container files dac tokenizer hance "
        "data tokens nnet hf encodec inference moved __init__ cli __main__"
    ).split(),
    "evaluation": (
        "errors recordings metrics systems running results report listening selftest "
        "metric_stats suite commands __init__ cli __main__"
    ).split(),
}
PACKAGES = tuple(ORDER)
MOST_FILES_AT_THE_ROOT = 8
# What of dac_lobe the evaluation may know; the last two need an optional package.
PUBLIC = {
    "dac_lobe",
    "dac_lobe.audio",
    "dac_lobe.data",
    "dac_lobe.encodec",
    "dac_lobe.hf",
}

# Packages that are heavy or optional, and who alone may import them.
RESERVED = {
    "speechbrain": ("dac_lobe.nnet", "dac_lobe.inference", "evaluation.metrics"),
    "transformers": (
        "dac_lobe.hf",
        "dac_lobe.encodec",
        "evaluation.metrics",
        "evaluation.systems.hf",
    ),
    "ray": ("dac_lobe.tokens",),
    "dac": ("evaluation.systems.descript",),
}
ONLY_LAZILY = {"dac", "matplotlib", "pesq", "pystoi", "ray", "torchaudio"}
NEVER = {"audiotools", "librosa", "recipes", "tests"}
NEED_EXTRAS = ("dac_lobe.hf", "dac_lobe.encodec")
# A user's own YAML asks for the first; the others need releases that clash with ours.
UNDECLARED = {"wandb", "dac", "pesqc2"}


def find_modules(package: str) -> dict[str, Path]:
    """Modules of a package by name; a package itself by its own."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


# A module that is one compiled file is not found by packages_distributions.
DISTRIBUTIONS = {"parselmouth": ["praat-parselmouth"], **packages_distributions()}
MODULES = {name: path for p in PACKAGES for name, path in find_modules(p).items()}


def imports(source: str) -> dict[str, bool]:
    """Every name that a module imports, and whether only inside a function.

    `import_package("name", ...)` is an import too.
    """
    found: dict[str, bool] = {}

    def visit(node: ast.AST, lazy: bool) -> None:
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            members = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else node.module for name in members]
        elif isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            name = getattr(node.args[0], "value", None)
            if called == "import_package" and isinstance(name, str):
                names = [name]
        for name in names:
            ours = name.partition(".")[0] in PACKAGES
            name = name if ours else name.partition(".")[0]
            if name not in sys.stdlib_module_names:
                found[name] = found.get(name, True) and lazy
        function = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
        for child in ast.iter_child_nodes(node):
            visit(child, lazy or isinstance(node, function))

    visit(ast.parse(source), lazy=False)
    return found


FOUND = {name: imports(path.read_text()) for name, path in MODULES.items()}
GRAPH = {
    name: {target for target in found if target in MODULES and target != name}
    for name, found in FOUND.items()
}


def within(module: str, packages: tuple[str, ...]) -> bool:
    """Whether a module is one of these, or inside one of them."""
    return any(module == name or module.startswith(f"{name}.") for name in packages)


def room(module: str) -> str:
    """The folder or root module that a module belongs to."""
    return (module.split(".") + ["__init__"])[1]


@pytest.mark.parametrize("package", ORDER)
def test_the_order_names_every_room(package):
    assert set(map(room, find_modules(package))) == set(ORDER[package])
    at_root = list((ROOT / package).glob("*.py"))
    assert len(at_root) <= MOST_FILES_AT_THE_ROOT


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module):
    package = module.partition(".")[0]
    order = ORDER[package]
    for target in GRAPH[module]:
        if target.partition(".")[0] == package and room(target) != room(module):
            assert order.index(room(target)) < order.index(room(module)), target


def test_no_circle():
    """No module leads back to itself: lazy imports and those for types counted."""
    try:
        TopologicalSorter(GRAPH).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


@pytest.mark.parametrize("module", MODULES)
def test_packages_are_where_they_belong(module):
    names = set(FOUND[module])
    for package, homes in RESERVED.items():
        assert package not in names or within(module, homes), package
    assert not names & NEVER
    assert not {name for name in names & ONLY_LAZILY if not FOUND[module][name]}
    if within(module, ("dac_lobe",)):
        assert not any(within(name, ("evaluation",)) for name in names)
    else:
        assert {name for name in names if within(name, ("dac_lobe",))} <= PUBLIC


@pytest.mark.parametrize("module", MODULES)
def test_packages_are_declared(module):
    """What is imported is a requirement; for dac_lobe itself, one without an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    core = project["dependencies"]
    extras = sum(project["optional-dependencies"].values(), [])
    core_alone = within(module, ("dac_lobe",)) and not within(module, NEED_EXTRAS)
    for package, lazy in FOUND[module].items():
        if package in UNDECLARED or package.partition(".")[0] in PACKAGES:
            continue
        allowed = core if core_alone and not lazy else core + extras
        declared = {canonicalize_name(Requirement(text).name) for text in allowed}
        names = [package, *DISTRIBUTIONS.get(package, [])]
        assert declared & set(map(canonicalize_name, names)), package


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import os, torch.nn as nn", {"torch": False}),
        ("from dac_lobe.network import layers", {"dac_lobe.network.layers": False}),
        (
            "from dac_lobe.network.layers import snake",
            {"dac_lobe.network.layers": False},
        ),
        ("from dac_lobe import DAC", {"dac_lobe": False}),
        ("def f():\n    import ray", {"ray": True}),
        ("import ray\ndef f():\n    import ray", {"ray": False}),
        ("class A:\n    import ray", {"ray": False}),
        ("if TYPE_CHECKING:\n    import ray", {"ray": False}),
        ("ray = import_package('ray.data', 'ray')", {"ray": False}),
        ("def f():\n    return m.import_package('ray', 'ray').x", {"ray": True}),
        ("def f(name):\n    return import_package(name, name)", {}),
    ],
)
def test_the_collector(source, expected):
    """The collector itself, on statements whose meaning is known."""
    assert imports(source) == expected
