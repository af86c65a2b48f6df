#!/usr/bin/env python3
"""Recipe that encodes a corpus into a token store, for the recipes that read tokens.

It is `dac-lobe extract` with the corpus' preparer before it. When it is started again, it
makes what is missing.

> python extract.py hparams/an4.yaml --data_folder /path/to/an4 --workers 2

On several machines, or GPUs, with `engine: torchrun` or `engine: ray`; see
docs/tokens.md.

Authors
 * The dac-lobe developers 2026
"""

import logging
import sys

import speechbrain as sb
from hyperpyyaml import load_hyperpyyaml

from dac_lobe.data.variants import write_variants
from dac_lobe.tokens import extract

logger = logging.getLogger(__name__)

if __name__ == "__main__":
    hparams_file, run_opts, overrides = sb.parse_arguments(sys.argv[1:])
    with open(hparams_file, encoding="utf-8") as fin:
        hparams = load_hyperpyyaml(fin, overrides)
    sb.create_experiment_directory(hparams["output_folder"], hparams_file, overrides)
    hparams["prepare"]()
    if hparams["variants"]:
        # Changed copies of the training recordings, in the same store.
        copies = write_variants(
            hparams["manifests"][0],
            hparams["variant_folder"],
            hparams["wav_augment"],
            hparams["variants"],
            hparams["sample_rate"],
            data_root=hparams["data_folder"],
        )
        hparams["manifests"].append(str(copies))

    def log_progress(result, done, total):
        """Say how far it is, in the log."""
        logger.info("shard %d: %d of %d", result.number, done, total)

    report = extract(
        hparams["manifests"],
        hparams["token_folder"],
        hparams["model"],
        engine=hparams["engine"],
        workers=hparams["workers"],
        num_codebooks=hparams["num_codebooks"],
        data_root=hparams["data_folder"],
        device=run_opts.get("device") or hparams["device"],
        backend=hparams["backend"],
        batch_seconds=hparams["batch_seconds"],
        on_shard=log_progress,
    )
    logger.info("%s", report)
