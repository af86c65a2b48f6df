#!/usr/bin/env python3
"""Recipe for a CTC recogniser on codec tokens, or on filterbanks.

The YAML chooses the corpus, the input, the network and its size; the script is
the same for all of them. Tokens come from a store that was extracted once:

> python ../tokens/extract.py ../tokens/hparams/an4.yaml --data_folder /path/to/an4
> python train.py hparams/an4_tiny.yaml --data_folder /path/to/an4 --token_folder ...

or from the codec inside, which can hear augmented recordings:
> python train.py hparams/an4_tiny.yaml --data_folder ... --input sig --augment True

With several GPUs:
> torchrun --standalone --nproc_per_node=2 train.py hparams/x.yaml ...

Authors
 * The dac-lobe developers 2026
"""

import logging
import random
import re
import sys
from itertools import pairwise
from pathlib import Path

import speechbrain as sb
import torch
from hyperpyyaml import load_hyperpyyaml
from speechbrain.decoders import ctc_greedy_decode
from speechbrain.decoders.ctc import CTCBeamSearcher
from speechbrain.utils.distributed import if_main_process, run_on_main

from dac_lobe.nnet.datasets import (
    add_audio,
    add_tokens,
    make_loader_options,
    read_datasets,
)
from dac_lobe.nnet.filterbank_pretraining import pretrain_on_filterbanks
from dac_lobe.nnet.labels import load_labels
from dac_lobe.nnet.token_input import tokenise
from dac_lobe.nnet.training import RecipeBrain, check_codebooks, write_results
from dac_lobe.nnet.utterances import Utterance, file_stem, write_utterances

logger = logging.getLogger(__name__)


class ASR(RecipeBrain):
    """Frontend, encoder, and a linear layer trained with CTC."""

    score = "WER"
    num_codebooks = None  # look at this prefix of the codebooks when testing
    searcher = word_lm = None  # beside greedy decoding, when testing
    tokenizer = None  # the codec inside, for `input: sig` of a model on tokens

    def read_inputs(self, inputs, lengths, augment):
        """Augment recordings if asked to, and make tokens where the model has them."""
        if augment:
            inputs, lengths = self.hparams.wav_augment(inputs, lengths)
        if self.tokenizer is not None:
            return tokenise(self.tokenizer, inputs, lengths)
        return inputs, lengths

    def compute_forward(self, batch, stage):
        batch = batch.to(self.device)
        augment = self.hparams.augment and stage == sb.Stage.TRAIN
        inputs, lengths = self.read_inputs(*batch[self.hparams.input], augment)
        features = self.modules.frontend(inputs, lengths, self.num_codebooks)
        encoded = self.modules.encoder(features, lengths)
        return self.modules.output(encoded).log_softmax(-1), lengths

    def compute_objectives(self, predictions, batch, stage):
        predictions, lengths = predictions
        chars, char_lengths = batch.char_encoded
        if self.hparams.augment and stage == sb.Stage.TRAIN:
            augmenter = self.hparams.wav_augment
            chars, char_lengths = augmenter.replicate_multiple_labels(
                chars, char_lengths
            )
        loss = self.hparams.ctc_cost(predictions, chars, lengths, char_lengths)
        if stage != sb.Stage.TRAIN:
            blank = self.hparams.blank_index
            hypotheses = ctc_greedy_decode(predictions, lengths, blank)
            heard = ["".join(self.label_encoder.decode_ndim(h)) for h in hypotheses]
            self.words.append(batch.id, [h.split() for h in heard], batch.words)
            if stage == sb.Stage.TEST and self.searcher is not None:
                beams = self.searcher(predictions, lengths)
                found = [self.word_lm.best(beam).split() for beam in beams]
                self.beam_words.append(batch.id, found, batch.words)
            self.chars.append(batch.id, [list(h) for h in heard], batch.char_list)
        return loss

    def start_scores(self):
        self.words = self.hparams.error_rate_computer()
        self.chars = self.hparams.error_rate_computer()
        self.beam_words = self.hparams.error_rate_computer()

    def finish_scores(self, stage_loss):
        stats = {
            "loss": stage_loss,
            "WER": self.words.summarize("error_rate"),
            "CER": self.chars.summarize("error_rate"),
        }
        if self.beam_words.scores:
            stats["beam WER"] = self.beam_words.summarize("error_rate")
        return stats

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
            folder = Path(self.hparams.output_folder)
            path = folder / f"wer_{file_stem(label)}.txt"
            with open(path, "w", encoding="utf-8") as file:
                self.words.write_stats(file)
            # recipes/run_seeds.py compares runs by these.
            write_utterances(folder, label, self.utterances(dataset))
        return self.test_stats

    def utterances(self, dataset):
        """Errors of each utterance of the last test."""
        for words, chars in zip(self.words.scores, self.chars.scores, strict=True):
            yield Utterance(
                words["key"],
                dataset.data[words["key"]]["spk_id"],
                *(words["num_edits"], words["num_ref_tokens"]),
                *(chars["num_edits"], chars["num_ref_tokens"]),
            )


def dataio_prepare(hparams):
    """Prepare the datasets, their pipelines, and the alphabet."""
    # 1. Datasets
    paths = {"train": hparams["train_csv"], "valid": hparams["valid_csv"]}
    for path in hparams["test_csv"]:
        name = Path(path).stem
        if name in paths:
            raise ValueError(
                f"test_csv: {path}, but {paths[name]} is called {name!r} too. Results "
                "go by these names: rename one."
            )
        paths[name] = path
    datasets = read_datasets(paths, hparams["data_folder"])
    everything = list(datasets.values())

    # 2. Input: the waveform, and tokens of a store
    add_audio(datasets, hparams["sample_rate"])
    if hparams["input"] == "tokens":
        if hparams["augment"]:
            raise ValueError(
                "augment: True needs recordings: set --input sig, or draw among the "
                "store's --variants."
            )
        add_tokens(
            datasets,
            hparams["token_folder"],
            hparams["num_codebooks"],
            hparams["shuffle_tokens"],
            hparams["variants"],
        )

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
    label_file = Path(hparams["save_folder"]) / "label_encoder.txt"
    said = [char for row in datasets["train"].data.values() for char in row["wrd"]]
    known = load_labels(label_encoder, label_file, said, hparams["checkpointer"])
    if not known:
        label_encoder.handle_special_labels({"blank_label": hparams["blank_index"]})
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
    if not known:
        run_on_main(label_encoder.save, kwargs={"path": label_file})
    return datasets, label_encoder


def choose_test_codebooks(hparams, overrides):
    """Numbers of codebooks to test: as asked for, or those of the YAML that there are."""
    numbers = hparams["test_codebooks"]
    num_codebooks = hparams.get("num_codebooks", 0)  # of filterbanks
    asked = re.search(r"^test_codebooks:", overrides, re.MULTILINE)
    if not asked and isinstance(numbers, list):
        above = [n for n in numbers if isinstance(n, int) and n > num_codebooks]
        if above:
            logger.info("of %d codebooks, no test of %s", num_codebooks, above)
        numbers = [number for number in numbers if number not in above]
    check_codebooks("test_codebooks", numbers, num_codebooks)
    return numbers


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


def pretrain(brain, dataset):
    """Pretrain the frontend: filterbanks of the training recordings from their tokens."""
    hparams = brain.hparams
    if not hparams.pretrain_epochs:
        return
    options = make_loader_options(dataset, vars(hparams))  # with a sampler of its own
    keys = ["sig"] if hparams.input == "sig" else ["tokens", "sig"]

    def batches():
        loader = sb.dataio.dataloader.make_dataloader(dataset, **options)
        with dataset.output_keys_as(keys):
            for batch in loader:
                sig, lengths = batch.to(brain.device).sig
                if hparams.augment:
                    sig, lengths = hparams.wav_augment(sig, lengths)
                if hparams.input == "sig":
                    tokens = brain.read_inputs(sig, lengths, augment=False)
                else:
                    tokens = batch.tokens
                yield *tokens, sig, lengths

    random.seed(hparams.seed)
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
    test_codebooks = choose_test_codebooks(hparams, overrides)
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
    if hparams["test_beam_search"]:
        labels = [label_encoder.ind2lab[i] for i in range(len(label_encoder))]
        asr_brain.searcher = CTCBeamSearcher(
            **hparams["test_beam_search"], vocab_list=labels
        )
        texts = [row["wrd"] for row in datasets["train"].data.values()]
        asr_brain.word_lm = hparams["word_lm"](texts)
    on_tokens = "token_meta" in hparams
    if on_tokens and hparams["input"] == "sig":
        asr_brain.tokenizer = hparams["tokenizer"]().to(asr_brain.device)
    # A run that goes on was pretrained before its first checkpoint.
    if on_tokens and not hparams["checkpointer"].list_checkpoints():
        pretrain(asr_brain, datasets["train"])
    if on_tokens and hparams["freeze_predictor"]:
        asr_brain.modules.frontend.freeze_predictor()
    asr_brain.train_on(
        datasets["train"],
        datasets["valid"],
        make_loader_options(datasets["train"], hparams),
    )

    parameters = asr_brain.modules.parameters()
    results = {
        "training": {
            "parameters": sum(parameter.numel() for parameter in parameters),
            "epochs": hparams["epoch_counter"].current,
            "cpu_minutes": asr_brain.cpu_time.minutes,
        }
    }
    if on_tokens:
        results["training"]["codec"] = hparams["token_meta"]["fingerprint"]
    for path in hparams["test_csv"]:
        name = Path(path).stem
        results[name] = asr_brain.test(name, datasets[name])
        for prefix in test_codebooks:
            label = f"{name}, {prefix} codebooks"
            results[label] = asr_brain.test(name, datasets[name], prefix)
    write_results(hparams["output_folder"], results)
