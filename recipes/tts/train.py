#!/usr/bin/env python3
"""Recipe for speech synthesis with codec tokens: text in, tokens out, step by step.

The YAML chooses the corpus and the size; the script is the same for all of them.
Tokens come from a store that was extracted once; the codec is not needed here.

> python ../tokens/extract.py ../tokens/hparams/an4.yaml --data_folder /path/to/an4
> python train.py hparams/an4_tiny.yaml --data_folder /path/to/an4 --token_folder ...
> dac-lobe export results/an4_tiny/1986 exported --model 16khz-small
> python evaluate.py exported JUDGE ...

Authors
 * The dac-lobe developers 2026
"""

import logging
import sys
from pathlib import Path

import speechbrain as sb
import torch
import torch.nn.functional as F
from hyperpyyaml import load_hyperpyyaml
from speechbrain.utils.distributed import run_on_main

from dac_lobe.data.text import to_ids
from dac_lobe.nnet.datasets import add_tokens, make_loader_options, read_datasets
from dac_lobe.nnet.labels import load_labels
from dac_lobe.nnet.training import RecipeBrain, write_results

logger = logging.getLogger(__name__)


class TTS(RecipeBrain):
    """Next-token prediction under the delay pattern, an alignment, and durations."""

    score = "CE"

    def compute_forward(self, batch, stage):
        batch = batch.to(self.device)
        text, text_lengths = batch.text
        tokens, token_lengths = batch.tokens
        return self.modules.synthesizer(
            text, text_lengths, tokens, token_lengths, batch.speaker
        )

    def compute_objectives(self, predictions, batch, stage):
        logits, targets, durations, aligned, alignment_loss = predictions
        losses = F.cross_entropy(
            logits.flatten(0, 2), targets.flatten(), reduction="none"
        ).view_as(targets)
        asked = targets >= 0
        per_codebook = losses.sum((0, 1)) / asked.sum((0, 1))
        written = aligned > 0
        ratio = durations.clamp(min=0.1) / aligned.clamp(min=1)
        length_ratio = durations.sum(1) / aligned.sum(1)
        # Medians of characters sum to less than a sentence: its length counts too.
        duration_loss = ratio.log().abs()[written].mean()
        duration_loss = duration_loss + length_ratio.log().abs().mean()
        if stage != sb.Stage.TRAIN:
            right = ((logits.argmax(-1) == targets) & asked).sum((0, 1))
            self.sums += torch.stack([right, asked.sum((0, 1))]).cpu()
            self.losses += (losses * asked).sum((0, 1)).cpu()
            self.lengths.extend(length_ratio.tolist())
            self.alignment.append(float(alignment_loss))
        return (
            per_codebook.mean()
            + self.hparams.duration_weight * duration_loss
            + self.hparams.alignment_weight * alignment_loss
        )

    def start_scores(self):
        self.sums = torch.zeros(2, self.hparams.num_codebooks)
        self.losses = torch.zeros(self.hparams.num_codebooks)
        self.lengths, self.alignment = [], []

    def finish_scores(self, stage_loss):
        right, asked = self.sums
        return {
            "loss": stage_loss,
            "CE": float((self.losses / asked).mean()),
            "CE0": float(self.losses[0] / asked[0]),
            "accuracy0": float(100 * right[0] / asked[0]),  # percent, codebook 0
            "length": sum(self.lengths) / len(self.lengths),  # predicted / true
            "alignment": sum(self.alignment) / len(self.alignment),
        }


def dataio_prepare(hparams):
    """Prepare the datasets and their pipelines."""
    # 1. Datasets
    paths = {
        "train": hparams["train_csv"],
        "valid": hparams["valid_csv"],
        "test": hparams["test_csv"],
    }
    datasets = read_datasets(paths, hparams["data_folder"])
    everything = list(datasets.values())

    # 2. Tokens of a store
    add_tokens(datasets, hparams["token_folder"], hparams["num_codebooks"])

    # 3. Text and speaker
    for dataset in everything:
        for row in dataset.data.values():
            to_ids(row["wrd"])  # a ValueError for what cannot be spoken
    speakers = sb.dataio.encoder.CategoricalEncoder()

    @sb.utils.data_pipeline.takes("wrd")
    @sb.utils.data_pipeline.provides("text")
    def text_pipeline(wrd):
        return torch.tensor(to_ids(wrd))

    @sb.utils.data_pipeline.takes("spk_id")
    @sb.utils.data_pipeline.provides("speaker")
    def speaker_pipeline(spk_id):
        return speakers.encode_label(spk_id)

    sb.dataio.dataset.add_dynamic_item(everything, text_pipeline)
    sb.dataio.dataset.add_dynamic_item(everything, speaker_pipeline)
    speaker_file = Path(hparams["save_folder"]) / "speakers.txt"
    trained = [row["spk_id"] for row in datasets["train"].data.values()]
    known = load_labels(speakers, speaker_file, trained, hparams["checkpointer"])
    speakers.ignore_len()  # checked here, with a remedy
    for name in ("valid", "test"):
        said = {row["spk_id"] for row in datasets[name].data.values()}
        if unknown := sorted(said - set(speakers.lab2ind)):
            raise ValueError(
                f"{name}: {len(unknown)} of {len(said)} speakers are not in the training "
                f"data, such as {unknown[0]!r}. Split the corpus by sentences, or give "
                f"a {name} manifest of speakers that are trained."
            )
    if len(speakers) > hparams["num_speakers"]:
        raise ValueError(
            f"num_speakers: {hparams['num_speakers']}, but the training data have "
            f"{len(speakers)}. Set num_speakers to {len(speakers)}."
        )

    if not known:
        run_on_main(speakers.save, kwargs={"path": speaker_file})

    # 4. Output
    keys = ["id", "text", "tokens", "speaker"]
    sb.dataio.dataset.set_output_keys(everything, keys)
    return datasets


if __name__ == "__main__":
    hparams_file, run_opts, overrides = sb.parse_arguments(sys.argv[1:])
    sb.utils.distributed.ddp_init_group(run_opts)
    with open(hparams_file, encoding="utf-8") as fin:
        hparams = load_hyperpyyaml(fin, overrides)
    sb.create_experiment_directory(hparams["output_folder"], hparams_file, overrides)
    run_on_main(hparams["prepare"])
    datasets = dataio_prepare(hparams)

    tts_brain = TTS(
        modules=hparams["modules"],
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
    )
    tts_brain.train_on(
        datasets["train"],
        datasets["valid"],
        make_loader_options(datasets["train"], hparams),
    )
    tts_brain.evaluate(
        datasets["test"], min_key="CE", test_loader_kwargs=hparams["test_loader"]
    )
    tts_brain.hparams.train_logger.log_stats(
        {"test": "test"}, test_stats=tts_brain.test_stats
    )
    write_results(hparams["output_folder"], tts_brain.test_stats)
