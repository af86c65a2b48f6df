#!/usr/bin/env python3
"""Recipe for a CTC recogniser on codec tokens, or on filterbanks.

The YAML chooses the corpus, the input, the network and its size; the script is
the same for all of them. Tokens come from a store that was extracted once:

> python ../tokens/extract.py ../tokens/hparams/an4.yaml --data_folder /path/to/an4
> python train.py hparams/an4_tiny.yaml --data_folder /path/to/an4 --token_folder ...

With several GPUs:
> torchrun --standalone --nproc_per_node=2 train.py hparams/x.yaml ...

Authors
 * The dac-lobe developers 2026
"""

import json
import logging
import os
import sys
import time
from itertools import pairwise
from pathlib import Path

import speechbrain as sb
import torch
from hyperpyyaml import load_hyperpyyaml
from speechbrain.decoders import ctc_greedy_decode
from speechbrain.utils.distributed import if_main_process, run_on_main

from dac_lobe.audio import read_audio
from dac_lobe.nnet.filterbank_pretraining import pretrain_on_filterbanks
from dac_lobe.tokens import TokenStore

logger = logging.getLogger(__name__)


class ASR(sb.Brain):
    """Frontend, encoder, and a linear layer trained with CTC."""

    num_codebooks = None  # look at this prefix of the codebooks when testing

    def compute_forward(self, batch, stage):
        batch = batch.to(self.device)
        inputs, lengths = batch[self.hparams.input]
        features = self.modules.frontend(inputs, lengths, self.num_codebooks)
        encoded = self.modules.encoder(features, lengths)
        return self.modules.output(encoded).log_softmax(-1)

    def compute_objectives(self, predictions, batch, stage):
        lengths = batch[self.hparams.input][1]
        chars, char_lengths = batch.char_encoded
        loss = self.hparams.ctc_cost(predictions, chars, lengths, char_lengths)
        if stage != sb.Stage.TRAIN:
            blank = self.hparams.blank_index
            hypotheses = ctc_greedy_decode(predictions, lengths, blank)
            heard = ["".join(self.label_encoder.decode_ndim(h)) for h in hypotheses]
            self.words.append(batch.id, [h.split() for h in heard], batch.words)
            self.chars.append(batch.id, [list(h) for h in heard], batch.char_list)
        return loss

    def init_optimizers(self):
        super().init_optimizers()
        self.scheduler = self.hparams.lr_scheduler(
            self.optimizer, total_steps=self.total_steps
        )
        if self.checkpointer is not None:
            self.checkpointer.add_recoverable("scheduler", self.scheduler)

    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        # The number of batches differs a little from epoch to epoch.
        if should_step and self.scheduler.last_epoch + 1 < self.total_steps:
            self.scheduler.step()

    def on_stage_start(self, stage, epoch=None):
        if stage == sb.Stage.TRAIN:
            # Every epoch starts from its own seed: a run that was killed and
            # resumed draws the same batches, masks and prefixes as one that was not.
            self.batch_sampler.set_epoch(epoch)
            torch.manual_seed(self.hparams.seed + 1000 * epoch + self.rank_or_zero())
        else:
            self.words = self.hparams.error_rate_computer()
            self.chars = self.hparams.error_rate_computer()

    def rank_or_zero(self):
        return getattr(self, "rank", None) or 0

    def on_stage_end(self, stage, stage_loss, epoch=None):
        if stage == sb.Stage.TRAIN:
            self.train_stats = {"loss": stage_loss}
            return
        stats = {
            "loss": stage_loss,
            "WER": self.words.summarize("error_rate"),
            "CER": self.chars.summarize("error_rate"),
        }
        if stage == sb.Stage.VALID:
            self.hparams.train_logger.log_stats(
                {"epoch": epoch, "lr": self.optimizer.param_groups[0]["lr"]},
                train_stats=self.train_stats,
                valid_stats=stats,
            )
            self.checkpointer.save_and_keep_only(
                meta={"WER": stats["WER"], "epoch": epoch},
                min_keys=["WER"],
                keep_recent=True,
            )
        else:
            self.test_stats = stats

    def test(self, name, dataset, num_codebooks=None):
        """Evaluate the best checkpoint, on a prefix of the codebooks if asked to."""
        self.num_codebooks = num_codebooks
        self.evaluate(
            dataset, min_key="WER", test_loader_kwargs=self.hparams.test_loader
        )
        self.num_codebooks = None
        label = name if num_codebooks is None else f"{name}, {num_codebooks} codebooks"
        self.hparams.train_logger.log_stats({"test": label}, test_stats=self.test_stats)
        if if_main_process():
            stem = label.replace(", ", "_").replace(" ", "_")
            path = Path(self.hparams.output_folder) / f"wer_{stem}.txt"
            with open(path, "w", encoding="utf-8") as file:
                self.words.write_stats(file)
        return self.test_stats


def dataio_prepare(hparams):
    """Prepare the datasets, their pipelines, and the alphabet."""
    # 1. Datasets
    data_root = {"data_root": hparams["data_folder"]}
    paths = {"train": hparams["train_csv"], "valid": hparams["valid_csv"]}
    paths.update({Path(path).stem: path for path in hparams["test_csv"]})
    datasets = {
        name: sb.dataio.dataset.DynamicItemDataset.from_csv(path, data_root)
        for name, path in paths.items()
    }
    everything = list(datasets.values())

    # 2. Input: the waveform, and tokens of a store
    @sb.utils.data_pipeline.takes("wav")
    @sb.utils.data_pipeline.provides("sig")
    def audio_pipeline(wav):
        return torch.from_numpy(read_audio(wav, hparams["sample_rate"]).mean(0))

    sb.dataio.dataset.add_dynamic_item(everything, audio_pipeline)

    if hparams["input"] == "tokens":
        store = TokenStore(hparams["token_folder"], None, hparams["num_codebooks"])
        for dataset in everything:
            store.require(dataset.data_ids)

        @sb.utils.data_pipeline.takes("id")
        @sb.utils.data_pipeline.provides("tokens")
        def token_pipeline(name):
            tokens = store[name]
            if hparams["shuffle_tokens"]:  # the control: the same frames, no order
                order = torch.Generator().manual_seed(len(tokens))
                tokens = tokens[torch.randperm(len(tokens), generator=order)]
            return tokens

        sb.dataio.dataset.add_dynamic_item(everything, token_pipeline)

    # 3. Text
    label_encoder = sb.dataio.encoder.CTCTextEncoder()

    @sb.utils.data_pipeline.takes("wrd")
    @sb.utils.data_pipeline.provides("words", "char_list", "char_encoded")
    def text_pipeline(wrd):
        yield wrd.split()
        char_list = list(wrd)
        yield char_list
        yield label_encoder.encode_sequence_torch(char_list)

    sb.dataio.dataset.add_dynamic_item(everything, text_pipeline)
    label_encoder.load_or_create(
        path=Path(hparams["save_folder"]) / "label_encoder.txt",
        from_didatasets=[datasets["train"]],
        output_key="char_list",
        special_labels={"blank_label": hparams["blank_index"]},
        sequence_input=True,
    )
    label_encoder.ignore_len()  # checked here, with a remedy
    if len(label_encoder) != hparams["output_neurons"]:
        raise ValueError(
            f"output_neurons: {hparams['output_neurons']}, but the transcripts have "
            f"{len(label_encoder) - 1} characters and the blank. Set output_neurons "
            f"to {len(label_encoder)}."
        )

    # 4. Output, and what CTC cannot learn
    keys = ["id", hparams["input"], "words", "char_list", "char_encoded"]
    sb.dataio.dataset.set_output_keys(everything, keys)
    for dataset in everything:
        check_lengths(dataset, hparams, label_encoder)
    return datasets, label_encoder


def check_lengths(dataset, hparams, label_encoder):
    """Raise a ValueError for a text longer than its frames: CTC would call it 0."""
    for name, row in dataset.data.items():
        text = row["wrd"]
        unknown = sorted(set(text) - set(label_encoder.lab2ind))
        if not text or unknown:
            raise ValueError(
                f"{name}: text {text!r} has {unknown or 'no characters'}; the "
                "training transcripts have "
                f"{''.join(map(str, sorted(map(str, label_encoder.lab2ind))))!r}."
            )
        repeats = sum(first == second for first, second in pairwise(text))
        rate = hparams["frame_rate"] / hparams["subsample"]
        frames = int(float(row["duration"]) * rate)
        if frames < len(text) + repeats:
            raise ValueError(
                f"{name}: {frames} frames in {row['duration']} s are too few for CTC; "
                f"{text!r} needs {len(text) + repeats}. Drop it from the manifest."
            )


def make_loader_options(dataset, hparams):
    """Batches of similar lengths, by seconds of audio."""
    sampler = sb.dataio.sampler.DynamicBatchSampler(
        dataset,
        max_batch_length=hparams["batch_seconds"],
        num_buckets=hparams["num_buckets"],
        length_func=lambda item: item["duration"],
        max_batch_ex=hparams["max_batch_items"],
        seed=hparams["seed"],
    )
    return {"batch_sampler": sampler, "num_workers": hparams["num_workers"]}


def pretrain(brain, dataset):
    """Pretrain the frontend: filterbanks of the training recordings from their tokens."""
    hparams = brain.hparams
    if not hparams.pretrain_epochs:
        return
    options = make_loader_options(dataset, vars(hparams))  # with a sampler of its own

    def batches():
        loader = sb.dataio.dataloader.make_dataloader(dataset, **options)
        with dataset.output_keys_as(["tokens", "sig"]):
            for batch in loader:
                yield *batch.tokens, *batch.sig

    torch.manual_seed(hparams.seed)
    pretrain_on_filterbanks(
        brain.modules.frontend,
        hparams.filterbanks,
        batches,
        hparams.pretrain_epochs,
        hparams.pretrain_lr,
    )


if __name__ == "__main__":
    hparams_file, run_opts, overrides = sb.parse_arguments(sys.argv[1:])
    sb.utils.distributed.ddp_init_group(run_opts)
    with open(hparams_file, encoding="utf-8") as fin:
        hparams = load_hyperpyyaml(fin, overrides)
    sb.create_experiment_directory(hparams["output_folder"], hparams_file, overrides)
    run_on_main(hparams["prepare"])
    datasets, label_encoder = dataio_prepare(hparams)

    asr_brain = ASR(
        modules=hparams["modules"],
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
    )
    asr_brain.label_encoder = label_encoder
    train_options = make_loader_options(datasets["train"], hparams)
    batches = len(train_options["batch_sampler"]) * hparams["number_of_epochs"]
    ranks = int(os.environ.get("WORLD_SIZE", 1))
    asr_brain.total_steps = batches // (ranks * asr_brain.grad_accumulation_factor)
    started = time.process_time()
    # A run that goes on was pretrained before its first checkpoint.
    if hparams["input"] == "tokens" and not hparams["checkpointer"].list_checkpoints():
        pretrain(asr_brain, datasets["train"])
    if hparams["input"] == "tokens" and hparams["freeze_predictor"]:
        asr_brain.modules.frontend.freeze_predictor()
    asr_brain.batch_sampler = train_options["batch_sampler"]
    asr_brain.fit(
        asr_brain.hparams.epoch_counter,
        datasets["train"],
        datasets["valid"],
        train_loader_kwargs=train_options,
        valid_loader_kwargs=hparams["test_loader"],
    )

    parameters = asr_brain.modules.parameters()
    results = {
        "training": {
            "parameters": sum(parameter.numel() for parameter in parameters),
            "epochs": hparams["number_of_epochs"],
            "cpu_minutes": (time.process_time() - started) / 60,
        }
    }
    for path in hparams["test_csv"]:
        name = Path(path).stem
        results[name] = asr_brain.test(name, datasets[name])
        for prefix in hparams["test_codebooks"]:
            label = f"{name}, {prefix} codebooks"
            results[label] = asr_brain.test(name, datasets[name], prefix)
    if if_main_process():
        path = Path(hparams["output_folder"]) / "results.json"
        path.write_text(json.dumps(results, indent=2) + "\n")
