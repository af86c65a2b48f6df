"""What the recipes' training scripts share: a Brain, what it may be asked, and results.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import json
import math
import os
import random
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import speechbrain as sb
import torch
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.utils.distributed import if_main_process

from dac_lobe.nnet.blueprint import Blueprint
from dac_lobe.nnet.cpu_time import CPUTime
from dac_lobe.nnet.schedules import load_schedule
from dac_lobe.nnet.token_codec import TokenCodec

__all__ = ["RecipeBrain", "check_codebooks", "write_results"]

# Here in version 0.2, now in `dac_lobe.nnet.datasets`.
MOVED = ("add_tokens", "make_loader_options", "read_datasets")


def __getattr__(name: str) -> Any:
    """Find a moved name, and warn."""
    if name not in MOVED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(
        f"{__name__}.{name} is now in dac_lobe.nnet.datasets; the old name goes with "
        "version 0.4.",
        DeprecationWarning,
        stacklevel=2,
    )
    return getattr(import_module("dac_lobe.nnet.datasets"), name)


class RecipeBrain(sb.Brain, ABC):
    """A Brain whose learning rate follows the steps, and whose runs can be resumed.

    Every step starts from its own seed: a run that was killed and goes on, from
    the end of an epoch or its middle, draws the same batches, masks and augmentations
    as one that was not. The schedule ends with ``number_of_epochs`` of the run that is
    going, so that a run may go on for more epochs than it was begun with.

    A recipe gives ``lr_scheduler`` (called with the optimizer and
    ``total_steps``), ``seed``, ``number_of_epochs`` and ``test_loader`` in its
    hparams, and overrides `compute_forward`, `compute_objectives`,
    `start_scores` and `finish_scores`. Where its hparams have ``token_meta``, the
    codec's fingerprint there is kept with the checkpoints, and a run does not go on
    with the tokens of another codec; nor with other ``modules``, where its
    ``output_folder`` has SpeechBrain's hyperparams.yaml. ``cpu_time`` counts what the
    run has spent: read it before a test, which loads the best checkpoint.
    """

    total_steps: int
    epoch: int
    train_set: DynamicItemDataset
    batch_sampler: Any
    train_stats: dict[str, float]
    test_stats: dict[str, float]
    score: str  # the lowest one is the best checkpoint's

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        self.cpu_time = CPUTime()
        if self.checkpointer is None:
            return
        self.checkpointer.add_recoverable("cpu_time", self.cpu_time, optional_load=True)
        tokens = getattr(self.hparams, "token_meta", None)
        if tokens is not None:
            TokenCodec(tokens["fingerprint"]).join(self.checkpointer)
        folder = getattr(self.hparams, "output_folder", None)
        yaml = None if folder is None else Path(folder) / "hyperparams.yaml"
        if yaml is not None and yaml.is_file():
            Blueprint(yaml.read_text(encoding="utf-8")).join(self.checkpointer)

    @abstractmethod
    def start_scores(self) -> None:
        """Begin to count, before a validation or a test."""

    @abstractmethod
    def finish_scores(self, stage_loss: float) -> dict[str, float]:
        """Return what was counted, by name; one of them is ``score``."""

    def train_on(
        self,
        train: DynamicItemDataset,
        valid: DynamicItemDataset,
        options: dict[str, Any],
    ) -> None:
        """Fit, with the batches of `make_loader_options`."""
        self.batch_sampler = options["batch_sampler"]
        ranks = int(os.environ.get("WORLD_SIZE", 1))
        batches = math.ceil(len(self.batch_sampler) / ranks)
        # What an epoch leaves over is no step.
        steps = batches // self.grad_accumulation_factor
        if not steps:
            raise ValueError(
                f"grad_accumulation_factor: {self.grad_accumulation_factor}, but an "
                f"epoch has {batches} batches. Choose {batches} at most."
            )
        self.total_steps = steps * self.hparams.number_of_epochs
        self.train_set = train
        self.fit(
            self.hparams.epoch_counter,
            train,
            valid,
            train_loader_kwargs=options,
            # A copy: SpeechBrain adds to it.
            valid_loader_kwargs=dict(self.hparams.test_loader),
        )

    def init_optimizers(self) -> None:
        """Make the optimizer, and a scheduler that checkpoints hold too."""
        super().init_optimizers()
        make = self.hparams.lr_scheduler
        try:
            self.scheduler = make(self.optimizer, total_steps=self.total_steps)
        except ZeroDivisionError:
            # torch's OneCycleLR where its warm-up is one step: 10 steps, a tenth.
            self.scheduler = make(self.optimizer, total_steps=self.total_steps + 1)
        if self.checkpointer is not None:
            self.checkpointer.add_recoverable(
                "scheduler", self.scheduler, custom_load_hook=load_schedule
            )

    def on_fit_batch_start(self, batch, should_step) -> None:
        """Seed a step."""
        self._seed(f"step {self.step}")

    def on_fit_batch_end(self, batch, outputs, loss, should_step) -> None:
        """Move the learning rate on."""
        # The number of batches differs a little from epoch to epoch.
        if should_step and self.scheduler.last_epoch + 1 < self.total_steps:
            self.scheduler.step()

    def on_stage_start(self, stage, epoch=None) -> None:
        """Seed an epoch, or begin to count."""
        if stage != sb.Stage.TRAIN:
            self.start_scores()
            return
        self.epoch = epoch
        self.batch_sampler.set_epoch(epoch)
        # Read by `add_tokens`, in whatever process: the dataset is there, we are not.
        self.train_set.drawing = f"{self.hparams.seed} {epoch}"
        self._seed("start")

    def _seed(self, moment: str) -> None:
        """Make what is drawn from here on depend on nothing before."""
        rank = getattr(self, "rank", None) or 0
        # SpeechBrain's augmentations draw from both.
        random.seed(f"{self.hparams.seed} {self.epoch} {rank} {moment}")
        torch.manual_seed(random.getrandbits(32))

    def _should_save_intra_epoch_ckpt(self, *since: Any) -> bool:
        """Tell whether to save now: between steps, no checkpoint holds the gradients."""
        after_step = self.step % self.grad_accumulation_factor == 0
        return after_step and super()._should_save_intra_epoch_ckpt(*since)

    def on_stage_end(self, stage, stage_loss, epoch=None) -> None:
        """Log, and keep the newest and the best checkpoint."""
        if stage == sb.Stage.TRAIN:
            self.train_stats = {"loss": stage_loss}
            return
        stats = self.finish_scores(stage_loss)
        if stage == sb.Stage.TEST:
            self.test_stats = stats
            return
        self.hparams.train_logger.log_stats(
            {"epoch": epoch, "lr": self.optimizer.param_groups[0]["lr"]},
            train_stats=self.train_stats,
            valid_stats=stats,
        )
        self.checkpointer.save_and_keep_only(
            meta={self.score: stats[self.score], "epoch": epoch},
            min_keys=[self.score],
            keep_recent=True,
        )


def write_results(folder: str | Path, results: Mapping[str, Any]) -> None:
    """Write results.json into a folder, from the main process alone.

    Arguments
    ---------
    folder : str or Path
        The run's output folder.
    results : mapping
        What JSON can hold.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_results(folder, {"WER": 1.5})
    ...     json.loads((Path(folder) / "results.json").read_text())
    {'WER': 1.5}
    """
    if if_main_process():
        text = json.dumps(results, indent=2) + "\n"
        (Path(folder) / "results.json").write_text(text)


def check_codebooks(name: str, numbers: Any, num_codebooks: int) -> None:
    """Raise a ValueError if a list of numbers of codebooks cannot be evaluated.

    Arguments
    ---------
    name : str
        What the recipe calls the list.
    numbers : list of int
        Numbers of codebooks, as a YAML or a command line gives them.
    num_codebooks : int
        Codebooks K that the model has; 0 if its input is none.

    Raises
    ------
    ValueError
        If it is no list, or holds anything but whole numbers from 1 to K.

    Example
    -------
    >>> check_codebooks("valid_codebooks", [1, 5], 3)
    Traceback (most recent call last):
    ...
    ValueError: valid_codebooks: [1, 5], but there are 3 codebooks. Give a list of...
    """
    allowed = range(1, num_codebooks + 1)
    if isinstance(numbers, list) and all(
        type(number) is int and number in allowed for number in numbers
    ):
        return
    remedy = f"a list of numbers from 1 to {num_codebooks}" if num_codebooks else "[]"
    raise ValueError(
        f"{name}: {numbers}, but there are {num_codebooks} codebooks. Give {remedy}."
    )
