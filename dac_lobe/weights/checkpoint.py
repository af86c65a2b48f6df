"""Checkpoints: read every known layout, load strictly, write three of them.

    official .pth   {"state_dict": ..., "metadata": {"kwargs": config}}
    .safetensors    official names, the configuration as JSON in the header
    folder          what transformers' DacModel.save_pretrained writes

Nothing in a file is executed, and nothing is loaded in part.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dac_lobe.weights import layouts
from dac_lobe.weights.formats import read_content
from dac_lobe.weights.variants import VARIANTS

__all__ = ["Checkpoint", "read_checkpoint"]


@dataclass
class Checkpoint:
    """A codec's weights and configuration, in the official names.

    Attributes
    ----------
    config : dict
        Constructor arguments of `DAC`. The sample rate is absent if the file
        does not tell it and the architecture is not an official one's.
    state_dict : dict
        Official names; weight norm as ``weight_g`` and ``weight_v``, or folded.
        The tensors are views of the file: `load_into` copies them.
    metadata : dict
        Whatever else the file says about itself.
    source : str
        Where it was read, for messages.
    """

    config: dict[str, Any]
    state_dict: dict[str, torch.Tensor]
    metadata: dict[str, Any] = field(default_factory=dict)
    source: str = "the checkpoint"

    def load_into(self, model: nn.Module) -> None:
        """Copy the weights into ``model``, in float32, all of them or none.

        Weight norm is folded, or made (g = ||v||), as the model has it.

        Arguments
        ---------
        model : nn.Module
            A `DAC` of this configuration; one on the meta device gets storage.

        Raises
        ------
        ValueError
            If tensors are missing, unexpected or of another shape.
        """
        wanted = {layouts.official_key(key): key for key in model.state_dict()}
        state = self.state_dict
        if any(key.endswith(".weight_g") for key in wanted.keys() - state.keys()):
            state = layouts.normed(_floats(state))
        elif any(key.endswith(".weight_g") for key in state.keys() - wanted.keys()):
            state = layouts.folded(_floats(state))
        shapes = {
            layouts.official_key(k): t.shape for k, t in model.state_dict().items()
        }
        self._check(state, shapes)
        meta = any(parameter.is_meta for parameter in model.parameters())
        # A copy, not a view of the file: whoever truncates the file of a mapped
        # model, by saving over it for instance, kills the process.
        state = {
            wanted[key]: tensor.to(torch.float32, copy=meta)
            for key, tensor in state.items()
        }
        model.load_state_dict(state, strict=True, assign=meta)

    def _check(
        self,
        state: Mapping[str, torch.Tensor],
        shapes: Mapping[str, torch.Size],
    ) -> None:
        """Raise one ValueError that says all that does not fit."""
        other = [
            f"{key} {tuple(state[key].shape)} for {tuple(shapes[key])}"
            for key in sorted(state.keys() & shapes.keys())
            if state[key].shape != shapes[key]
        ]
        faults = [
            _few("missing", shapes.keys() - state.keys()),
            _few("unexpected", state.keys() - shapes.keys()),
            _few("of another shape", other),
        ]
        if any(faults):
            raise ValueError(
                f"{self.source} does not fit the model: "
                f"{'; '.join(fault for fault in faults if fault)}. Load it with "
                "DAC.from_pretrained, which builds the model that the file describes."
            )


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint of any known layout.

    Arguments
    ---------
    path : str or Path
        An official .pth, a .safetensors file, or a folder with config.json and
        model.safetensors, as transformers writes it. Names may be official,
        parametrized or transformers', under any one prefix; weights of half
        precision are taken up to float32 on loading.

    Returns
    -------
    Checkpoint

    Raises
    ------
    ValueError
        If there is no such file, or it is not a complete DAC checkpoint.

    Example
    -------
    >>> from dac_lobe.weights.pretrained import ASSETS
    >>> read_checkpoint(ASSETS / "16khz-small.safetensors").config["sample_rate"]
    16000
    """
    path = Path(path)
    if not path.exists():
        raise ValueError(f"{path} does not exist. Give a .pth, .safetensors or folder.")
    try:
        content = read_content(path)
        state = layouts.official_names(content.state)
        for key, tensor in state.items():
            if not tensor.is_floating_point():
                raise ValueError(f"'{key}' has type {tensor.dtype}")
            # Strides of 0 can claim any amount of memory in a few bytes.
            if tensor.nbytes > tensor.untyped_storage().nbytes():
                raise ValueError(f"'{key}' claims more values than are stored")
        config = _configuration(layouts.infer_config(state), content.config)
    except ValueError as error:
        raise ValueError(f"{path} is not a usable DAC checkpoint: {error}.") from error
    return Checkpoint(config, state, content.metadata, str(path))


def _configuration(
    inferred: dict[str, Any], stated: Mapping[str, Any]
) -> dict[str, Any]:
    """Merge what the shapes tell and what the file says, which must agree."""
    for key, value in inferred.items():
        said = stated.get(key)
        said = list(said) if isinstance(said, (list, tuple)) else said
        if key == "codebook_dim" and isinstance(said, list) and len(set(said)) == 1:
            said = said[0]
        if said is not None and said != value:
            raise ValueError(f"it states {key}={said!r}, its tensors have {value!r}")
    config = dict(inferred)
    config["quantizer_dropout"] = float(_number(stated, "quantizer_dropout", 0.0, 1.0))
    if stated.get("sample_rate") is not None:
        config["sample_rate"] = int(_number(stated, "sample_rate", 1, 10**7))
    for row in VARIANTS.values():
        if row.config and all(row.config[key] == inferred[key] for key in inferred):
            # Bare state dicts tell no rate, official ones no delay.
            config.setdefault("sample_rate", row.sample_rate)
            if config["sample_rate"] == row.sample_rate:
                config["delay"] = row.delay
    if stated.get("delay") is not None:
        config["delay"] = int(_number(stated, "delay", 0, 10**6))
    config.setdefault("delay", 0)
    return config


def _number(stated: Mapping[str, Any], key: str, low: float, high: float) -> float:
    """Return a stated number in [low, high]; False and None count as 0."""
    value = stated.get(key) or 0
    if not isinstance(value, (int, float)) or not low <= value <= high:
        raise ValueError(f"it states {key}={stated[key]!r}, allowed is {low} to {high}")
    return value


def _floats(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Take all tensors to float32."""
    return {key: tensor.float() for key, tensor in state.items()}


def _few(what: str, names: Iterable[str]) -> str:
    """Name the first few of many; empty if there are none."""
    names = sorted(names)
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{len(names)} {what} ({', '.join(names[:3])}{more})" if names else ""
