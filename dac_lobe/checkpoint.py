"""Checkpoints: read every known layout, load strictly, write three of them.

    official .pth   {"state_dict": ..., "metadata": {"kwargs": config}}
    .safetensors    official names, the configuration as JSON in the header
    folder          what transformers' DacModel.save_pretrained writes

What a file holds is recognised by its content, not by its suffix. Nothing in a
file is executed, and nothing is loaded in part.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from dac_lobe import layouts
from dac_lobe.variants import VARIANTS, WEIGHT_FILES

__all__ = ["TRANSFORMERS_CONFIG", "Checkpoint", "read_checkpoint"]

# transformers' names of what a configuration states first-hand. The rest of a
# config.json (hop_length, hidden_size, upsampling_ratios) is derived there, has
# been wrong on the hub, and is read from the tensors here.
TRANSFORMERS_CONFIG = {
    "encoder_hidden_size": "encoder_dim",
    "downsampling_ratios": "encoder_rates",
    "decoder_hidden_size": "decoder_dim",
    "n_codebooks": "n_codebooks",
    "codebook_size": "codebook_size",
    "codebook_dim": "codebook_dim",
    "quantizer_dropout": "quantizer_dropout",
    "sampling_rate": "sample_rate",
    "delay": "delay",
}

# What torch.load raises on a damaged file, or on one with code in it.
_UNREADABLE = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


class _Content(NamedTuple):
    """What a file holds, before it is understood."""

    state: Mapping[str, torch.Tensor]
    config: Mapping[str, Any]
    metadata: dict[str, Any]


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
    >>> from dac_lobe.pretrained import ASSETS
    >>> read_checkpoint(ASSETS / "16khz-small.safetensors").config["sample_rate"]
    16000
    """
    path = Path(path)
    if not path.exists():
        raise ValueError(f"{path} does not exist. Give a .pth, .safetensors or folder.")
    try:
        content = _read_folder(path) if path.is_dir() else _read_file(path)
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


def _read_folder(folder: Path) -> _Content:
    """Read a folder in the layout of transformers."""
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            content = _read_file(folder / name)
            stated = _read_json(folder / "config.json")
            return content._replace(config=_from_transformers(stated))
    raise ValueError(f"the folder holds none of {', '.join(WEIGHT_FILES)}")


def _read_file(path: Path) -> _Content:
    """Read one file, recognised by how it begins."""
    with open(path, "rb") as file:
        head = file.read(9)
    if not head:
        raise ValueError("the file is empty")
    if head.startswith(b"PK\x03\x04"):
        return _read_torch(path)
    if head[8:] == b"{":
        return _read_safetensors(path)
    raise ValueError(
        "it is neither a PyTorch zip file nor safetensors; a file of PyTorch < 1.6 "
        "must be saved again by a newer one"
    )


def _read_torch(path: Path) -> _Content:
    """Read a .pth file without executing anything in it."""
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except _UNREADABLE as error:
        reason = str(error).strip().split("\n")[0][:200]
        raise ValueError(
            "it is truncated, damaged, or holds more than tensors and plain values "
            f"({type(error).__name__}: {reason})"
        ) from error
    if not isinstance(loaded, dict):
        raise ValueError(f"it holds a {type(loaded).__name__}, not a state dict")
    state = loaded.get("state_dict", loaded)
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and torch.is_tensor(tensor)
        for key, tensor in state.items()
    ):
        raise ValueError("it holds other things than named tensors")
    metadata = loaded.get("metadata", {}) if state is not loaded else {}
    if not isinstance(metadata, dict):
        raise ValueError(f"its metadata is a {type(metadata).__name__}, not a dict")
    config = metadata.get("kwargs", {})
    if not isinstance(config, dict):
        raise ValueError("its metadata holds no dict 'kwargs'")
    return _Content(state, config, metadata)


def _read_safetensors(path: Path) -> _Content:
    """Read a .safetensors file; one without a configuration may have it beside it."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"it is truncated or damaged ({error})") from error
    if "config" in metadata:
        config = _parse_json(metadata["config"], "the configuration in its header")
    elif (path.parent / "config.json").is_file():
        config = _from_transformers(_read_json(path.parent / "config.json"))
    else:
        config = {}
    return _Content(state, config, metadata)


def _read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file."""
    if not path.is_file():
        raise ValueError(f"{path.name} is missing")
    return _parse_json(path.read_text(encoding="utf-8", errors="replace"), path.name)


def _parse_json(text: str, what: str) -> dict[str, Any]:
    """Parse a JSON object."""
    try:
        parsed = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{what} is not JSON") from error
    if not isinstance(parsed, dict):
        raise ValueError(f"{what} is not a JSON object")
    return parsed


def _from_transformers(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Rename the entries of a transformers configuration."""
    names = TRANSFORMERS_CONFIG
    return {names[key]: value for key, value in stated.items() if key in names}


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
