"""What the recipes' training scripts share: datasets, batches, and a Brain.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
import os
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import speechbrain as sb
import torch
from speechbrain.dataio.dataio import load_data_csv
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.dataio.sampler import DynamicBatchSampler

from dac_lobe.audio import read_audio
from dac_lobe.data.parts import SEGMENT_COLUMNS, read_segment
from dac_lobe.data.variants import variant_id
from dac_lobe.nnet.schedules import load_schedule
from dac_lobe.nnet.token_codec import TokenCodec
from dac_lobe.tokens import TokenStore

__all__ = [
    "RecipeBrain",
    "add_audio",
    "add_tokens",
    "check_codebooks",
    "make_loader_options",
    "read_datasets",
]


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
    with the tokens of another codec.
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
        tokens = getattr(self.hparams, "token_meta", None)
        if tokens is not None and self.checkpointer is not None:
            TokenCodec(tokens["fingerprint"]).join(self.checkpointer)

    @abstractmethod
    def start_scores(self) -> None:
        """Begin to count, before a validation or a test."""

    @abstractmethod
    def finish_scores(self, stage_loss: float) -> dict[str, float]:
        """Return what was counted, by name; one of them is ``score``."""

    def train_on(
        self, train: DynamicItemDataset, valid: DynamicItemDataset, options: dict
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


def read_datasets(
    paths: Mapping[str, str | Path], data_folder: str | Path
) -> dict[str, DynamicItemDataset]:
    """Read manifests by name, with ``$data_root`` put in.

    Arguments
    ---------
    paths : mapping
        Manifests by name.
    data_folder : str or Path
        What ``$data_root`` stands for.

    Returns
    -------
    dict
        Datasets by name.

    Raises
    ------
    ValueError
        If a manifest is empty.
    """
    datasets = {}
    for name, path in paths.items():
        rows = load_data_csv(path, {"data_root": data_folder})
        if not rows:
            raise ValueError(
                f"manifest {path} is empty. Needed is at least one recording."
            )
        datasets[name] = DynamicItemDataset(rows)
    return datasets


def add_audio(datasets: Mapping[str, DynamicItemDataset], sample_rate: int) -> None:
    """Add ``sig``, the mean of a recording's channels, or of a segment of it.

    Segments are columns as in any manifest of this package: see `dac_lobe.data.parts`.

    Arguments
    ---------
    datasets : mapping
        Changed in place.
    sample_rate : int
        In Hz; recordings of other rates are resampled.
    """

    def read(columns: Sequence[str], wav: str, id: str, *values: str) -> torch.Tensor:
        segment, _ = read_segment(repr(id), dict(zip(columns, values, strict=True)))
        return torch.from_numpy(read_audio(wav, sample_rate, segment).mean(0))

    for dataset in datasets.values():
        columns = sorted(SEGMENT_COLUMNS & set(next(iter(dataset.data.values()))))
        needed = ["wav", "id", *columns]
        dataset.add_dynamic_item(partial(read, columns), needed, "sig")


def add_tokens(
    datasets: Mapping[str, DynamicItemDataset],
    token_folder: str | Path,
    num_codebooks: int,
    shuffled: bool = False,
    variants: int = 0,
) -> None:
    """Give every item of datasets its ``tokens`` [F, K], from a store.

    Arguments
    ---------
    datasets : mapping
        Datasets by name; 'train' is the one that has variants.
    token_folder : str or Path
        Folder of the store.
    num_codebooks : int
        Codebooks K to read.
    shuffled : bool
        The control: the frames of each item in another order, the same one each
        time.
    variants : int
        Augmented copies of a training item in the store. If not 0, each reading
        draws among them and the original.

    Raises
    ------
    ValueError
        If the store lacks an item or a variant.
    """
    store = TokenStore(token_folder, None, num_codebooks)

    def read(name: str) -> torch.Tensor:
        tokens = store[name]
        if shuffled:
            order = torch.Generator().manual_seed(len(tokens))
            tokens = tokens[torch.randperm(len(tokens), generator=order)]
        return tokens

    def read_variant(dataset: DynamicItemDataset, name: str) -> torch.Tensor:
        drawing = getattr(dataset, "drawing", None)  # in training, not before
        if drawing is None:
            drawn = int(torch.randint(variants + 1, ()))
        else:
            drawn = random.Random(f"{drawing} {name}").randint(0, variants)
        return read(variant_id(name, drawn))

    for label, dataset in datasets.items():
        store.require(dataset.data_ids)
        drawing = variants and label == "train"
        if drawing:
            store.require(
                variant_id(name, number)
                for name in dataset.data_ids
                for number in range(1, variants + 1)
            )
        pipeline = partial(read_variant, dataset) if drawing else read
        dataset.add_dynamic_item(pipeline, takes="id", provides="tokens")


def make_loader_options(
    dataset: DynamicItemDataset, hparams: Mapping[str, Any]
) -> dict[str, Any]:
    """Make options of a loader: batches of similar lengths, by seconds of audio."""
    sampler = DynamicBatchSampler(
        dataset,
        max_batch_length=hparams["batch_seconds"],
        num_buckets=hparams["num_buckets"],
        length_func=lambda item: item["duration"],
        max_batch_ex=hparams["max_batch_items"],
        seed=hparams["seed"],
    )
    return {"batch_sampler": sampler, "num_workers": hparams["num_workers"]}


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
