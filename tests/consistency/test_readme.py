"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import shutil
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


def test_model_table():
    """The table of models is the table of variants."""
    from dac_lobe.weights.variants import VARIANTS

    rows = re.findall(
        r"^\| `([\w-]+)` \|.*\| ([\d.]+) \| (\d+) x (\d+) \| ([\d.]+) \|$",
        README,
        flags=re.MULTILINE,
    )
    told = {name: tuple(map(float, numbers)) for name, *numbers in rows}
    assert told == {
        name: (
            round(row.frame_rate, 2),
            row.n_codebooks,
            row.codebook_size,
            round(row.kbps, 2),
        )
        for name, row in VARIANTS.items()
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links(page):
    """Links to files of the project lead somewhere."""
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


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
