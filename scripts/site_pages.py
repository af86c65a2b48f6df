"""Pages of the site that do not lie in docs/: an mkdocs hook.

    notebooks/*.ipynb              tutorials, with the outputs that are stored in them
    README.md of recipes, ...      as they are
    public names                   one page of the reference a package
    files that pages link to       source code and logs, so that no link leaves the site

Links are written as they work in the repository; here they are turned to where their
targets are on the site.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import ast
import base64
import json
import os
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

__all__ = ["on_files", "on_page_markdown", "public_names", "redirect_links"]

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("recipes", "benchmarks", "examples")
PROJECT = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
PACKAGES = {
    "dac_lobe": "The codec",
    "dac_lobe.tokens": "Token stores",
    "dac_lobe.data": "Corpora and manifests",
    "dac_lobe.files": "Files",
    "dac_lobe.container": "Packed files",
    "dac_lobe.execution.streaming": "Streams",
    "dac_lobe.nnet": "Modules for recipes",
    "dac_lobe.inference": "Trained recipes",
    "dac_lobe.hf": "transformers",
    "dac_lobe.encodec": "EnCodec",
    "evaluation": "Evaluation",
    "evaluation.metrics": "Metrics",
    "evaluation.systems": "Systems",
}
LINK = re.compile(r"(\]\(|(?:src|href)=\")(?![a-z]+:|#|/)([^)\s\"]+)")
FENCE = re.compile(r"^( *)(`{3,}).*?^\1\2 *$", re.MULTILINE | re.DOTALL)


def public_names(package: str) -> dict[str, str]:
    """Find the public names of a package and where they are defined.

    Nothing is imported, so optional packages need not be there.

    Arguments
    ---------
    package : str
        Dotted name. One that offers nothing itself stands for all its modules.

    Returns
    -------
    dict of str to str
        Module of each name, in the order of ``__all__``.

    Example
    -------
    >>> public_names("dac_lobe")["DAC"]
    'dac_lobe.dac'
    """
    folder = ROOT / package.replace(".", "/")
    tree = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
    home: dict[str, str] = {}
    exported: list[str] | None = None
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            home |= {
                alias.asname or alias.name: str(node.module) for alias in node.names
            }
        elif isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            home[node.name] = package
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for name in (t.id for t in targets if isinstance(t, ast.Name)):
                home[name] = package
                if name == "_HOME":
                    lazy = ast.literal_eval(node.value)
                    return {name: _definer(lazy[name], name) for name in sorted(lazy)}
                if name == "__all__":
                    exported = ast.literal_eval(node.value)
    if exported is not None:
        return {
            name: package if home[name] == package else _definer(home[name], name)
            for name in exported
        }
    modules = sorted(f"{package}.{p.stem}" for p in folder.glob("[a-z]*.py"))
    return {name: module for module in modules for name in _offered(module)}


def _offered(module: str) -> list[str]:
    """Read ``__all__`` of a module."""
    path = ROOT / f"{module.replace('.', '/')}.py"
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets
        ):
            return list(ast.literal_eval(node.value))
    return []


def _definer(module: str, name: str) -> str:
    """Follow a name through packages that only pass it on."""
    if (ROOT / module.replace(".", "/")).is_dir():
        return public_names(module).get(name, module)
    return module


def redirect_links(markdown: str, here: str, site: dict[str, str]) -> str:
    """Turn links between files of the repository into links between pages.

    Arguments
    ---------
    markdown : str
        A page; what stands in fenced blocks is left alone.
    here : str
        Path of the page in the repository.
    site : dict of str to str
        Path on the site of every repository path that is on it.

    Returns
    -------
    str
        The page with its links changed.

    Example
    -------
    >>> site = {
    ...     "docs/speed.md": "speed.md",
    ...     "benchmarks/README.md": "benchmarks/README.md",
    ... }
    >>> redirect_links("[how](../benchmarks/README.md#x)", "docs/speed.md", site)
    '[how](benchmarks/README.md#x)'
    """

    def turn(match: re.Match[str]) -> str:
        path, hash_, anchor = match[2].partition("#")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(here), path))
        target = target if target in site else f"{target}/README.md"
        if target not in site:
            return match[0]
        start = posixpath.dirname(site[here]) or "."
        return match[1] + posixpath.relpath(site[target], start) + hash_ + anchor

    done, last = [], 0
    for fence in FENCE.finditer(markdown):
        done += [LINK.sub(turn, markdown[last : fence.start()]), fence[0]]
        last = fence.end()
    return "".join([*done, LINK.sub(turn, markdown[last:])])


def _reference(package: str, title: str, shown: dict[str, str]) -> str:
    """Write the page of a package; what a page before it has shown is only named."""
    parts = [f"# {title}", f"```python\nimport {package}\n```"]
    names = public_names(package)
    if package == "dac_lobe.nnet":
        parts.insert(
            1, "Named in YAML by their module: `!new:dac_lobe.nnet.<module>.<Name>`."
        )
    for name, module in names.items():
        home = f"{module}.{name}"
        if shown.setdefault(home, package) == package:
            parts.append(f"::: {home}")
        else:
            parts.append(f"## {name}\n\nSee [{home}][].")
    return "\n\n".join(parts) + "\n"


def _notebook(path: Path) -> tuple[str, dict[str, bytes]]:
    """Render a notebook with its stored outputs: Markdown, and pictures by name."""
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] != "code":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {"text/plain": output.get("text", "")})
            if "image/png" in data:
                name = f"{path.stem}_{len(pictures)}.png"
                pictures[name] = base64.b64decode(data["image/png"])
                parts.append(f"![What the cell above draws]({name})")
            elif "text/html" in data:  # players
                lines = "".join(data["text/html"]).splitlines()
                parts.append(" ".join(line.strip() for line in lines))
            else:
                text = "".join(data["text/plain"]).rstrip()
                parts.append(f'```text title="Output"\n{text}\n```')
    return "\n\n".join(parts) + "\n", pictures


def _fenced(path: Path) -> str:
    """Show a text file as a page."""
    language = {".py": "python", ".yaml": "yaml"}.get(path.suffix, "text")
    text = path.read_text(encoding="utf-8")
    name = path.relative_to(ROOT).as_posix()
    return f"# {path.name}\n\n`{name}`\n\n``````{language}\n{text}\n``````\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages; remember where on the site every repository path is."""
    site = {f"docs/{file.src_uri}": file.src_uri for file in files}

    def add(uri: str, origin: str | None = None, **content: Any) -> None:
        files.append(File.generated(config, uri, **content))
        if origin:
            site[origin] = uri

    pages = {
        name: (ROOT / name).read_text(encoding="utf-8")
        for name in PROJECT
        if (ROOT / name).exists()
    }
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("README.md")):
            name = path.relative_to(ROOT).as_posix()
            pages[name] = path.read_text(encoding="utf-8")
    for name, text in pages.items():
        add(name, name, content=text)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        text, pictures = _notebook(path)
        name = f"notebooks/{path.stem}.md"
        pages[name] = text
        add(name, name, content=text)
        site[f"notebooks/{path.name}"] = site[f"notebooks/{path.stem}.py"] = name
        for picture, data in pictures.items():
            add(f"notebooks/{picture}", f"notebooks/{picture}", content=data)
    shown: dict[str, str] = {}
    for package, title in PACKAGES.items():
        add(f"reference/{package}.md", content=_reference(package, title, shown))
    pages |= {
        f"docs/{f.src_uri}": f.content_string
        for f in files.documentation_pages()
        if f"docs/{f.src_uri}" in site
    }
    _add_linked(pages, site, add)
    config.extra["repository_paths"] = site
    return files


def _add_linked(pages: dict[str, str], site: dict[str, str], add: Any) -> None:
    """Add the files of the repository that the pages link to."""
    for here, text in list(pages.items()):
        for _, target in LINK.findall(FENCE.sub("", text)):
            path = os.path.normpath(
                ROOT / posixpath.dirname(here) / target.partition("#")[0]
            )
            name = (
                Path(path).relative_to(ROOT).as_posix()
                if path.startswith(str(ROOT))
                else ""
            )
            if name in site or f"{name}/README.md" in site or not Path(path).is_file():
                continue
            if Path(path).suffix in (".svg", ".png", ".flac", ".ckpt"):
                add(name, name, content=Path(path).read_bytes())
            else:
                add(f"source/{name}.md", name, content=_fenced(Path(path)))


def on_page_markdown(
    markdown: str, page: Page, config: MkDocsConfig, files: Files
) -> str:
    """Turn a page's links to where their targets are on the site."""
    site = config.extra["repository_paths"]
    origin = {uri: name for name, uri in site.items()}.get(page.file.src_uri)
    return redirect_links(markdown, origin, site) if origin else markdown
