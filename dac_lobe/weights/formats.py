"""Files with weights, as they are: tensors, what they state, nothing executed.

What a file is shows in how it begins, not in its suffix.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open

from dac_lobe.weights.variants import WEIGHT_FILES

__all__ = ["TRANSFORMERS_CONFIG", "Content", "read_content"]

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


class Content(NamedTuple):
    """What a file holds, before it is understood.

    Attributes
    ----------
    state : mapping of str to torch.Tensor
        The tensors, under the names of the file; they are views of it.
    config : mapping
        What the file states of the configuration, in the words of `DAC`.
    metadata : dict
        Whatever else it says about itself.
    """

    state: Mapping[str, torch.Tensor]
    config: Mapping[str, Any]
    metadata: dict[str, Any]


def read_content(path: Path) -> Content:
    """Read a file, or a folder in the layout of transformers.

    Arguments
    ---------
    path : Path
        What to read.

    Returns
    -------
    Content

    Raises
    ------
    ValueError
        If it cannot be read as weights; the message does not name the path.
    """
    return _read_folder(path) if path.is_dir() else _read_file(path)


def _read_folder(folder: Path) -> Content:
    """Read a folder in the layout of transformers."""
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            content = _read_file(folder / name)
            stated = _read_json(folder / "config.json")
            return content._replace(config=_from_transformers(stated))
    raise ValueError(f"the folder holds none of {', '.join(WEIGHT_FILES)}")


def _read_file(path: Path) -> Content:
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


def _read_torch(path: Path) -> Content:
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
    return Content(state, config, metadata)


def _read_safetensors(path: Path) -> Content:
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
    return Content(state, config, metadata)


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
