"""The site builds without a warning, needs no other host, and names everything."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import zlib
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    + [
        path
        for name in ("recipes", "benchmarks")
        for path in (ROOT / name).rglob("*.md")
    ]
)
IDS = [path.relative_to(ROOT).as_posix() for path in PAGES]
PUBLIC = ("dac_lobe", "evaluation")

# What a browser fetches by itself, as against what a reader may click on.
FETCHED = {"src", "srcset", "poster", "data"}
pytest.importorskip("mkdocs", reason="the docs extra is not installed")


def blocks(path: Path, *languages: str) -> list[str]:
    """Take the fenced blocks of some languages out of a page."""
    fence = rf"^( *)```(?:{'|'.join(languages)})\n(.*?)^\1```"
    found = re.findall(fence, path.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [
        re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found
    ]


class Fetches(HTMLParser):
    """Collects the addresses that a page makes a browser fetch."""

    def __init__(self):
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.found += [value for name, value in attributes if name in FETCHED and value]
        if tag == "link" and given.get("rel") not in ("canonical", "prev", "next"):
            self.found.append(given.get("href") or "")
        self.found += re.findall(r"url\(([^)]*)\)", given.get("style") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built site; a warning fails."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_nothing_comes_from_another_host(site):
    """No page, style sheet or script of the site loads anything from elsewhere."""
    for path in site.rglob("*.html"):
        page = path.read_text("utf-8")
        if path.is_relative_to(site / "example"):  # a report, one file by itself
            continue
        parser = Fetches()
        parser.feed(page)
        foreign = [url for url in parser.found if re.match(r"(https?:)?//", url)]
        assert not foreign, f"{path.name} fetches {foreign}"
        # What Material's script would load only for these is not used.
        assert 'class="mermaid"' not in page
        assert 'data-md-component="source"' not in page
    for path in site.rglob("*.css"):
        assert not re.search(
            r"(url\(|@import)\s*[\"']?(https?:)?//", path.read_text("utf-8")
        )


def test_search_knows_the_pages_and_names(site):
    """The index, inlined for pages that are opened from the disk."""
    index = (site / "search" / "search_index.js").read_text("utf-8")
    for text in ("sig_to_tokens", "near ties", "mel_dac7"):
        assert text in index, text


def test_every_public_name_is_in_the_reference(site):
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        from site_pages import PACKAGES, public_names
    finally:
        sys.path.pop(0)
    inventory = zlib.decompress((site / "objects.inv").read_bytes().split(b"\n", 4)[4])
    listed = {line.split()[0] for line in inventory.decode().splitlines()}
    for package in PACKAGES:
        names = public_names(package)
        assert names
        missing = {f"{m}.{name}" for name, m in names.items()} - listed
        assert not missing, missing
    for package in PUBLIC:
        assert set(public_names(package)) == set(
            importlib.import_module(package).__all__
        )


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_code_blocks(page):
    """Python compiles, and what it imports from here is there; YAML and shell parse."""
    for block in blocks(page, "python"):
        if ">>>" in block:
            continue
        tree = ast.parse(block)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                PUBLIC
            ):
                module = importlib.import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names), block
    for block in blocks(page, "yaml"):
        list(yaml.parse(block))
    for block in blocks(page, "sh", "bash"):
        subprocess.run(["bash", "-n"], input=block, text=True, check=True)
