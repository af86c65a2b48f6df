"""The codec's recipe: every YAML resolves, trains, resumes, and runs on two processes."""

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
from hyperpyyaml import load_hyperpyyaml

from dac_lobe import DAC
from dac_lobe.audio import write_audio
from dac_lobe.network.layers import fold_weight_norm

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "recipes" / "codec"
YAMLS = sorted(path.stem for path in (RECIPE / "hparams").glob("*.yaml"))
FULL = [name for name in YAMLS if name.startswith("dac_")]
LIGHT = [name for name in YAMLS if name not in FULL]

# What a person has to say beside where the data are.
REQUIRED = {
    "small_16khz_adversarial": {"source": "16khz-small"},
    "small_16khz_continued": {"source": "16khz-small"},
}

# Kills the process in the middle of the step that is named, as a scheduler would.
KILLER = """
import os, runpy, signal, sys
from dac_lobe.nnet.muon import Muon
step, steps = Muon.step, []
def fatal(self, closure=None):
    steps.append(1)
    if len(steps) == int(os.environ["KILL_AT"]):
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, closure)
Muon.step = fatal
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


# Makes one segment of an epoch no number: in a batch of two, for one of two ranks.
BREAKER = """
import os, runpy, sys
from dac_lobe.data.segments import SegmentDataset
read = SegmentDataset.__getitem__
def broken(self, index):
    item = read(self, index)
    if (self.epoch, index) == (int(os.environ["BREAK_AT"]), 3):
        item["sig"][100] = float("nan")
    return item
SegmentDataset.__getitem__ = broken
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Path:
    """Five recordings: tones in noise, one shorter than a segment, one silent."""
    folder = tmp_path_factory.mktemp("recordings")
    generator = np.random.default_rng(0)
    time = np.arange(16000) / 16000
    for name, hertz in (("a", 200), ("b", 300), ("c", 500)):
        wav = 0.3 * np.sin(2 * np.pi * hertz * time)
        wav = wav + 0.05 * generator.standard_normal(len(time))
        write_audio(folder / f"{name}.wav", wav, 16000)
    write_audio(folder / "short.wav", 0.1 * generator.standard_normal(900), 16000)
    write_audio(folder / "silent.wav", np.zeros(8000), 16000)
    return folder


def train(recordings, output, *options, launcher=(), name="tiny_debug", **environment):
    """Run a configuration, of itself that for debugging, in a process of its own."""
    command = [
        *(launcher or [sys.executable]),
        str(RECIPE / "train.py"),
        str(RECIPE / "hparams" / f"{name}.yaml"),
        f"--data_folder={recordings}",
        f"--output_folder={output}",
        "--device=cpu",
        "--valid_metrics=[]",
        *options,
    ]
    variables = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        **environment,
    }
    return subprocess.run(
        command,
        env=variables,
        capture_output=True,
        text=True,
        cwd=output.parent,
        timeout=300,
    )


def resolve(name, output, **overrides):
    """Load a YAML as the script does."""
    given = {"data_folder": "nowhere", "output_folder": str(output)}
    given |= REQUIRED.get(name, {}) | overrides
    with (RECIPE / "hparams" / f"{name}.yaml").open() as file:
        return load_hyperpyyaml(file, given)


def test_another_rate_than_the_codecs_is_named(recordings, tmp_path):
    done = train(recordings, tmp_path / "run", "--sample_rate=44100", name="finetune")
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "sample_rate: 44100, but the codec works at 16000 Hz" in said
    assert not (tmp_path / "run" / "train.csv").exists()


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--frozen=[encodr]", "Give a list of encoder, quantizer, decoder"),
        ("--frozen=encoder", "Give a list of encoder, quantizer, decoder"),
        ("--valid_codebooks=[1, 5]", "Give a list of numbers from 1 to 3"),
        ("--valid_codebooks=[0]", "Give a list of numbers from 1 to 3"),
        ("--valid_codebooks=[]", "Give at least one number"),
    ],
)
def test_what_the_codec_lacks_is_refused_before_data_are_read(tmp_path, option, said):
    done = train(tmp_path / "nowhere", tmp_path / "run", option)
    assert done.returncode != 0
    output = done.stdout + done.stderr
    assert f"ValueError: {option[2:].partition('=')[0]}: " in output
    assert said in output


def test_debug_run_trains_and_exports(recordings, tmp_path):
    """All stages run on awkward recordings; the result loads by path and codes."""
    done = train(recordings, tmp_path / "run")
    assert done.returncode == 0, done.stderr[-3000:]
    log = (tmp_path / "run" / "train_log.txt").read_text()
    assert "train discriminator" in log
    assert "valid mel3" in log
    codec = DAC.from_pretrained(tmp_path / "run" / "codec.safetensors")
    codes = codec.encode(torch.randn(1, 1, 800) * 0.1).codes
    assert codes.shape == (1, 3, 40)
    assert codec.delay == 0


def test_a_codec_that_is_trained_on_stays_in_step(recordings, tmp_path):
    """Of any number of codebooks and any delay: by next to nothing, it decodes as before."""
    torch.manual_seed(0)
    rates = {"encoder_rates": [2, 4, 5, 8], "decoder_rates": [8, 5, 4, 2]}
    codec = DAC(4, decoder_dim=32, **rates, n_codebooks=9, codebook_size=64,
                sample_rate=16000, delay=8).eval()  # fmt: skip
    source = codec.save(tmp_path / "source.safetensors")
    options = ["--total_steps=1", "--steps_per_epoch=1", "--batch_size=1", "--lr=1e-9"]
    done = train(
        recordings, tmp_path / "run", f"--source={source}", *options, name="finetune"
    )
    assert done.returncode == 0, done.stderr[-3000:]
    log = (tmp_path / "run" / "train_log.txt").read_text()
    assert set(re.findall(r"valid mel(\d+)", log)) == {"3", "9"}
    after = DAC.from_pretrained(tmp_path / "run" / "codec.safetensors")
    codes = torch.randint(64, (1, 9, 20))
    with torch.no_grad():
        wavs = [c.decode_codes(codes) for c in (codec, after)]
    torch.testing.assert_close(
        wavs[1], wavs[0], rtol=0, atol=1e-4 * float(wavs[0].abs().max())
    )


@pytest.mark.parametrize(
    ("number", "scored"),
    [(12, [4, 12]), (9, [3, 9]), (32, [10, 32]), (2, [1, 2]), (1, [1])],
)
def test_codebooks_to_score_follow_the_codec(number, scored):
    script = runpy.run_path(str(RECIPE / "train.py"))
    codec = DAC(2, [2], 2, 2, [2], number, 2, 2)
    assert script["choose_valid_codebooks"](codec, None) == scored
    assert script["choose_valid_codebooks"](codec, [1]) == [1]


@pytest.mark.slow
@pytest.mark.parametrize("kill_at", [3, 8, 11])
def test_killed_run_ends_as_an_undisturbed_one(recordings, tmp_path, kill_at):
    """SIGKILL in the first or second epoch, started again: the same weights.

    The discriminators join at step 6, so the checkpoint before the last has trained ones.
    """
    options = ["--ckpt_interval_steps=2"]
    straight = train(recordings, tmp_path / "straight", *options)
    assert straight.returncode == 0, straight.stderr[-3000:]
    killer = [sys.executable, "-c", KILLER]
    killed = train(
        recordings, tmp_path / "killed", *options, launcher=killer, KILL_AT=str(kill_at)
    )
    assert killed.returncode == -9
    resumed = train(recordings, tmp_path / "killed", *options)
    assert resumed.returncode == 0, resumed.stderr[-3000:]
    weights = [
        DAC.from_pretrained(tmp_path / name / "codec.safetensors").state_dict()
        for name in ("straight", "killed")
    ]
    for key, value in weights[0].items():
        torch.testing.assert_close(weights[1][key], value, rtol=0, atol=0, msg=key)
    judges = [
        torch.load(max(tmp_path.glob(f"{name}/save/CKPT*/discriminator.ckpt")))
        for name in ("straight", "killed")
    ]
    assert all(torch.equal(judges[1][key], judges[0][key]) for key in judges[0])


def test_a_batch_that_is_no_number_costs_a_batch(recordings, tmp_path):
    """It comes when the discriminators train already, and leaves them whole."""
    breaker = [sys.executable, "-c", BREAKER]
    done = train(recordings, tmp_path / "run", launcher=breaker, BREAK_AT="2")
    assert done.returncode == 0, done.stderr[-3000:]
    said = (tmp_path / "run" / "log.txt").read_text()
    assert len(re.findall(r"loss is nan; batch 2 is skipped", said)) == 1
    log = (tmp_path / "run" / "train_log.txt").read_text()
    assert "train discriminator" in log
    assert "nan" not in log
    codec = DAC.from_pretrained(tmp_path / "run" / "codec.safetensors")
    assert all(torch.isfinite(p).all() for p in codec.parameters())


LAUNCHER = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
LAUNCHER += ["--nproc_per_node=2"]


@pytest.mark.slow
def test_processes_skip_a_batch_together(recordings, tmp_path):
    """One rank's batch is no number: the other does not wait for its gradients."""
    (tmp_path / "breaker.py").write_text(BREAKER)
    done = train(
        recordings,
        tmp_path / "run",
        "--distributed_backend=gloo",
        "--check_ranks=True",
        launcher=[*LAUNCHER, str(tmp_path / "breaker.py")],
        BREAK_AT="3",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = (tmp_path / "run" / "log.txt").read_text()
    assert "is skipped" in said
    assert "parameters are equal on 2 processes" in said


@pytest.mark.slow
def test_two_processes_end_with_equal_parameters(recordings, tmp_path):
    """Gloo, uneven data: both ranks hold the same codec and discriminator."""
    done = train(
        recordings,
        tmp_path / "run",
        "--distributed_backend=gloo",
        "--check_ranks=True",
        launcher=LAUNCHER,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "parameters are equal on 2 processes" in done.stdout


@pytest.mark.slow
def test_discriminators_are_trained_on(recordings, tmp_path):
    """With a learning rate of zero they stay what an earlier run made them."""
    options = ["--batch_size=1", "--steps_per_epoch=2", "--total_steps=2"]
    options += ["--source=16khz-small", "--compile_codec=False"]
    states = []
    for more in ([], ["--lr_d=0.0"]):
        if states:
            more.append(f"--discriminator_source={states[0]}")
        folder = tmp_path / f"run{len(states)}"
        done = train(
            recordings, folder, *options, *more, name="small_16khz_adversarial"
        )
        assert done.returncode == 0, done.stderr[-3000:]
        states.append(max(folder.glob("save/CKPT*/discriminator.ckpt")))
    first, second = (torch.load(path, weights_only=True) for path in states)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.slow
def test_a_loss_without_weight_is_not_computed(recordings, tmp_path):
    """What the YAML has besides is a loss once it has a weight."""
    options = ["--batch_size=1", "--steps_per_epoch=2", "--total_steps=2"]
    options += ["--source=16khz-small", "--compile_codec=False"]
    logged = []
    for weight in (0.0, 10.0):
        folder = tmp_path / f"run{weight}"
        more = f"--weights={{pesq: {weight}}}"
        done = train(recordings, folder, *options, more, name="small_16khz_adversarial")
        assert done.returncode == 0, done.stderr[-3000:]
        log = (folder / "train_log.txt").read_text()
        assert "train mel: " in log
        logged.append("train pesq: " in log)
    assert logged == [False, True]


@pytest.mark.slow
def test_another_decoder_is_trained_for_the_same_codes(recordings, tmp_path):
    """Encoder and codebooks come out bit for bit as they went in."""
    options = ["--batch_size=1", "--steps_per_epoch=2", "--total_steps=2"]
    options += ["--source=16khz-small", "--compile_codec=False", "--restart_every=0"]
    options += ["--decoder_rates=[10, 32]", "--frozen=[encoder, quantizer]"]
    done = train(recordings, tmp_path, *options, name="small_16khz_adversarial")
    assert done.returncode == 0, done.stderr[-3000:]
    before = DAC.from_pretrained("16khz-small", backend="torch")
    after = DAC.from_pretrained(tmp_path / "codec.safetensors", backend="torch")
    assert after.decoder_rates == [10, 32]
    for part in ("encoder", "quantizer"):
        states = [
            fold_weight_norm(getattr(c, part)).state_dict() for c in (before, after)
        ]
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", YAMLS)
def test_every_yaml_trains(recordings, tmp_path, name):
    """Two steps of each stage, on tiny data, through the script."""
    options = ["--batch_size=1", "--steps_per_epoch=4", "--total_steps=4"]
    text = (RECIPE / "hparams" / f"{name}.yaml").read_text()
    if "compile_codec" in text:
        options.append("--compile_codec=False")
    if "skeleton_steps" in text and "skeleton_steps: 0" not in text:
        options.append("--skeleton_steps=2")
    if "\nbudget:" in text:
        options += ["--budget=null", "--num_workers=0", "--test_metrics=[]"]
    if "start_frames" in text:
        options.append("--start_frames=1200")
    options += [f"--{key}={value}" for key, value in REQUIRED.get(name, {}).items()]
    done = train(recordings, tmp_path / "run", *options, name=name)
    assert done.returncode == 0, done.stderr[-3000:]
    codec = DAC.from_pretrained(tmp_path / "run" / "codec.safetensors")
    assert all(torch.isfinite(p).all() for p in codec.parameters())


@pytest.mark.parametrize("name", LIGHT)
def test_yaml_resolves_and_reconstructs(name, tmp_path):
    """The codec of every small YAML forwards a segment of its own length."""
    hparams = resolve(name, tmp_path)
    codec = hparams["codec"]
    wav = torch.randn(2, 1, hparams["segment"]) * 0.1
    codec.train()
    assert codec(wav, reconstruct=True).audio.shape == wav.shape
    optimizer = hparams["opt_class"](codec.parameters())
    assert hparams["schedule_class"](optimizer).get_last_lr()[0] > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL)
def test_full_size_yaml_takes_a_step(name, tmp_path):
    """One step of the codec and one of the discriminators, at full size."""
    from dac_lobe.nnet.losses import GANLoss

    hparams = resolve(name, tmp_path)
    codec, judge = hparams["codec"].train(), hparams["discriminator"]
    wav = torch.randn(1, 1, hparams["segment"]) * 0.1
    forwarded = codec(wav, reconstruct=True)
    assert forwarded.audio.shape == wav.shape
    loss = GANLoss().discriminator(judge(forwarded.audio.detach()), judge(wav))
    loss.backward()
    optimizer = hparams["opt_class_d"](judge.parameters())
    before = next(judge.parameters()).detach().clone()
    optimizer.step()
    assert not torch.equal(before, next(judge.parameters()))
    adversarial, matching = GANLoss().generator(judge(forwarded.audio), judge(wav))
    losses = {
        "mel": hparams["mel_loss"](forwarded.audio, wav),
        "commitment": forwarded.commitment_loss,
        "codebook": forwarded.codebook_loss,
        "adversarial": adversarial,
        "feature_matching": matching,
    }
    total = sum(hparams["weights"][name] * value for name, value in losses.items())
    assert torch.isfinite(total)
    total.backward()
    gradients = [p.grad for p in codec.parameters()]
    assert all(g is not None and torch.isfinite(g).all() for g in gradients)


def test_means_leave_out_what_failed():
    script = runpy.run_path(str(RECIPE / "train.py"))
    nan = float("nan")
    rows = [{"a": 1.0, "b": nan, "c": 1.0}, {"a": 2.0, "b": nan, "c": nan}]
    means = {"a": 1.5, "b_failed": 2, "c": 1.0, "c_failed": 1}
    assert script["mean_scores"](rows) == means


def test_every_key_is_used():
    """No YAML key is left over: each is read by the script or by another key."""
    script = (RECIPE / "train.py").read_text()
    of_speechbrain = {"optimizer_step_limit", "ckpt_interval_minutes"}
    for name in YAMLS:
        text = (RECIPE / "hparams" / f"{name}.yaml").read_text()
        for key in re.findall(r"^([a-z]\w*):", text, flags=re.M):
            read = re.search(rf'hparams\.{key}\b|"{key}"|\.{key}\b', script)
            used = read or f"<{key}>" in text or key in of_speechbrain
            assert used, f"{name}: {key}"
