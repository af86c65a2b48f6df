"""The notebooks run, offline, as they stand; and both halves of a pair agree."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("jupytext", reason="the docs extra is not installed")

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
IDS = [path.stem for path in NOTEBOOKS]


def is_slow(cell) -> bool:
    return "slow" in cell.metadata.get("tags", [])


def run(path: Path, folder: Path, monkeypatch, slow: bool) -> None:
    """Run a notebook in a kernel of its own, where it can write."""
    import jupytext
    from nbclient import NotebookClient

    monkeypatch.setenv("DAC_LOBE_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("demo", "recipes", "scripts", "docs"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "notebooks").mkdir()
    notebook = jupytext.read(path)
    if not slow:
        notebook.cells = [cell for cell in notebook.cells if not is_slow(cell)]
    resources = {"metadata": {"path": str(folder / "notebooks")}}
    NotebookClient(notebook, timeout=3000, resources=resources).execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_fast_cells(path, tmp_path, monkeypatch):
    run(path, tmp_path, monkeypatch, slow=False)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_all_cells(path, tmp_path, monkeypatch):
    import jupytext

    if not any(is_slow(cell) for cell in jupytext.read(path).cells):
        pytest.skip("it has no slow cells, and the others are run without this mark")
    run(path, tmp_path, monkeypatch, slow=True)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_pairs_agree(path):
    """The notebook with outputs is the script's: same cells, every output there."""
    import jupytext

    script = jupytext.read(path)
    notebook = jupytext.read(path.with_suffix(".ipynb"))
    assert [(c.cell_type, c.source) for c in notebook.cells] == [
        (c.cell_type, c.source) for c in script.cells
    ]
    counts = [c.execution_count for c in notebook.cells if c.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    outputs = [o for c in notebook.cells for o in c.get("outputs", [])]
    assert outputs
    assert not [o for o in outputs if o.output_type == "error"]
    assert not [o for o in outputs if o.get("name") == "stderr"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_nothing_of_this_machine_is_shown(path):
    text = path.with_suffix(".ipynb").read_text(encoding="utf-8")
    assert str(Path.home()) not in text
    assert str(ROOT) not in text
