"""The plan for a GPU that is lent for minutes, run on a CPU with tiny batches."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from speechbrain.utils.checkpoints import Checkpointer

from dac_lobe import DAC
from dac_lobe.audio import write_audio
from dac_lobe.nnet.muon import Muon

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "recipes" / "codec"
TINY = (
    "--device=cpu --batch_size=2 --segment=5440 --num_workers=0 --compile_codec=False "
    "--test_metrics=[] --steps_per_epoch=10 --adversarial_items=1"
).split()


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Path:
    """Three tones in noise."""
    folder = tmp_path_factory.mktemp("recordings")
    generator = np.random.default_rng(0)
    time = np.arange(16000) / 16000
    for hertz in (200, 300, 500):
        wav = 0.3 * np.sin(2 * np.pi * hertz * time)
        wav = wav + 0.05 * generator.standard_normal(len(time))
        write_audio(folder / f"{hertz}.wav", wav, 16000)
    return folder


@pytest.fixture(scope="module")
def carry():
    return runpy.run_path(str(RECIPE / "carry.py"))


class Everything:
    """What a run keeps: weights, moments, a schedule, a small buffer."""

    def __init__(self, seed: int):
        torch.manual_seed(seed)
        self.model = torch.nn.Sequential(
            torch.nn.Conv1d(64, 128, 5), torch.nn.Conv1d(128, 1, 1)
        )
        self.optimizer = Muon(self.model.parameters(), lr=0.01)
        self.schedule = torch.optim.lr_scheduler.StepLR(self.optimizer, 2)

    def step(self):
        self.model(torch.randn(1, 64, 9)).square().mean().backward()
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()

    def checkpointer(self, run: Path) -> Checkpointer:
        kept = {
            "codec": self.model,
            "optimizer_codec": self.optimizer,
            "schedule_codec": self.schedule,
        }
        return Checkpointer(run / "save", kept)


@pytest.mark.parametrize("volume_mb", [16.0, 0.1])
def test_a_carried_checkpoint_is_the_same_to_rounding(carry, tmp_path, volume_mb):
    """In one file or several; it is half as large, and SpeechBrain takes it up."""
    here, there = Everything(0), Everything(1)
    for _ in range(3):
        here.step()
    here.checkpointer(tmp_path / "here").save_checkpoint(meta={"step": 3})
    (tmp_path / "carried").mkdir()
    (tmp_path / "carried/resume9.tar").write_text("of another checkpoint")
    volumes = carry["pack"](tmp_path / "here", tmp_path / "carried", volume_mb)
    assert all(path.stat().st_size <= 1e6 * volume_mb for path in volumes)
    assert (len(volumes) > 1) == (volume_mb < 1)
    before = sum(p.stat().st_size for p in (tmp_path / "here").rglob("*.ckpt"))
    assert sum(path.stat().st_size for path in volumes) < 0.7 * before
    carry["unpack"](tmp_path / "carried", tmp_path / "there")
    found = there.checkpointer(tmp_path / "there").recover_if_possible()
    assert found.meta["step"] == 3
    for new, old in zip(there.model.parameters(), here.model.parameters(), strict=True):
        assert new.dtype == torch.float32
        torch.testing.assert_close(new, old, rtol=2**-11, atol=1e-7)
        moments = here.optimizer.state[old]
        for name, value in there.optimizer.state[new].items():
            torch.testing.assert_close(value, moments[name], rtol=2**-8, atol=1e-7)
    assert torch.equal(there.model[1].weight, here.model[1].weight), "small: as it was"
    assert there.schedule.get_last_lr() == here.schedule.get_last_lr()
    there.step()


def test_numbers_too_large_for_half_precision_stay_finite(carry, tmp_path):
    path = tmp_path / "codec.ckpt"
    torch.save({"weight": torch.full((200, 200), 1e6)}, path)
    (tmp_path / "short.ckpt").write_bytes(carry["lengthen"](carry["shorten"](path)))
    weight = torch.load(tmp_path / "short.ckpt")["weight"]
    torch.testing.assert_close(weight, torch.full((200, 200), 1e6), rtol=2**-8, atol=0)


def test_what_cannot_be_carried_is_named(carry, tmp_path):
    with pytest.raises(ValueError, match="no checkpoint"):
        carry["pack"](tmp_path, tmp_path / "carried")
    with pytest.raises(ValueError, match=r"no resume0\.tar"):
        carry["unpack"](tmp_path, tmp_path / "run")
    one = Everything(0)
    one.checkpointer(tmp_path).save_checkpoint()
    with pytest.raises(ValueError, match=r"codec\.ckpt alone takes"):
        carry["pack"](tmp_path, tmp_path / "carried", 0.03)


def steps_of(folder: Path) -> list[int]:
    """Steps after each epoch."""
    log = (folder / "train_log.txt").read_text()
    return [int(step) for step in re.findall(r"step: (\d+), lr", log)]


@pytest.mark.slow
def test_twenty_steps(recordings, tmp_path):
    """Counted in steps: discriminators join after a third, the schedule ends."""
    command = [
        *(sys.executable, RECIPE / "train.py", RECIPE / "hparams/small_16khz_gpu.yaml"),
        *(f"--data_folder={recordings}", f"--output_folder={tmp_path / 'run'}"),
        *("--budget=null", "--total_steps=20", *TINY, "--discriminator_lead=2"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert steps_of(tmp_path / "run") == [10, 20]
    log = (tmp_path / "run/train_log.txt").read_text()
    assert "train discriminator" in log
    codec = DAC.from_pretrained(tmp_path / "run/codec.safetensors")
    assert all(torch.isfinite(p).all() for p in codec.parameters())


@pytest.mark.slow
def test_the_plan_goes_on_where_it_was_carried(carry, recordings, tmp_path):
    """The script twice: half of the schedule by the clock, and the rest of it."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TESTS": "1", "SPEED": "1"}
    # Training gets what is left, and at least six seconds.
    environment |= {"ALL": "600", "KEEP": "600"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    steps = [0]
    for until in (0.5, 1.0):
        output = tmp_path / f"out{until}"
        command = ["bash", RECIPE / "gpu.sh", recordings, output, *TINY]
        done = subprocess.run(
            [*command, f"--until={until}"], env=environment, capture_output=True
        )
        assert done.returncode == 0, done.stderr.decode()[-3000:]
        files = list(output.iterdir())
        assert len(files) <= 8
        assert all(path.stat().st_size <= 16e6 for path in files)
        DAC.from_pretrained(output / "codec.safetensors")
        steps.append(steps_of(output)[-1])
        carry["unpack"](output, tmp_path / f"run{until}")
        (budget,) = (tmp_path / f"run{until}").rglob("budget.ckpt")
        assert float(torch.load(budget)["share"]) == until
        environment["RESUME"] = str(output)
    assert steps == sorted(set(steps)), "each call took steps, and went on counting"
