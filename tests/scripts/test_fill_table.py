"""Numbers in the README come out of a file, whole or not at all."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "fill_table.py"
FUNCTIONS = runpy.run_path(str(SCRIPT))
fill, render_summary = FUNCTIONS["fill"], FUNCTIONS["render_summary"]

SUMMARY = """\
system,num_codebooks,kbps,pesq_wb_mean,stoi_mean,extra_mean,n_ok,n_total
dac:16khz-small,1,0.5,1.0849,0.5512,3,30,30
dac:16khz-small,12,6.0,1.9,,3,29,30
opus:6,,7.25,2.5,nan,3,30,30
"""


def test_render_summary(tmp_path):
    path = tmp_path / "summary.csv"
    path.write_text(SUMMARY)
    assert render_summary(path).splitlines() == [
        "| system | codebooks | kbps | PESQ-WB ↑ | STOI ↑ | scored |",
        "| --- | --- | --- | --- | --- | --- |",
        "| dac:16khz-small | 1 | 0.50 | 1.08 | 0.551 | 30/30 |",
        "| dac:16khz-small | 12 | 6.00 | 1.90 | - | 29/30 |",
        "| opus:6 | - | 7.25 | 2.50 | - | 30/30 |",
    ]


def test_fill_twice_is_fill_once():
    document = "# A\n<!-- table:eval -->\nold\n<!-- /table -->\ntext \\1\n"
    once = fill(document, "eval", "| a |\n")
    assert once == "# A\n<!-- table:eval -->\n| a |\n<!-- /table -->\ntext \\1\n"
    assert fill(once, "eval", "| a |\n") == once


def test_fill_leaves_other_regions_alone():
    document = "<!-- table:a -->1<!-- /table --><!-- table:b -->2<!-- /table -->"
    assert "<!-- table:b -->2<!-- /table -->" in fill(document, "a", "new")


@pytest.mark.parametrize("document", ["", "<!-- table:a --><!-- /table -->" * 2])
def test_needs_one_region(document):
    with pytest.raises(ValueError, match="exactly 1 is needed"):
        fill(document, "a", "new")


def test_failure_changes_nothing(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("<!-- table:eval -->old<!-- /table -->")
    empty = tmp_path / "summary.csv"
    empty.write_text(SUMMARY.splitlines()[0])
    for source in (empty, tmp_path / "missing.csv"):
        done = subprocess.run(
            [sys.executable, SCRIPT, readme, "eval", source],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert source.name in done.stderr
    assert readme.read_text() == "<!-- table:eval -->old<!-- /table -->"
