"""The recipes of the CSV files beside this one, and how to run one."""

from __future__ import annotations

import csv
import os
import shlex
import subprocess
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
COLUMNS = [
    *("Task", "Dataset", "Script_file", "Hparam_file", "Data_prep_file"),
    *("Readme_file", "Result_url", "HF_repo", "test_debug_flags", "test_debug_checks"),
]


def rows() -> list[dict[str, str]]:
    """All rows of all CSV files."""
    found = []
    for path in sorted(HERE.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            assert reader.fieldnames == COLUMNS, path
            found += list(reader)
    return found


ROWS = {row["Hparam_file"][8:-5]: row for row in rows()}


def flags_of(row, samples) -> list[str]:
    """Debug flags of a row, with the samples in place."""
    flags = row["test_debug_flags"].replace("tests/tmp", str(samples))
    return shlex.split(flags)


def run(row, flags, output, launcher=(), **environment) -> subprocess.CompletedProcess:
    """Run a row's recipe in a process of its own."""
    script, hparams = ROOT / row["Script_file"], ROOT / row["Hparam_file"]
    command = [*(launcher or [sys.executable]), str(script), str(hparams)]
    variables = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(
        [*command, f"--output_folder={output}", "--device=cpu", *flags],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        cwd=output.parent,
        timeout=300,
    )


# Kills the process in the second step after the first checkpoint, in the middle of an
# epoch, as a scheduler would.
KILLER = """
import os, pathlib, runpy, signal, sys, torch
step, steps = torch.optim.AdamW.step, []
def fatal(self, *arguments, **options):
    if any(pathlib.Path(os.environ["SAVES"]).glob("CKPT*")):
        steps.append(1)
    if len(steps) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, *arguments, **options)
torch.optim.AdamW.step = fatal
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


# Runs a recipe and keeps the weights of each rank.
KEEPER = """
import os, runpy, sys, torch
sys.argv = sys.argv[1:]
done = runpy.run_path(sys.argv[0], run_name="__main__")
brain = next(value for name, value in done.items() if name.endswith("_brain"))
rank = os.environ["RANK"]
torch.save(brain.modules.state_dict(), os.environ["KEEP"] + f"/rank{rank}.pt")
"""


def last_weights(output) -> dict[str, torch.Tensor]:
    """Weights of the newest checkpoint."""
    newest = sorted((output / "save").glob("CKPT*"))[-1]
    return torch.load(newest / "model.ckpt")
