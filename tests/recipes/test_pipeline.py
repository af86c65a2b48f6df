"""The pipeline's commands name scripts, YAMLs and keys that exist, in an order that works."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
RUN_OPTIONS = {"device", "noprogressbar"}


@pytest.fixture(scope="module")
def pipeline():
    spec = importlib.util.spec_from_file_location("pipeline", RECIPES / "pipeline.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["pipeline"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["pipeline"]


@pytest.fixture
def options(tmp_path):
    return SimpleNamespace(
        data_folder=str(tmp_path / "an4"),
        output_folder=str(tmp_path / "out"),
        source="16khz-small",
        codec_steps=3,
        asr_epochs=2,
        tts_epochs=None,
        workers=2,
    )


def all_steps(parts):
    first, lanes, last = parts
    return [*first, *(step for lane in lanes for step in lane), *last]


def test_commands_can_be_typed(pipeline, options):
    """Every script is there, and every override is a key of its YAML."""
    steps = all_steps(pipeline.make_steps(options))
    assert [step.name for step in steps] == [
        *("codec", "tokens", "judge", "asr", "export_asr", "export_judge"),
        *("tts", "export_tts", "evaluation"),
    ]
    for step in steps:
        folder = RECIPES / step.folder
        words = step.command[1:]
        if words[0] == "-m":
            assert words[1:3] == ["dac_lobe", "export"]
            continue
        assert (folder / words[0]).is_file(), step
        if not words[1].startswith("hparams/"):
            continue
        text = (folder / words[1]).read_text()
        for word in words[2:]:
            key = word.removeprefix("--")
            if word != key and key not in RUN_OPTIONS:
                assert f"\n{key}:" in text, (step.name, key)


def test_epochs_of_the_yaml_by_default(pipeline, options):
    steps = {
        step.name: step.command for step in all_steps(pipeline.make_steps(options))
    }
    assert "--number_of_epochs" in steps["asr"]
    assert "--number_of_epochs" not in steps["tts"]


def test_a_failing_step_is_named_with_its_log(pipeline, tmp_path):
    step = pipeline.Step("sums", ".", [sys.executable, "-c", "print(1 / 0)"])
    with pytest.raises(
        pipeline.StepFailed, match=r"sums ended with 1: Zero.*sums\.txt"
    ):
        pipeline.run(step, tmp_path, 1, {}, pipeline.Progress(["sums"]))
    assert "print(1 / 0)" in (tmp_path / "logs/sums.txt").read_text().splitlines()[0]


def test_a_failing_lane_stops_the_others(pipeline, tmp_path):
    wait = "import time; time.sleep(1)"
    lanes = [
        [pipeline.Step("bad", ".", [sys.executable, "-c", "raise SystemExit(3)"])],
        [
            pipeline.Step("slow", ".", [sys.executable, "-c", wait]),
            pipeline.Step("never", ".", [sys.executable, "-c", "pass"]),
        ],
    ]
    progress = pipeline.Progress(["bad", "slow", "never"])
    with pytest.raises(pipeline.StepFailed, match="bad ended with 3"):
        pipeline.run_lanes(lanes, tmp_path, {}, progress)
    assert not (tmp_path / "logs/never.txt").exists()


def test_every_step_has_a_share(pipeline, options):
    names = [step.name for step in all_steps(pipeline.make_steps(options))]
    assert set(names) == set(pipeline.MINUTES)
    progress = pipeline.Progress(names)
    for name in names:
        assert progress.share() < 1
        progress.tell(name, "done", 1.0)
    assert progress.share() == pytest.approx(1.0)


def test_progress_of_a_training_and_of_an_extraction(pipeline, options, tmp_path):
    steps = {step.name: step for step in all_steps(pipeline.make_steps(options))}
    log = tmp_path / "log.txt"
    log.write_text("# train.py --number_of_epochs 2\n")
    assert pipeline.read_progress(log, steps["asr"]) is None
    log.write_text("INFO - epoch: 1, lr: 3.0e-03 - train loss: 2.5\n")
    assert pipeline.read_progress(log, steps["asr"]) == ("epoch 1 of 2", 0.5)
    assert pipeline.read_progress(log, steps["tts"])[0] == "epoch 1 of 12"
    log.write_text("INFO - shard 0: 1 of 8\nINFO - shard 3: 2 of 8\n")
    assert pipeline.read_progress(log, steps["tokens"]) == ("2 of 8", 0.25)


def test_what_is_printed_while_a_step_runs(pipeline, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(pipeline, "POLL_SECONDS", 0.05)
    work = (
        "import time\n"
        "for done in range(3):\n"
        "    print(f'shard {done}: {done + 1} of 4', flush=True)\n"
        "    time.sleep(0.5)\n"
    )
    step = pipeline.Step("tokens", ".", [sys.executable, "-c", work])
    pipeline.run(step, tmp_path, 1, {}, pipeline.Progress(["tokens", "evaluation"]))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tokens: started | 0 % of all"
    assert [line.split(" |")[0] for line in lines[1:-1]] == [
        f"tokens: {done} of 4" for done in (1, 2, 3)
    ]
    assert all("min left" in line for line in lines[1:])
    assert lines[-1].startswith("tokens: done in 0.0 min | 55 % of all")
