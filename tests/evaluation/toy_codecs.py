"""Tiny codecs with random weights, in the files that their packages keep them in."""

from __future__ import annotations

import json
from pathlib import Path

SNAC = {
    "sampling_rate": 16000,
    "encoder_dim": 8,
    "encoder_rates": [2, 4, 5],
    "decoder_dim": 64,
    "decoder_rates": [5, 4, 2],
    "codebook_size": 64,
    "codebook_dim": 4,
    "attn_window_size": None,
    "vq_strides": [4, 2, 1],
}


def save_snac(folder: Path, **changes) -> Path:
    """Write a SNAC, as its hub repositories have it."""
    import snac
    import torch

    torch.manual_seed(0)
    config = SNAC | changes
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    torch.save(snac.SNAC(**config).state_dict(), folder / "pytorch_model.bin")
    return folder


def save_encodec(folder: Path, **changes) -> Path:
    """Write an EnCodec in transformers' layout."""
    import transformers

    config = transformers.EncodecConfig(
        **{
            "sampling_rate": 4000,
            "upsampling_ratios": [5, 4, 2],
            "target_bandwidths": [0.4, 0.8, 1.6],
            "num_filters": 4,
            "hidden_size": 8,
            "codebook_size": 16,
            "num_lstm_layers": 1,
            **changes,
        }
    )
    transformers.EncodecModel(config).save_pretrained(folder)
    return folder
