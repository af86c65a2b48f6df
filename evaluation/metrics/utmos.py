"""UTMOS, the strong learner of T. Saeki et al., https://arxiv.org/abs/2204.02152.

Frames of a wav2vec 2.0 base model go, with an embedding of the corpus and one of the
listener, through a two-way LSTM and two linear layers; the mean over frames, doubled
and raised by 3, is the rating. The weights are those of tarepan/SpeechMOS
(``utmos22_strong``, MIT), which has the two embeddings fixed and no phonemes; their
names there are translated to transformers', whose wav2vec 2.0 is used.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.errors import MetricError
from evaluation.metrics.folders import once_per_folder
from evaluation.metrics.metric import import_package
from evaluation.metrics.speech import speech

__all__ = ["UTMOS_FILE", "utmos"]

UTMOS_FILE = "utmos22_strong*.pt"
STRIDES = (5, 2, 2, 2, 2, 2, 2)
HEAD_WIDTH = 64
SHORTEST = 0.1  # seconds
# From the names of fairseq to those of transformers.
_NAMES = (
    (r"^mask_emb$", "masked_spec_embed"),
    (r"^layer_norm\.", "feature_projection.layer_norm."),
    (r"^post_extract_proj\.", "feature_projection.projection."),
    (r"^(feature_extractor\.conv_layers\.\d+)\.0\.", r"\1.conv."),
    (r"^(feature_extractor\.conv_layers\.\d+)\.2\.", r"\1.layer_norm."),
    (
        r"pos_conv\.0\.weight_g$",
        "pos_conv_embed.conv.parametrizations.weight.original0",
    ),
    (
        r"pos_conv\.0\.weight_v$",
        "pos_conv_embed.conv.parametrizations.weight.original1",
    ),
    (r"pos_conv\.0\.", "pos_conv_embed.conv."),
    (r"\.self_attn_layer_norm\.", ".layer_norm."),
    (r"\.self_attn\.", ".attention."),
    (r"\.fc1\.", ".feed_forward.intermediate_dense."),
    (r"\.fc2\.", ".feed_forward.output_dense."),
)


def _translate(name: str) -> str:
    for pattern, ours in _NAMES:
        name = re.sub(pattern, ours, name)
    return name


def _encoder(state: dict[str, Any]) -> Any:
    """Make the wav2vec 2.0 model that these weights are of."""
    transformers = import_package("transformers", "transformers")
    filters = [
        state[f"feature_extractor.conv_layers.{i}.conv.weight"]
        for i in range(len(STRIDES))
    ]
    position = state["encoder.pos_conv_embed.conv.parametrizations.weight.original1"]
    width, per_group, taps = position.shape
    inner = "encoder.layers.{}.feed_forward.intermediate_dense.weight"
    layers = len({name.split(".")[2] for name in state if ".layers." in name})
    encoder = transformers.Wav2Vec2Model(
        transformers.Wav2Vec2Config(
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=max(1, width // HEAD_WIDTH),
            intermediate_size=len(state[inner.format(0)]),
            conv_dim=[len(weight) for weight in filters],
            conv_kernel=[weight.shape[-1] for weight in filters],
            conv_stride=STRIDES,
            num_conv_pos_embeddings=taps,
            num_conv_pos_embedding_groups=width // per_group,
        )
    )
    encoder.load_state_dict(state)
    return encoder.eval()


@once_per_folder
def _load(folder: str) -> Any:
    """Load the weights, as a function from samples [T] to a rating."""
    import torch

    path = min(Path(folder).glob(UTMOS_FILE))
    state = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(state, dict) or "blstm.weight_ih_l0" not in state:
        raise MetricError(
            f"{path.name} holds no weights of UTMOS as tarepan/SpeechMOS has them"
        )
    prefix = "wav2vec2."
    parts = {
        _translate(name.removeprefix(prefix)): weight
        for name, weight in state.items()
        if name.startswith(prefix)
    }
    encoder = _encoder(parts)
    fixed = torch.cat([state["domain_emb"], state["judge_emb"]], dim=1)
    hidden = state["blstm.weight_hh_l0"].shape[1]
    inputs = state["blstm.weight_ih_l0"].shape[1]
    lstm = torch.nn.LSTM(inputs, hidden, batch_first=True, bidirectional=True)
    first, last = (state[f"projection.{i}.weight"] for i in (0, 2))
    head = torch.nn.Sequential(
        torch.nn.Linear(first.shape[1], len(first)),
        torch.nn.ReLU(),
        torch.nn.Linear(last.shape[1], len(last)),
    )
    for module, name in ((lstm, "blstm."), (head, "projection.")):
        module.load_state_dict(
            {k.removeprefix(name): v for k, v in state.items() if k.startswith(name)}
        )

    def rate(wav: np.ndarray) -> float:
        with torch.inference_mode():
            frames = encoder(torch.from_numpy(wav)[None]).last_hidden_state
            told = fixed[:, None].expand(-1, frames.shape[1], -1)
            found = head(lstm(torch.cat([frames, told], dim=2))[0])
        return float(found.mean()) * 2 + 3

    return rate


def utmos(
    reference: np.ndarray, output: np.ndarray, sample_rate: int, model: str
) -> float:
    """Rate how natural speech sounds, from 1 to 5.

    Arguments
    ---------
    reference : np.ndarray
        Not used.
    output : np.ndarray
        Shape [T].
    sample_rate : int
        In Hz.
    model : str
        Folder with ``utmos22_strong_step7459_v1.pt``.

    Returns
    -------
    float
        Higher is better.
    """
    return float(_load(model)(speech(output, sample_rate, seconds=SHORTEST)))
