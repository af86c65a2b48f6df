#!/usr/bin/env python3
"""Recipe for a probe: what the first K codebooks of tokens still say.

The embedding is the codec's own and frozen; two convolutions, pooling over time
and a linear layer are trained on it, anew for every K. The YAML chooses what is
asked for, a label of the recording or the words in it; all else is the same, so
the curves of two tasks can be laid side by side:

> python train.py hparams/an4_speaker.yaml --data_folder ... --token_folder ...
> python train.py hparams/an4_words.yaml --data_folder ... --token_folder ...
> python draw.py speaker=results/an4_speaker/1986 words=results/an4_words/1986 keeps.svg

Authors
 * The dac-lobe developers 2026
"""

import sys
from collections import Counter
from pathlib import Path

import speechbrain as sb
import torch
import torch.nn.functional as F
from hyperpyyaml import load_hyperpyyaml
from speechbrain.utils.distributed import run_on_main
from torch import nn

from dac_lobe.nnet.context import Context
from dac_lobe.nnet.datasets import add_tokens, make_loader_options, read_datasets
from dac_lobe.nnet.embedding import TokenEmbedding
from dac_lobe.nnet.masks import valid_mask
from dac_lobe.nnet.training import RecipeBrain, write_results


class PooledProbe(nn.Module):
    """Tokens [B, F, K] to a score for each label, [B, labels]."""

    def __init__(self, codebooks, vocab_size, init_from, size, layers, labels, dropout):
        super().__init__()
        self.embedding = TokenEmbedding(codebooks, vocab_size, init_from=init_from)
        self.embedding.requires_grad_(False)
        self.project = nn.Linear(self.embedding.emb_dim, size)
        self.norm = nn.LayerNorm(size)
        self.context = Context(size, layers, dropout)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(3 * size, labels)

    def forward(self, tokens, lengths):
        valid = valid_mask(tokens.shape[1], lengths)
        features = self.norm(self.project(self.embedding(tokens)))
        features = self.context(features, valid)
        count = valid.sum(1)[:, None]
        valid = valid[..., None]
        mean = features.sum(1) / count
        variance = ((features - mean[:, None]).square() * valid).sum(1) / count
        greatest = features.masked_fill(~valid, float("-inf")).amax(1)
        pooled = torch.cat([mean, (variance + 1e-5).sqrt(), greatest], 1)
        return self.output(self.dropout(pooled))


class Probe(RecipeBrain):
    """Scores of labels; as many labels as an item has are its answer."""

    score = "error"

    def compute_forward(self, batch, stage):
        batch = batch.to(self.device)
        return self.modules.probe(*batch.tokens)

    def compute_objectives(self, predictions, batch, stage):
        asked = batch.labels.data  # 0 or 1, [B, labels]
        if stage != sb.Stage.TRAIN:
            for scores, truth in zip(predictions, asked, strict=True):
                wanted = int(truth.sum())
                self.right += float(truth[scores.topk(wanted).indices].sum())
                self.asked += wanted
        if self.hparams.several:
            # A label of a hundred is rare: the sum over labels, not their mean.
            loss = F.binary_cross_entropy_with_logits(
                predictions, asked, reduction="none"
            )
            return loss.sum(1).mean()
        return F.cross_entropy(predictions, asked.argmax(1))

    def start_scores(self):
        self.right = self.asked = 0

    def finish_scores(self, stage_loss):
        accuracy = 100 * self.right / self.asked
        return {"loss": stage_loss, "accuracy": accuracy, "error": 100 - accuracy}


def dataio_prepare(hparams, num_codebooks):
    """Prepare the datasets; return them, the labels, and what guessing would find."""
    paths = {
        "train": hparams["train_csv"],
        "valid": hparams["valid_csv"],
        "test": hparams["test_csv"],
    }
    datasets = read_datasets(paths, hparams["data_folder"])
    add_tokens(datasets, hparams["token_folder"], num_codebooks)

    def labels_of(row):
        value = row[hparams["label"]]
        return set(value.split()) if hparams["several"] else {value}

    seen = Counter(
        label for row in datasets["train"].data.values() for label in labels_of(row)
    )
    numbers = {label: number for number, label in enumerate(sorted(seen))}

    @sb.utils.data_pipeline.takes(hparams["label"])
    @sb.utils.data_pipeline.provides("labels")
    def label_pipeline(value):
        vector = torch.zeros(len(numbers))
        for label in labels_of({hparams["label"]: value}) & seen.keys():
            vector[numbers[label]] = 1.0
        return vector

    for name, dataset in datasets.items():
        # What was never trained on cannot be asked for.
        dataset.data = {
            key: row
            for key, row in dataset.data.items()
            if labels_of(row) & seen.keys()
        }
        dataset.data_ids = list(dataset.data)
        if not dataset.data:
            raise ValueError(
                f"{paths[name]} has no {hparams['label']!r} of the training split. Are "
                "the speakers apart? Set apart to sentences."
            )
        dataset.add_dynamic_item(label_pipeline)
        dataset.set_output_keys(["id", "tokens", "labels"])
    common = [label for label, _ in seen.most_common()]
    found = asked = 0
    for row in datasets["test"].data.values():
        labels = labels_of(row) & seen.keys()
        found += len(labels & set(common[: len(labels)]))
        asked += len(labels)
    return datasets, numbers, 100 * found / asked


def probe(hparams, num_codebooks, run_opts):
    """Train and test on the first codebooks; return the scores, and what they took."""
    sb.utils.seed.seed_everything(hparams["seed"])
    datasets, labels, guessed = dataio_prepare(hparams, num_codebooks)
    module = PooledProbe(
        num_codebooks,
        hparams["token_meta"]["codebook_size"],
        hparams["token_folder"],
        hparams["size"],
        hparams["layers"],
        len(labels),
        hparams["dropout"],
    )
    counter = sb.utils.epoch_loop.EpochCounter(hparams["number_of_epochs"])
    checkpointer = sb.utils.checkpoints.Checkpointer(
        Path(hparams["save_folder"]) / f"{num_codebooks}_codebooks",
        recoverables={"model": module, "counter": counter},
    )
    brain = Probe(
        modules={"probe": module},
        opt_class=hparams["opt_class"],
        hparams={**hparams, "epoch_counter": counter},
        run_opts=run_opts,
        checkpointer=checkpointer,
    )
    brain.train_on(
        datasets["train"],
        datasets["valid"],
        make_loader_options(datasets["train"], hparams),
    )
    training = {"epochs": counter.current, "cpu_minutes": brain.cpu_time.minutes}
    brain.evaluate(
        datasets["test"],
        min_key="error",
        test_loader_kwargs=dict(hparams["test_loader"]),
    )
    hparams["train_logger"].log_stats(
        {"test": f"{num_codebooks} codebooks"}, test_stats=brain.test_stats
    )
    sizes = {"labels": len(labels), "items": len(datasets["test"]), "guessed": guessed}
    return {**brain.test_stats, **sizes}, training


if __name__ == "__main__":
    hparams_file, run_opts, overrides = sb.parse_arguments(sys.argv[1:])
    sb.utils.distributed.ddp_init_group(run_opts)
    with open(hparams_file, encoding="utf-8") as fin:
        hparams = load_hyperpyyaml(fin, overrides)
    sb.create_experiment_directory(hparams["output_folder"], hparams_file, overrides)
    run_on_main(hparams["prepare"])
    results, spent = {}, []
    for count in hparams["codebooks"]:
        results[f"{count} codebooks"], training = probe(hparams, count, run_opts)
        spent.append(training)
    results["training"] = {
        "epochs": max((training["epochs"] for training in spent), default=0),
        "cpu_minutes": sum(training["cpu_minutes"] for training in spent),
        "codec": hparams["token_meta"]["fingerprint"],
    }
    write_results(hparams["output_folder"], results)
