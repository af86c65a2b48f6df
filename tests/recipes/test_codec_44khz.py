"""The small codec for 44.1 kHz, which nobody has trained yet: it can be."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from dac_lobe import DAC
from dac_lobe.audio import write_audio

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "recipes" / "codec"
RATE = 44100
STEPS = 200
EPOCH = 20


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Path:
    """Chords that swell, and bursts of noise between them."""
    folder = tmp_path_factory.mktemp("recordings")
    generator = np.random.default_rng(0)
    time = np.arange(RATE) / RATE
    for number in range(6):
        wav = np.zeros(RATE)
        for hertz in generator.uniform(100, 5000, 4):
            swell = 0.5 - 0.5 * np.cos(2 * np.pi * generator.uniform(1, 4) * time)
            wav += 0.1 * swell * np.sin(2 * np.pi * hertz * time)
        burst = slice(*sorted(generator.integers(0, RATE, 2)))
        wav[burst] += 0.05 * generator.standard_normal(RATE)[burst]
        write_audio(folder / f"{number}.wav", wav, RATE)
    return folder


@pytest.mark.slow
def test_two_hundred_steps_bring_the_loss_down(recordings, tmp_path):
    """Skeleton, start of the codebooks, everything; also on sounds not trained on.

    With codebooks only by a little: the warm-up is longer than the hundred steps.
    """
    half = STEPS // 2
    command = [
        *(sys.executable, RECIPE / "train.py", RECIPE / "hparams/small_44khz.yaml"),
        *(f"--data_folder={recordings}", f"--output_folder={tmp_path / 'run'}"),
        *("--device=cpu", "--compile_codec=False", "--bfloat16_until=0"),
        *("--batch_size=1", "--segment=4096", "--start_frames=1100"),
        *(f"--skeleton_steps={half}", f"--main_steps={half}"),
        f"--steps_per_epoch={EPOCH}",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-3000:]
    log = (tmp_path / "run/train_log.txt").read_text()
    mel, held_out = (
        [float(value) for value in re.findall(rf"{name}: ([\d.e+-]+)", log)]
        for name in ("train mel", "valid mel9")
    )
    assert len(mel) == len(held_out) == STEPS // EPOCH
    for loss in (mel, held_out):
        assert loss[-1] < 0.9 * loss[0], log
    quantized = held_out[half // EPOCH :]
    assert quantized == sorted(quantized, reverse=True), log
    assert quantized[-1] < quantized[0], log
    codec = DAC.from_pretrained(tmp_path / "run/codec.safetensors")
    half_precision = codec.save(tmp_path / "half.safetensors", half=True)
    assert half_precision.stat().st_size < 12e6
    assert codec.sample_rate == RATE
    assert all(torch.isfinite(p).all() for p in codec.parameters())
    wav = torch.from_numpy(np.sin(np.arange(RATE) / 20)).float()[None, None]
    assert codec.encode(wav, 9).codes.shape == (1, 9, 87)
