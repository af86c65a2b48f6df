"""The Brain that recipes share: its schedule ends where training does."""

from __future__ import annotations

import itertools
import random
import time
from types import SimpleNamespace

import pytest
import speechbrain as sb
import torch
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.utils.checkpoints import Checkpointer
from speechbrain.utils.epoch_loop import EpochCounter

from dac_lobe.nnet.datasets import make_loader_options
from dac_lobe.nnet.training import RecipeBrain

EPOCHS, ITEMS = 3, 10


class Line(RecipeBrain):
    """Fit a line; scores nothing."""

    score = "loss"

    stop = 0  # the batch after which the run is killed

    def compute_forward(self, batch, stage):
        x = batch["x"].data
        if stage == sb.Stage.TRAIN:  # what is drawn, by both generators
            x = x * torch.rand_like(x) * random.random()
        return self.modules.line(x)

    def compute_objectives(self, predictions, batch, stage):
        return predictions.square().mean()

    def start_scores(self):
        pass

    def finish_scores(self, stage_loss):
        return {"loss": stage_loss}

    def on_fit_batch_end(self, *given):
        super().on_fit_batch_end(*given)
        self.stop -= 1
        if self.stop == 0:
            raise KeyboardInterrupt


def fit(accumulation, warmup_share=0.3, epochs=EPOCHS, folder=None, stop=0, every=0):
    """Train on batches of one item; return the Brain.

    With checkpoints in a folder, at the ends of epochs and after ``every`` batches.
    """
    rows = {
        str(n): {"x": torch.tensor([1.0, n / ITEMS]), "duration": 1.0}
        for n in range(ITEMS)
    }
    data = DynamicItemDataset(rows, output_keys=["id", "x"])
    sizes = {"batch_seconds": 1, "num_buckets": 1, "max_batch_items": 1}
    options = make_loader_options(data, {**sizes, "seed": 1, "num_workers": 0})
    torch.manual_seed(0)
    line, counter = torch.nn.Linear(2, 1), EpochCounter(epochs)
    checkpointer = SimpleNamespace(
        add_recoverable=lambda *named, **more: None,
        recover_if_possible=lambda *named: None,
        save_and_keep_only=lambda *said, **more: None,
    )
    if folder is not None:
        checkpointer = Checkpointer(folder, {"line": line, "counter": counter})
    brain = Line(
        {"line": line},
        lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        {
            "seed": 1,
            "number_of_epochs": epochs,
            "epoch_counter": counter,
            "test_loader": {},
            "train_logger": SimpleNamespace(log_stats=lambda *said, **more: None),
            "lr_scheduler": lambda optimizer, total_steps: (
                torch.optim.lr_scheduler.OneCycleLR(
                    optimizer, 0.1, total_steps, pct_start=warmup_share
                )
            ),
        },
        {
            "grad_accumulation_factor": accumulation,
            "noprogressbar": True,
            "ckpt_interval_minutes": 0,
            "ckpt_interval_steps": every,
        },
        checkpointer,
    )
    brain.stop = stop
    brain.train_on(data, data, options)
    return brain


@pytest.mark.parametrize("accumulation", [1, 3, 4, 10])
def test_schedule_is_complete_at_the_end(accumulation):
    """Ten batches are three steps of three, and one that is left over."""
    brain = fit(accumulation)
    steps = EPOCHS * (ITEMS // accumulation)
    assert brain.optimizer_step == steps
    assert brain.scheduler.last_epoch == steps - 1
    assert brain.optimizer.param_groups[0]["lr"] < 1e-4


def test_warmup_of_one_step():
    """OneCycleLR divides by zero where the warm-up is one step exactly."""
    brain = fit(1, warmup_share=1 / (EPOCHS * ITEMS))
    assert brain.optimizer_step == EPOCHS * ITEMS
    assert brain.optimizer.param_groups[0]["lr"] < 1e-3


def same(first, second):
    """Tell whether two runs ended with the same weights."""
    return all(
        torch.equal(one, other)
        for one, other in zip(
            first.modules.parameters(), second.modules.parameters(), strict=True
        )
    )


@pytest.mark.parametrize("accumulation", [1, 3])
@pytest.mark.parametrize("stop", [7, 10, 15])
def test_a_killed_run_ends_as_one_that_was_not(tmp_path, accumulation, stop):
    """From a checkpoint in the middle of an epoch, too."""
    straight = fit(accumulation)
    assert same(straight, fit(accumulation))
    with pytest.raises(KeyboardInterrupt):
        fit(accumulation, folder=tmp_path, stop=stop, every=2)
    newest = Checkpointer(tmp_path).find_checkpoint()
    assert not newest.meta["end-of-epoch"]
    resumed = fit(accumulation, folder=tmp_path, every=2)
    assert resumed.optimizer_step == straight.optimizer_step
    assert same(straight, resumed)


def test_a_run_goes_on_for_more_epochs(tmp_path):
    """With the learning rate that a run of so many epochs would have."""
    short = fit(1, folder=tmp_path)
    longer = fit(1, epochs=2 * EPOCHS, folder=tmp_path)
    straight = fit(1, epochs=2 * EPOCHS)
    assert not same(short, longer)
    assert longer.optimizer_step == straight.optimizer_step
    assert longer.scheduler.last_epoch == straight.scheduler.last_epoch
    assert longer.scheduler.get_last_lr() == straight.scheduler.get_last_lr()


def test_minutes_of_all_starts_count(tmp_path, monkeypatch):
    """Here, each look at the clock takes one; so does each of the checkpoints."""
    seconds = itertools.count(0, 60)
    monkeypatch.setattr(time, "process_time", lambda: float(next(seconds)))
    assert fit(1, folder=tmp_path).cpu_time.minutes == EPOCHS + 1
    again = fit(1, folder=tmp_path)
    assert again.cpu_time.minutes == EPOCHS + 1
    longer = fit(1, epochs=2 * EPOCHS, folder=tmp_path)
    assert longer.cpu_time.minutes == 2 * EPOCHS + 1


def test_more_than_an_epoch_in_a_step():
    with pytest.raises(ValueError, match="Choose 10 at most"):
        fit(11)
