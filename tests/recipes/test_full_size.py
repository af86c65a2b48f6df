"""The YAMLs of full size, unrun for want of a corpus: everything but their size.

A miniature of the corpus in its real layout, a network of a few numbers, two
epochs: killed and resumed, in two processes, exported and used.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from dac_lobe.data import read_duration
from dac_lobe.inference import TokenASR, TokenTTS
from tests.recipes.running import (
    KEEPER,
    KILLER,
    ROOT,
    ROWS,
    flags_of,
    last_weights,
    run,
)

pytestmark = pytest.mark.slow

NAMES = [
    "asr/hparams/librispeech_bilstm",
    "asr/hparams/librispeech_conformer",
    "tts/hparams/ljspeech",
]
LETTERS = 14  # of the miniature's transcripts, space and blank included


@pytest.fixture
def flags(miniatures):
    """Debug flags of a YAML, on the miniature."""

    def flags(name):
        given = flags_of(ROWS[name], miniatures)
        given = [flag for flag in given if "--output_neurons" not in flag]
        return given + ([f"--output_neurons={LETTERS}"] if name[:3] == "asr" else [])

    return flags


@pytest.fixture(scope="session")
def finished():
    """Runs that have finished undisturbed, by name."""
    return {}


@pytest.fixture
def undisturbed(finished, flags, tmp_path_factory):
    """Output folder of a run from start to end; it runs once."""

    def undisturbed(name):
        if name not in finished:
            folder = tmp_path_factory.mktemp("full_size") / "run"
            done = run(ROWS[name], flags(name), folder)
            assert done.returncode == 0, done.stderr[-3000:]
            finished[name] = folder
        return finished[name]

    return undisturbed


def same(first, second):
    """Whether two sets of weights are equal, bit for bit."""
    return first.keys() == second.keys() and all(
        torch.equal(first[key], second[key]) for key in first
    )


@pytest.mark.parametrize("name", NAMES)
def test_two_epochs(name, undisturbed):
    folder = undisturbed(name)
    log = (folder / "train_log.txt").read_text()
    assert "epoch: 2" in log
    results = json.loads((folder / "results.json").read_text())
    tests = {"test-clean", "test-other"} if name[:3] == "asr" else {"CE"}
    assert tests <= results.keys()
    for number in json.dumps(results).replace("{", " ").split():
        assert "NaN" not in number, results


@pytest.mark.parametrize("name", NAMES)
def test_killed_and_resumed(name, flags, undisturbed, tmp_path):
    launcher = [sys.executable, "-c", KILLER]
    saves = str(tmp_path / "killed/save")
    killed = run(ROWS[name], flags(name), tmp_path / "killed", launcher, SAVES=saves)
    assert killed.returncode == -9, killed.stderr[-3000:]
    resumed = run(ROWS[name], flags(name), tmp_path / "killed")
    assert resumed.returncode == 0, resumed.stderr[-3000:]
    assert same(last_weights(tmp_path / "killed"), last_weights(undisturbed(name)))


@pytest.mark.parametrize("name", NAMES)
def test_two_processes(name, flags, tmp_path):
    keeper = tmp_path / "keeper.py"
    keeper.write_text(KEEPER)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    launcher += ["--nproc_per_node=2", str(keeper)]
    given = [*flags(name), "--distributed_backend=gloo"]
    done = run(ROWS[name], given, tmp_path / "run", launcher, KEEP=str(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    assert same(*(torch.load(tmp_path / f"rank{rank}.pt") for rank in range(2)))


@pytest.mark.parametrize("name", NAMES)
def test_exported_and_used(name, undisturbed, miniatures, tmp_path):
    folder, out = undisturbed(name), tmp_path / "exported"
    command = [sys.executable, "-m", "dac_lobe", "export", str(folder), str(out)]
    done = subprocess.run(
        [*command, "--model", "16khz-small"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr[-3000:]
    text = (out / "hyperparams.yaml").read_text()
    assert str(miniatures) not in text
    # SpeechBrain's own arguments: where to put links, and on what to run.
    options = {"savedir": str(tmp_path / "links"), "run_opts": {"device": "cpu"}}
    if name[:3] == "asr":
        asr = TokenASR.from_hparams(source=str(out), **options)
        recording = next((miniatures / "librispeech/test-clean").rglob("*.flac"))
        assert isinstance(asr.transcribe_file(recording), str)
    else:
        tts = TokenTTS.from_hparams(source=str(out), **options)
        path = tts.synthesize_file("Stop it.", tmp_path / "stop.wav", max_frames=20)
        assert 0 <= read_duration(path) <= 20 * 0.02 + 0.02
