"""Every recipe: listed as SpeechBrain lists them, resolved, and run in half a minute.

The rows of the CSV files beside this one say which script runs which YAML, with
which flags, and what must be there afterwards; ``tests/tmp`` in them stands for
the small corpora of `conftest.samples`.
"""

from __future__ import annotations

import csv
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
COLUMNS = [
    *("Task", "Dataset", "Script_file", "Hparam_file", "Data_prep_file"),
    *("Readme_file", "Result_url", "HF_repo", "test_debug_flags", "test_debug_checks"),
]
# One of each task in every test run, the others with the slow ones.
ALWAYS = {"asr/hparams/an4_tiny", "tokens/hparams/an4", "tts/hparams/an4_tiny"}
OF_SPEECHBRAIN = {"precision", "max_grad_norm"}
EARLY = re.compile(r"^(\w+):", re.MULTILINE)


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
RUN = [name for name in ROWS if not name.startswith("codec/")]  # they have their own


class Done(NamedTuple):
    """A recipe that has run."""

    output: Path
    text: str


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


def check(row, output) -> None:
    """Make sure that what the row promises is there."""
    checks = row["test_debug_checks"]
    for name in re.search(r"file_exists=\[(.*?)\]", checks)[1].split(","):
        assert (output / name).is_file(), name
    promise = re.search(r"performance_check=\[(.*?)\]", checks)
    if promise:
        log, metric, bound, epoch = (part.strip() for part in promise[1].split(","))
        lines = (output / log).read_text().splitlines()
        line = next(line for line in lines if line.startswith(epoch))
        value = float(re.search(rf"{metric}: ([\d.e+-]+)", line)[1])
        assert value < float(bound.removeprefix("<")), line


@pytest.mark.parametrize("name", sorted(ROWS))
def test_row_names_files_that_exist(name):
    row = ROWS[name]
    for column in ("Script_file", "Hparam_file", "Data_prep_file", "Readme_file"):
        assert (ROOT / row[column]).is_file(), row[column]
    assert row["test_debug_flags"]
    assert Path(row["Hparam_file"]).stem in (ROOT / row["Readme_file"]).read_text()


def test_every_yaml_has_a_row():
    there = {
        path.relative_to(ROOT / "recipes").with_suffix("").as_posix()
        for path in (ROOT / "recipes").glob("*/hparams/*.yaml")
    }
    assert there == set(ROWS)


@pytest.mark.parametrize("name", RUN)
def test_yaml_resolves(name, samples, tmp_path):
    """At full size, with nothing but the placeholders filled."""
    row = ROWS[name]
    text = (ROOT / row["Hparam_file"]).read_text()
    given = {
        "data_folder": str(samples / row["Dataset"]),
        "token_folder": str(samples / f"{row['Dataset']}_store"),
    }
    given = {key: value for key, value in given.items() if f"\n{key}: " in text}
    hparams = load_hyperpyyaml(text, {**given, "output_folder": str(tmp_path)})
    assert callable(hparams["prepare"])
    for module in hparams.get("modules", {}).values():
        assert sum(weight.numel() for weight in module.parameters()) > 0


@pytest.mark.parametrize("name", RUN)
def test_every_key_is_used(name):
    """By the script, or by another key."""
    row = ROWS[name]
    text = (ROOT / row["Hparam_file"]).read_text()
    script = (ROOT / row["Script_file"]).read_text()
    for key in EARLY.findall(text):
        read = re.search(rf'hparams\.{key}\b|"{key}"', script)
        used = read or f"<{key}" in text or key in OF_SPEECHBRAIN or key[:2] == "__"
        assert used, key


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in ALWAYS else pytest.mark.slow)
        for name in RUN
    ],
)
def test_debug_run(name, samples, tmp_path):
    row = ROWS[name]
    done = run(row, flags_of(row, samples), tmp_path / "run")
    assert done.returncode == 0, done.stderr[-3000:]
    check(row, tmp_path / "run")


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


def last_weights(output) -> dict[str, torch.Tensor]:
    """Weights of the newest checkpoint."""
    newest = sorted((output / "save").glob("CKPT*"))[-1]
    return torch.load(newest / "model.ckpt")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["asr/hparams/an4_tiny", "tts/hparams/an4_tiny"])
def test_killed_run_ends_as_an_undisturbed_one(name, samples, tmp_path):
    """SIGKILL in the second epoch, started again: the same weights."""
    row = ROWS[name]
    # Dropout and masks on: they must be drawn alike, too.
    flags = [flag for flag in flags_of(row, samples) if "--dropout" not in flag]
    flags.append("--dropout=0.3")
    straight = run(row, flags, tmp_path / "straight")
    assert straight.returncode == 0, straight.stderr[-3000:]
    launcher = [sys.executable, "-c", KILLER]
    saves = str(tmp_path / "killed" / "save")
    killed = run(row, flags, tmp_path / "killed", launcher, SAVES=saves)
    assert killed.returncode == -9, killed.stderr[-3000:]
    resumed = run(row, flags, tmp_path / "killed")
    assert resumed.returncode == 0, resumed.stderr[-3000:]
    expected, found = (last_weights(tmp_path / run) for run in ("straight", "killed"))
    assert expected.keys() == found.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


# Runs a recipe and keeps the weights of each rank.
KEEPER = """
import os, runpy, sys, torch
sys.argv = sys.argv[1:]
done = runpy.run_path(sys.argv[0], run_name="__main__")
brain = next(value for name, value in done.items() if name.endswith("_brain"))
rank = os.environ["RANK"]
torch.save(brain.modules.state_dict(), os.environ["KEEP"] + f"/rank{rank}.pt")
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["asr/hparams/an4_tiny", "tts/hparams/an4_tiny"])
def test_two_processes_end_with_equal_parameters(name, samples, tmp_path):
    row = ROWS[name]
    keeper = tmp_path / "keeper.py"
    keeper.write_text(KEEPER)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    launcher += ["--nproc_per_node=2", str(keeper)]
    flags = [*flags_of(row, samples), "--distributed_backend=gloo"]
    done = run(row, flags, tmp_path / "run", launcher, KEEP=str(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (torch.load(tmp_path / f"rank{rank}.pt") for rank in range(2))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
