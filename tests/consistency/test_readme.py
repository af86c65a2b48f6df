"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")])


def blocks(language: str) -> list[str]:
    """Take the fenced blocks of a language out of the README."""
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize("block", blocks("python"))
def test_python(block, tmp_path, monkeypatch):
    """The ten lines run, and both ways give back the whole recording."""
    import soundfile

    shutil.copy(ROOT / "demo" / "clips" / "english_man.flac", tmp_path / "talk.flac")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(block, "README.md", "exec"), names)
    assert names["again"].shape == names["wav"].shape
    written, rate = soundfile.read("talk.wav")
    assert (written.size, rate) == (names["wav"].numel(), 16000)
    assert len(block.strip().splitlines()) <= 12


@pytest.mark.parametrize("block", blocks("yaml"))
def test_yaml(block):
    """The YAML loads, and its comments tell the truth."""
    import torch
    from hyperpyyaml import load_hyperpyyaml

    hparams = load_hyperpyyaml(block)
    wavs, lengths = torch.randn(2, 1600) / 10, torch.tensor([1.0, 0.5])
    tokens = hparams["codec"].sig_to_tokens(wavs, lengths)
    assert tokens.shape == (2, 5, hparams["num_codebooks"])
    assert hparams["codec"].tokens_to_sig(tokens, lengths).shape[0] == 2


def test_commands():
    """Every target of make and every subcommand that is shown exists."""
    shown = "\n".join(blocks("sh"))
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\S+)", shown, flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
    from typer.main import get_command

    from dac_lobe.cli import app

    known = set(get_command(app).commands)
    assert set(re.findall(r"^dac-lobe (\w+)", shown, flags=re.MULTILINE)) <= known


def test_model_pages():
    """Every official variant has a section, and its numbers are those of the table."""
    from dac_lobe.weights.variants import VARIANTS

    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.M))
    official = {name: row for name, row in VARIANTS.items() if not row.bundled}
    assert set(sections) == set(official)
    for name, row in official.items():
        about, rates = sections[name].split("| codebooks | 1 |")
        facts = dict(re.findall(r"^\| ([^|]+?) \| (.+?) \|$", about, re.M))
        rate, hop = f"{row.frame_rate:.2f}", row.hop_length
        assert facts["frames per second"] == f"{rate} (hop {hop})"
        assert facts["codebooks"].startswith(f"{row.n_codebooks} x {row.codebook_size}")
        assert facts["parameters"] == f"{row.parameters:,}"
        assert facts["released file"] == f"`{row.asset}`, release {row.tag}"
        assert (row.hub_id or "none") in facts["copy on the hub"]
        assert facts["delay of the raw output"].startswith(f"{row.delay} samples")
        counts, _, kbps = rates.strip().splitlines()
        counts = [1, *map(int, counts.strip(" |").split("|"))]
        kbps = [float(cell) for cell in kbps.strip(" |").split("|")[1:]]
        assert kbps == [
            pytest.approx(row.kbps * count / row.n_codebooks, abs=0.006)
            for count in counts
        ]
        assert counts[-1] == row.n_codebooks


def test_nothing_needs_what_outsiders_lack():
    """No page or script but tests and this sends anybody to recordings of ours."""
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")] + [
        path
        for folder in ("recipes", "benchmarks", "scripts", "examples", "notebooks")
        for path in (ROOT / folder).rglob("*.*")
        if path.suffix in (".md", ".py", ".yaml") and "output" not in path.parts
    ]:
        assert "shared/audio" not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links(page):
    """Links to files of the project lead somewhere."""
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize(
    "page", [*PAGES, *ROOT.glob("*/README.md"), *ROOT.glob("recipes/*/README.md")],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)  # fmt: skip
def test_files_that_are_named_exist(page):
    """Paths from the root, but for what a run writes; tests by nothing less."""
    folders = "benchmarks|dac_lobe|demo|docs|evaluation|examples|notebooks|recipes"
    folders += "|scripts|tests"
    named = re.findall(
        rf"(?<![\w./-])(?:(?:{folders})/[\w./-]+\.\w+|test_\w+\.py)\b",
        page.read_text(encoding="utf-8"),
    )
    missing = [name for name in named if not (ROOT / name).exists()]
    assert [name for name in missing if "/results/" not in name] == []


def test_pages_that_are_mentioned_exist():
    """Docstrings and comments send readers to pages that are there."""
    for folder in ("dac_lobe", "evaluation", "recipes", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            for page in re.findall(r"\bdocs/[\w-]+\.md", path.read_text("utf-8")):
                assert (ROOT / page).exists(), f"{path.name} mentions {page}"


def test_every_docs_page_is_listed():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {path.name for path in ROOT.glob("docs/*.md")} - {"README.md"}
    assert pages <= set(re.findall(r"\]\(([\w-]+\.md)\)", index))


def test_every_extra_is_listed():
    """The table of extras names each of pyproject.toml once, and no other."""
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"^\| extra \|.*\n((?:\|.*\n)+)", index, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE)
    assert sorted(named) == sorted(project["optional-dependencies"])


def test_the_card_and_the_recipe_show_one_table():
    """The recipe's was once that of a decoder two stages older."""
    found = {
        (ROOT / page)
        .read_text()
        .split("<!-- table:eval -->")[1]
        .split("<!-- /table")[0]
        for page in ("docs/16khz-small.md", "recipes/codec/README.md")
    }
    assert len(found) == 1
