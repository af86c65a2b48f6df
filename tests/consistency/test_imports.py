"""Who may import whom. The table below is the architecture diagram.

A room is a group of modules with one task. `imports` names the rooms and packages
that its modules may import when they are loaded: rooms above it only, so there is no
way back down. `later` names what its functions import when they are called, to start
fast or because a package is optional; that may point anywhere. Inside a room imports
are free of cycles. The standard library is free. A module without a room fails, and
so does an entry that nothing uses.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
OURS = ("dac_lobe", "evaluation")


class Room(NamedTuple):
    """A row of the table; names are separated by blanks."""

    modules: str
    imports: str = ""
    later: str = ""


ROOMS = {
    "face": Room("dac_lobe"),
    "disk": Room("dac_lobe.atomic dac_lobe.folders dac_lobe.opening"),
    "variants": Room("dac_lobe.variants"),
    "network": Room(
        "dac_lobe.receptive_field dac_lobe.checks dac_lobe.layers dac_lobe.lengths"
        " dac_lobe.outputs dac_lobe.encoder dac_lobe.decoder dac_lobe.vector_quantizer"
        " dac_lobe.quantizer dac_lobe.ties dac_lobe.dac",
        imports="torch",
        later="weights length files",
    ),
    "length": Room(
        "dac_lobe.chunked dac_lobe.streaming",
        imports="network torch",
    ),
    "weights": Room(
        "dac_lobe.layouts dac_lobe.weight_file dac_lobe.checkpoint dac_lobe.fingerprint"
        " dac_lobe.record dac_lobe.transfer dac_lobe.fetch dac_lobe.pretrained",
        imports="disk variants filelock numpy requests safetensors torch tqdm",
        later="fast huggingface_hub",
    ),
    "fast": Room(
        "dac_lobe.fast",
        imports="network numpy torch",
    ),
    "audio": Room(
        "dac_lobe.resample dac_lobe.audio dac_lobe.loudness",
        imports="disk numpy soundfile soxr",
        later="scipy",
    ),
    "container": Room(
        "dac_lobe.bitpacking dac_lobe.header dac_lobe.framing dac_lobe.packed_reader"
        " dac_lobe.packed_writer dac_lobe.container dac_lobe.pickled dac_lobe.legacy",
        imports="disk numpy",
    ),
    "files": Room(
        "dac_lobe.audio_codes dac_lobe.codes_audio dac_lobe.files"
        " dac_lobe.legacy_files dac_lobe.completion dac_lobe.hance",
        imports="disk network length weights audio container numpy safetensors torch",
    ),
    "tokenizer": Room(
        "dac_lobe.tokenizer",
        imports="network torch",
    ),
    "hf": Room(
        "dac_lobe.hf",
        imports="network weights numpy torch transformers",
    ),
    "encodec": Room(
        "dac_lobe.encodec",
        imports="network weights audio container disk numpy safetensors torch"
        " transformers",
    ),
    "corpora": Room(
        "dac_lobe.data",
        imports="disk audio numpy soundfile torch",
    ),
    "tokens": Room(
        "dac_lobe.tokens",
        imports="disk network weights audio corpora numpy safetensors torch",
        later="pyarrow ray",
    ),
    "nnet": Room(
        "dac_lobe.nnet",
        imports="network tokens numpy speechbrain torch",
        later="wandb",
    ),
    "inference": Room(
        "dac_lobe.inference dac_lobe.export",
        imports="disk network weights audio corpora ruamel speechbrain torch",
    ),
    "cli": Room(
        "dac_lobe.cli dac_lobe.__main__",
        imports="face disk rich typer",
        later="variants network weights fast container files tokens inference torch",
    ),
    # Of dac_lobe the evaluation sees the face alone.
    "evaluation": Room("evaluation"),
    "metrics": Room(
        "evaluation.metrics evaluation.clips evaluation.domain",
        imports="numpy",
        later="scipy soundfile soxr torch",
    ),
    "systems": Room(
        "evaluation.systems",
        imports="metrics numpy",
        later="face encodec soundfile torch",
    ),
    "runner": Room(
        "evaluation.jobs evaluation.scoring evaluation.cache evaluation.pool"
        " evaluation.runner",
        imports="metrics systems numpy",
    ),
    "results": Room(
        "evaluation.rates evaluation.statistics evaluation.curves evaluation.differences"
        " evaluation.definitions evaluation.tables evaluation.writers evaluation.suite"
        " evaluation.compare evaluation.metric_stats evaluation.selftest",
        imports="metrics systems runner numpy pandas",
        later="face report scipy soundfile",
    ),
    "report": Room(
        "evaluation.plots evaluation.listening evaluation.report",
        imports="metrics systems runner results matplotlib numpy",
        later="jinja2 scipy soundfile",
    ),
    "evaluation-cli": Room(
        "evaluation.cli evaluation.__main__",
        imports="typer",
        later="metrics runner results rich",
    ),
}

# Who alone may import a package that is heavy or optional (nothing imports dac_lobe.hf
# and dac_lobe.encodec but their users), and what is never imported when a module is
# loaded. A row of the table cannot widen this.
RESERVED = {
    "speechbrain": ("dac_lobe.nnet", "dac_lobe.inference", "dac_lobe.export"),
    "transformers": ("dac_lobe.hf", "dac_lobe.encodec"),
    "ray": ("dac_lobe.tokens",),
}
ONLY_LAZILY = {"pesq", "pystoi", "ray", "torchaudio"}
# What evaluation may know of dac_lobe; the last two need an optional package.
FACES = {"dac_lobe", "dac_lobe.encodec", "dac_lobe.hf"}
# Modules of dac_lobe that only an extra makes importable, and packages that only a
# user's own YAML asks for.
NEED_EXTRAS = ("dac_lobe.hf", "dac_lobe.encodec")
UNDECLARED = ("wandb",)
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
DISTRIBUTIONS = packages_distributions()


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


def room_of(module: str) -> str | None:
    """Find a module's room; only packages' own rows do not cover what is inside."""
    for name, room in ROOMS.items():
        for entry in room.modules.split():
            inside = entry not in OURS and module.startswith(f"{entry}.")
            if module == entry or inside:
                return name
    return None


HOMES = {module: room_of(module) for module in MODULES}


def named(text: str) -> set[str]:
    """Split an entry of a row."""
    return set(text.split())


def rooms_and_packages(names: set[str], room: str) -> set[str]:
    """Replace our modules by their rooms; leave the own room out."""
    return {HOMES[name] if name in MODULES else name for name in names} - {room}


def test_every_module_has_a_room():
    homeless = sorted(module for module, room in HOMES.items() if room is None)
    assert not homeless, "give them a place in ROOMS"


def test_every_entry_is_a_module():
    entries = {entry for room in ROOMS.values() for entry in room.modules.split()}
    assert entries <= set(MODULES)


def test_rooms_import_only_rooms_above():
    above: set[str] = set()
    for name, room in ROOMS.items():
        below = (named(room.imports) & set(ROOMS)) - above
        assert not below, f"{name} imports {sorted(below)}, which stand below it"
        above.add(name)


def test_no_cycles():
    """Not inside a room either. A package is loaded by what is inside it, so only
    the imports that are written count."""
    order = TopologicalSorter({name: FOUND[name].loaded for name in MODULES})
    order.prepare()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_what_its_room_may(module):
    room = HOMES[module]
    assert room is not None
    loaded = rooms_and_packages(FOUND[module].loaded, room)
    assert not loaded - named(ROOMS[room].imports), f"not allowed when {room} is loaded"
    lazy = rooms_and_packages(FOUND[module].lazy - FOUND[module].loaded, room)
    allowed = named(ROOMS[room].imports) | named(ROOMS[room].later)
    assert not lazy - allowed, f"not allowed in {room}"


@pytest.mark.parametrize("room", ROOMS)
def test_no_stale_entries(room):
    """What a row allows is used by some module of the room."""
    inside = [FOUND[module] for module, home in HOMES.items() if home == room]
    loaded = set().union(*(found.loaded for found in inside))
    lazy = set().union(*(found.lazy for found in inside))
    assert named(ROOMS[room].imports) <= rooms_and_packages(loaded, room)
    assert named(ROOMS[room].later) <= rooms_and_packages(lazy, room)
    assert not named(ROOMS[room].imports) & named(ROOMS[room].later)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_reserved_packages(module):
    """Heavy and optional packages are imported where they belong."""
    loaded, lazy = FOUND[module]
    for package, homes in RESERVED.items():
        assert package not in loaded | lazy or within(module, homes), package
    assert not loaded & ONLY_LAZILY
    assert not (loaded | lazy) & NEVER


@pytest.mark.parametrize("module", sorted(MODULES))
def test_packages_are_declared(module):
    """What is imported is a requirement; for dac_lobe itself, one without an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    core = project["dependencies"]
    extras = sum(project["optional-dependencies"].values(), [])
    needs_extra = not within(module, ("dac_lobe",)) or within(module, NEED_EXTRAS)
    for packages, requirements in (
        (FOUND[module].loaded, core + extras if needs_extra else core),
        (FOUND[module].lazy, [*core, *extras, *UNDECLARED]),
    ):
        declared = {canonicalize_name(Requirement(text).name) for text in requirements}
        for package in packages - set(MODULES):
            names = [package, *DISTRIBUTIONS.get(package, [])]
            assert declared & set(map(canonicalize_name, names)), package


@pytest.mark.parametrize("module", sorted(MODULES))
def test_packages_keep_apart(module):
    """dac_lobe knows nothing of evaluation, which knows only its public faces."""
    both = FOUND[module].loaded | FOUND[module].lazy
    if within(module, ("dac_lobe",)):
        assert not {name for name in both if within(name, ("evaluation",))}
    else:
        assert {name for name in both if within(name, ("dac_lobe",))} <= FACES


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
