"""Every recipe: listed as SpeechBrain lists them, resolved, and run in half a minute.

The rows of the CSV files beside this one say which script runs which YAML, with
which flags, and what must be there afterwards; ``tests/tmp`` in them stands for
the small corpora of `conftest.samples`.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml

from dac_lobe.inference.export import export_model
from dac_lobe.tokens.meta import StoreMeta
from tests.recipes.running import (
    KEEPER,
    KILLER,
    ROOT,
    ROWS,
    flags_of,
    last_weights,
    run,
)

# One of each task in every test run, the others with the slow ones.
ALWAYS = {"asr/hparams/an4_tiny", "tokens/hparams/an4", "tts/hparams/an4_tiny"}
OF_SPEECHBRAIN = {"precision", "max_grad_norm"}
EARLY = re.compile(r"^(\w+):", re.MULTILINE)
RUN = [name for name in ROWS if not name.startswith("codec/")]  # they have their own


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
    """By the script or what the scripts share, or by another key."""
    row = ROWS[name]
    text = (ROOT / row["Hparam_file"]).read_text()
    script = (ROOT / row["Script_file"]).read_text()
    for shared in ("training", "datasets"):
        script += (ROOT / f"dac_lobe/nnet/{shared}.py").read_text()
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


@pytest.mark.slow
@pytest.mark.parametrize("interval", [[], ["--ckpt_interval_steps=1"]])
@pytest.mark.parametrize("name", ["asr/hparams/an4_tiny", "tts/hparams/an4_tiny"])
def test_killed_run_ends_as_an_undisturbed_one(name, interval, samples, tmp_path):
    """SIGKILL in the second epoch, or amid the first; started again: the same weights."""
    row = ROWS[name]
    # Dropout and masks on: they must be drawn alike, too.
    flags = [flag for flag in flags_of(row, samples) if "--dropout" not in flag]
    flags.append("--dropout=0.3")
    straight = run(row, flags, tmp_path / "straight")
    assert straight.returncode == 0, straight.stderr[-3000:]
    launcher = [sys.executable, "-c", KILLER]
    saves = str(tmp_path / "killed" / "save")
    flags += interval
    killed = run(row, flags, tmp_path / "killed", launcher, SAVES=saves)
    assert killed.returncode == -9, killed.stderr[-3000:]
    resumed = run(row, flags, tmp_path / "killed")
    assert resumed.returncode == 0, resumed.stderr[-3000:]
    expected, found = (last_weights(tmp_path / run) for run in ("straight", "killed"))
    assert expected.keys() == found.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["asr/hparams/an4_tiny", "tts/hparams/an4_tiny"])
def test_tokens_of_another_codec_are_refused(name, samples, tmp_path):
    """A finished run keeps its results, and is exported with its own codec."""
    row, output = ROWS[name], tmp_path / "run"
    flags = flags_of(row, samples)
    done = run(row, flags, output)
    assert done.returncode == 0, done.stderr[-3000:]
    results = (output / "results.json").read_bytes()
    other = shutil.copytree(samples / "an4_store", tmp_path / "other")
    own = StoreMeta.load(other)
    replace(own, fingerprint="cd34" * 16).save(other)
    given = [flag for flag in flags if "--token_folder" not in flag]
    again = run(row, [*given, f"--token_folder={other}"], output)
    assert again.returncode != 0
    said = f"of the codec cd34cd34cd34, but {output}/save"
    assert said in again.stdout + again.stderr
    assert (output / "results.json").read_bytes() == results
    exported = export_model(output, tmp_path / "exported", "16khz-small")
    assert own.fingerprint in (exported / "hyperparams.yaml").read_text()


def test_another_model_is_refused(samples, tmp_path):
    """Whose weights would fit; a finished run keeps its results, and is exported so."""
    row, output = ROWS["asr/hparams/an4_fbank"], tmp_path / "run"
    flags = flags_of(row, samples)
    done = run(row, flags, output)
    assert done.returncode == 0, done.stderr[-3000:]
    results = (output / "results.json").read_bytes()
    for given in (1, 4):
        again = run(row, [*flags, f"--subsample={given}"], output)
        assert again.returncode != 0
        said = f"made with encoder.subsample: 2, not {given}. Give"
        assert said in again.stdout + again.stderr
    assert (output / "results.json").read_bytes() == results
    # Tested again, it has spent what it had.
    again = run(row, [*flags[:1], "--number_of_epochs=1", *flags[2:]], output)
    assert again.returncode == 0, again.stderr[-3000:]
    first, second = (
        json.loads(text)["training"]
        for text in (results, (output / "results.json").read_bytes())
    )
    assert second["epochs"] == first["epochs"] == 2
    assert second["cpu_minutes"] > 0.7 * first["cpu_minutes"]
    exported = export_model(output, tmp_path / "exported")
    assert "subsample: 2\n" in (exported / "hyperparams.yaml").read_text()
    wider = [flag.replace("hidden_size=8", "hidden_size=16") for flag in flags]
    again = run(row, wider, output)
    assert "made with encoder.hidden_size: 8, not 16" in again.stdout + again.stderr
    for path in (output / "save").glob("CKPT*/blueprint.ckpt"):  # as of version 0.2
        path.unlink()
    with pytest.raises(ValueError, match=r"does not fit the run's hyperparams.yaml"):
        export_model(output, tmp_path / "again")
    assert not (tmp_path / "again").exists()


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


@pytest.mark.parametrize(
    "name",
    [
        "asr/hparams/an4_fbank",
        pytest.param("asr/hparams/an4_tiny", marks=pytest.mark.slow),
        pytest.param("probe/hparams/an4_words", marks=pytest.mark.slow),
        pytest.param("tts/hparams/an4_tiny", marks=pytest.mark.slow),
    ],
)
def test_profiled(name, samples, tmp_path):
    """SpeechBrain's option leaves a trace of the steps asked for, and no more."""
    flags = ["--profile_training", "--profile_warmup=1", "--profile_steps=2"]
    row = ROWS[name]
    done = run(row, [*flags_of(row, samples), *flags], tmp_path / "run")
    assert done.returncode == 0, done.stderr[-3000:]
    (path,) = (tmp_path / "run/profiler_logs").glob("*.pt.trace.json")
    events = {event["name"] for event in json.loads(path.read_text())["traceEvents"]}
    steps = {event for event in events if event.startswith("ProfilerStep#")}
    assert steps == {"ProfilerStep#1", "ProfilerStep#2"}
    assert "Optimizer.step#AdamW.step" in events
    assert "autograd::engine::evaluate_function: AddmmBackward0" in events
    assert not (tmp_path / "run/results.json").exists()
