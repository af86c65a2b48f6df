"""Datasets of the recipes: from manifests, with audio or tokens, in batches.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from speechbrain.dataio.dataio import load_data_csv
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.dataio.sampler import DynamicBatchSampler

from dac_lobe.audio import read_audio
from dac_lobe.data.parts import SEGMENT_COLUMNS, read_segment
from dac_lobe.data.tables import rows_of_csv
from dac_lobe.data.variants import variant_id
from dac_lobe.tokens import TokenStore

__all__ = ["add_audio", "add_tokens", "make_loader_options", "read_datasets"]


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
        If a manifest is empty, a row has not its columns, or a segment is none.
    """
    datasets = {}
    for name, path in paths.items():
        for where, values in rows_of_csv(Path(path), required=()):
            read_segment(where, values)
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
