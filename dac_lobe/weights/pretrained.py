"""Codecs by name: find the weights that a source means, load them, save them.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import json
import os
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import save as to_safetensors

from dac_lobe.disk.atomic import replacing
from dac_lobe.network.autoencoder import Autoencoder
from dac_lobe.weights import layouts
from dac_lobe.weights.checkpoint import read_checkpoint
from dac_lobe.weights.formats import TRANSFORMERS_CONFIG
from dac_lobe.weights.variants import find_variant, variant

__all__ = [
    "ASSETS",
    "find_weights",
    "load_model",
    "save_model",
    "source_name",
    "transformers_config",
]

ASSETS = Path(__file__).resolve().parents[1] / "assets"

Codec = TypeVar("Codec", bound=Autoencoder)

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_FP16_MAX = torch.finfo(torch.float16).max


def find_weights(
    source: str | os.PathLike[str], cache_dir: str | os.PathLike[str] | None = None
) -> Path:
    """Return the file or folder that a source means, fetching it if need be.

    Arguments
    ---------
    source : str or Path
        A name of `dac_lobe.weights.variants`, an existing path, or a hub id 'org/name'.
        A name wins over a file of the same name; ``Path(...)`` means the file.
    cache_dir : str or Path, optional
        Where fetched weights are kept.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If the source is none of these.

    Example
    -------
    >>> find_weights("16khz-small").name
    '16khz-small.safetensors'
    """
    if not isinstance(source, (str, os.PathLike)):
        raise ValueError(
            f"source={source!r} is no model. Give a name like '16khz-small', a path, or "
            "a hub id."
        )
    found = find_variant(source) if isinstance(source, str) else None
    if found is not None and found.bundled:
        return ASSETS / found.asset
    if found is not None:
        from dac_lobe.weights.fetch import download

        return download(
            found.model_type, found.model_bitrate, found.tag, cache_dir=cache_dir
        )
    path = Path(source).expanduser()
    if source and path.exists() or isinstance(source, os.PathLike):
        return path
    if path.suffix in (".pth", ".pt", ".ckpt", ".safetensors"):
        raise ValueError(f"{path} does not exist; is the working folder right?")
    if _HUB_ID.fullmatch(source):
        from dac_lobe.weights.fetch import download_hub

        return download_hub(source, cache_dir=cache_dir)
    if len(path.parts) > 1:
        raise ValueError(
            f"{path} does not exist and is no hub id 'org/name'; is the working folder "
            "right?"
        )
    variant(source)  # raises, and names what there is
    return path


def load_model(
    cls: type[Codec],
    source: str | os.PathLike[str],
    *,
    cache_dir: str | os.PathLike[str] | None = None,
) -> Codec:
    """Load a codec, in eval mode, on the CPU.

    Arguments
    ---------
    cls : type
        `dac_lobe.DAC` or a subclass with its constructor.
    source : str or Path
        See `find_weights`.
    cache_dir : str or Path, optional
        Where fetched weights are kept.

    Returns
    -------
    Autoencoder
        Of the class ``cls``.

    Raises
    ------
    ValueError
        If the source is unknown or not a DAC checkpoint.
    """
    checkpoint = read_checkpoint(find_weights(source, cache_dir))
    if "sample_rate" not in checkpoint.config:
        raise ValueError(
            f"{source} does not tell its sample rate. Load it by "
            "DAC(..., sample_rate=..., load_path=...), then save() a complete file."
        )
    # On the meta device nothing is allocated or drawn at random first.
    with torch.device("meta"):
        model = cls(**checkpoint.config)
    checkpoint.load_into(model)
    model.metadata = checkpoint.metadata
    model.source = source_name(source)
    return model.eval()


def source_name(source: str | os.PathLike[str]) -> str:
    """Name a source for people: a name, a hub id, or the last part of a path.

    Example
    -------
    >>> source_name("dac_16kHz"), source_name(Path("weights") / "speech.pth")
    ('16khz', 'speech.pth')
    """
    found = find_variant(source) if isinstance(source, str) else None
    if found is not None:
        return found.name
    path = Path(source)
    if isinstance(source, os.PathLike) or path.exists():
        return path.name or path.resolve().name
    return source


def save_model(
    model: Autoencoder, path: str | os.PathLike[str], *, half: bool = False
) -> Path:
    """Write a checkpoint whose layout the suffix decides.

    Arguments
    ---------
    model : Autoencoder
        The codec. Its parameters are written in float32.
    path : str or Path
        '*.pth': official, with weight norm, for upstream and SpeechBrain.
        '*.safetensors': official names, the configuration in the header.
        No suffix of letters: a folder that transformers' ``DacModel`` loads, folded.
    half : bool
        Store folded float16 weights, half the size; '.safetensors' only.

    Returns
    -------
    Path
        ``path``. It appears when it is complete, or not at all.

    Raises
    ------
    ValueError
        If the layout cannot hold this codec.
    """
    path = Path(path)
    state = {
        layouts.official_key(key): tensor.detach().to("cpu", torch.float32).contiguous()
        for key, tensor in model.state_dict().items()
    }
    if half and path.suffix != ".safetensors":
        raise ValueError(f"half=True needs a '.safetensors' path, got {path.name!r}.")
    if path.suffix == ".pth":
        metadata = {"kwargs": model.config}
        content = {
            "state_dict": OrderedDict(layouts.normed(state)),
            "metadata": metadata,
        }
        with replacing(path) as file:
            torch.save(content, file)
    elif path.suffix == ".safetensors":
        config = json.dumps(model.config, sort_keys=True)
        with replacing(path) as file:
            file.write(
                to_safetensors(
                    _halved(layouts.folded(state)) if half else state,
                    # One entry only: safetensors writes several in random order.
                    metadata={"config": config},
                )
            )
    elif path.suffix[1:].isalpha() and not path.is_dir():
        raise ValueError(
            f"{path.name!r}: the suffix must be '.pth' or '.safetensors', or absent "
            "for a folder in the layout of transformers."
        )
    else:
        _save_folder(model, layouts.folded(state), path)
    return path


def transformers_config(model: Autoencoder) -> dict[str, Any]:
    """State a codec's configuration as transformers' ``DacConfig`` does.

    Arguments
    ---------
    model : Autoencoder
        The codec.

    Returns
    -------
    dict
        The content of a config.json.

    Raises
    ------
    ValueError
        If that layout cannot hold this codec.

    Example
    -------
    >>> from dac_lobe import DAC
    >>> transformers_config(DAC.from_pretrained("16khz-small"))["sampling_rate"]
    16000
    """
    config = model.config
    if config["decoder_rates"] != config["encoder_rates"][::-1]:
        raise ValueError(
            f"decoder_rates {config['decoder_rates']} are not the reverse of "
            f"encoder_rates {config['encoder_rates']}, as transformers demands. "
            "Save to '.pth' or '.safetensors'."
        )
    if not isinstance(config["codebook_dim"], int):
        raise ValueError(
            "transformers knows one codebook_dim for all codebooks. "
            "Save to '.pth' or '.safetensors'."
        )
    return {
        "architectures": ["DacModel"],
        "model_type": "dac",
        **{theirs: config[ours] for theirs, ours in TRANSFORMERS_CONFIG.items()},
        "hidden_size": config["latent_dim"],
        "hop_length": model.hop_length,
        "upsampling_ratios": config["decoder_rates"],
    }


def _save_folder(
    model: Autoencoder, state: dict[str, torch.Tensor], folder: Path
) -> None:
    """Write the three files of transformers, the weights last."""
    stated = transformers_config(model)
    preprocessor = {
        "feature_extractor_type": "DacFeatureExtractor",
        "feature_size": 1,
        "hop_length": model.hop_length,
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": True,
        "sampling_rate": model.sample_rate,
    }
    for name, content in (
        ("config.json", stated),
        ("preprocessor_config.json", preprocessor),
    ):
        with replacing(folder / name) as file:
            file.write((json.dumps(content, indent=2, sort_keys=True) + "\n").encode())
    weights = to_safetensors(
        layouts.transformers_names(state), metadata={"format": "pt"}
    )
    with replacing(folder / "model.safetensors") as file:
        file.write(weights)


def _halved(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Take all tensors to float16, if they fit."""
    for key, tensor in state.items():
        if not bool((tensor.abs() <= _FP16_MAX).all()):
            raise ValueError(f"'{key}' does not fit float16. Save with half=False.")
    return {key: tensor.half() for key, tensor in state.items()}
