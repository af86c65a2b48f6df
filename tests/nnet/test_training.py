"""The Brain that recipes share: its schedule ends where training does."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.utils.epoch_loop import EpochCounter

from dac_lobe.nnet.training import RecipeBrain, make_loader_options

EPOCHS, ITEMS = 3, 10


class Line(RecipeBrain):
    """Fit a line; scores nothing."""

    score = "loss"

    def compute_forward(self, batch, stage):
        return self.modules.line(batch["x"].data)

    def compute_objectives(self, predictions, batch, stage):
        return predictions.square().mean()

    def start_scores(self):
        pass

    def finish_scores(self, stage_loss):
        return {"loss": stage_loss}


def fit(accumulation, warmup_share=0.3):
    """Train on batches of one item; return the Brain."""
    rows = {str(n): {"x": torch.ones(2), "duration": 1.0} for n in range(ITEMS)}
    data = DynamicItemDataset(rows, output_keys=["id", "x"])
    sizes = {"batch_seconds": 1, "num_buckets": 1, "max_batch_items": 1}
    options = make_loader_options(data, {**sizes, "seed": 1, "num_workers": 0})
    brain = Line(
        {"line": torch.nn.Linear(2, 1)},
        lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        {
            "seed": 1,
            "number_of_epochs": EPOCHS,
            "epoch_counter": EpochCounter(EPOCHS),
            "test_loader": {},
            "train_logger": SimpleNamespace(log_stats=lambda *said, **more: None),
            "lr_scheduler": lambda optimizer, total_steps: (
                torch.optim.lr_scheduler.OneCycleLR(
                    optimizer, 0.1, total_steps, pct_start=warmup_share
                )
            ),
        },
        {"grad_accumulation_factor": accumulation, "noprogressbar": True},
        SimpleNamespace(
            add_recoverable=lambda *named: None,
            recover_if_possible=lambda *named: None,
            save_and_keep_only=lambda *said, **more: None,
        ),
    )
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


def test_more_than_an_epoch_in_a_step():
    with pytest.raises(ValueError, match="Choose 10 at most"):
        fit(11)
