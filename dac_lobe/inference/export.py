"""A trained recipe as one folder that loads anywhere.

    results/an4_tiny/1986 --export_model--> hyperparams.yaml, model.ckpt, codec.ckpt

The folder holds what inference needs and nothing else: no paths of the machine
that trained, no optimizer, and the codec whose tokens the model has learned.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import ast
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from dac_lobe.dac import DAC
from dac_lobe.disk.atomic import replacing
from dac_lobe.weights.fingerprint import fingerprint

__all__ = ["export_model"]

HYPERPARAMS = "hyperparams.yaml"
# Kinds of recipes, by a module, and by which score the best checkpoint is.
KINDS = {"frontend": "WER", "synthesizer": "CE"}


def export_model(
    run_folder: str | Path, output: str | Path, model: str | Path | None = None
) -> Path:
    """Export the best checkpoint of a trained recipe.

    Arguments
    ---------
    run_folder : str or Path
        The recipe's output folder.
    output : str or Path
        Folder to write: for `dac_lobe.inference`, here or uploaded to a hub.
    model : str or Path, optional
        The codec of the tokens, as for `DAC.from_pretrained`. Not needed by a
        model that was trained on waveforms.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        If the folder holds no finished run of a recipe, its weights do not fit its
        hyperparameters, or the codec is another than that of the tokens.
    """
    run_folder, output = Path(run_folder), Path(output)
    run = _read_run(run_folder)
    kind = next((kind for kind in KINDS if kind in run["modules"]), None)
    if kind is None:
        raise ValueError(
            f"{run_folder} is a run with the modules {', '.join(run['modules'])}; "
            "known are those of recipes/asr and recipes/tts."
        )
    checkpoint = _best_checkpoint(run_folder, KINDS[kind])
    run = _made_from(checkpoint) or run
    weights = torch.load(checkpoint.path / "model.ckpt", map_location="cpu")
    parts = _clean({"modules": run["modules"], "model": run["model"]}, weights, {})
    _check_fit(parts, weights, checkpoint.path)
    content: dict[str, Any] = {}
    if kind == "frontend":
        # Tokens that a recipe made from recordings are what the model has learned.
        content["input"] = "tokens" if "token_meta" in run else run["input"]
        content["blank_index"] = run["blank_index"]
        content["labels"] = _read_labels(run_folder / "save" / "label_encoder.txt")
    else:
        content["speakers"] = _read_labels(run_folder / "save" / "speakers.txt")
    loadables = {"model": parts["model"]}
    files = {"model.ckpt": weights}
    if "token_meta" in run:
        codec = _codec(_fingerprint(checkpoint, run), model)
        content["sample_rate"] = codec.sample_rate
        content["codec_fingerprint"] = fingerprint(codec)
        content["num_codebooks"] = run["num_codebooks"]
        made = _tagged("!new:dac_lobe.dac.DAC", codec.config)
        parts["modules"]["codec"] = loadables["codec"] = made
        files["codec.ckpt"] = codec.state_dict()
    else:
        content["sample_rate"] = run["sample_rate"]
    content.update(parts)
    pretrainer = "!new:speechbrain.utils.parameter_transfer.Pretrainer"
    content["pretrainer"] = _tagged(pretrainer, {"loadables": loadables})
    for name, state in files.items():
        with replacing(output / name) as file:
            torch.save(state, file)
    yaml = YAML()
    yaml.width = 4096
    with replacing(output / HYPERPARAMS) as file:
        yaml.dump(CommentedMap(content), file)
    return output


def _read_run(folder: Path) -> Any:
    """Read the hyperparameters that a recipe has left in its output folder."""
    path = folder / HYPERPARAMS
    if not path.is_file():
        raise ValueError(
            f"{folder} holds no {HYPERPARAMS}. Give the output folder of a trained "
            "recipe, such as recipes/asr/results/an4_tiny/1986."
        )
    run = YAML().load(path.read_text(encoding="utf-8"))
    if not isinstance(run, dict) or not {"modules", "model"} <= run.keys():
        raise ValueError(
            f"{path} names no modules and model: it is of no training. Give the output "
            "folder of recipes/asr or recipes/tts."
        )
    return run


def _best_checkpoint(folder: Path, score: str) -> Any:
    """Find the checkpoint with the lowest score."""
    from speechbrain.utils.checkpoints import Checkpointer

    checkpoint = Checkpointer(folder / "save").find_checkpoint(min_key=score)
    if checkpoint is None:
        raise ValueError(
            f"{folder} holds no checkpoint with a {score}. Has a first epoch finished?"
        )
    return checkpoint


def _made_from(checkpoint: Any) -> Any:
    """Read the hyperparameters that a checkpoint was made with; None in version 0.2.

    Those in the folder are written anew at every start, one that is refused included.
    """
    from dac_lobe.nnet.blueprint import Blueprint

    text = Blueprint.of(checkpoint)
    return None if text is None else YAML().load(text)


def _check_fit(
    parts: CommentedMap, weights: dict[str, torch.Tensor], path: Path
) -> None:
    """Refuse weights that are of another model than the YAML's."""
    from hyperpyyaml import load_hyperpyyaml

    text = StringIO()
    YAML().dump(parts, text)
    try:
        load_hyperpyyaml(text.getvalue())["model"].load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).partition("\n\t")[2].partition("\n")[0]
        raise ValueError(
            f"{path} does not fit the run's {HYPERPARAMS}, which was written at its last "
            f"start: {first} Start the run with the values that it was trained with."
        ) from error


def _fingerprint(checkpoint: Any, run: Any) -> str:
    """Say which codec's tokens a checkpoint was trained on."""
    from dac_lobe.nnet.token_codec import TokenCodec

    return TokenCodec.of(checkpoint) or str(run["token_meta"]["fingerprint"])


def _read_labels(path: Path) -> list[str]:
    """Read a label encoder of SpeechBrain: labels in the order of their numbers."""
    numbers = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("====="):
            break
        label, _, number = line.rpartition(" => ")
        numbers[int(number)] = str(ast.literal_eval(label))
    return [numbers[number] for number in range(len(numbers))]


def _codec(wanted: str, model: str | Path | None) -> DAC:
    """Load the codec of the tokens that a model was trained on."""
    if model is None:
        raise ValueError(
            "the run was trained on tokens: name their codec, as `model` (--model)."
        )
    codec = DAC.from_pretrained(model)
    found = fingerprint(codec, like=wanted)
    if found != wanted:
        raise ValueError(
            f"{model} is the codec {found[:12]}, the run was trained on tokens of "
            f"{wanted[:12]}. Give the codec that they were extracted with."
        )
    return codec


def _tagged(tag: str, content: dict[str, Any]) -> CommentedMap:
    """Make a YAML mapping with a tag."""
    node = CommentedMap(content)
    node.yaml_set_ctag(_tag(tag))
    return node


def _tag(text: str) -> Any:
    from ruamel.yaml.tag import Tag

    return Tag(suffix=text)


def _clean(node: Any, weights: dict[str, torch.Tensor], done: dict[int, Any]) -> Any:
    """Copy YAML nodes without comments and paths; what is shared stays shared."""
    if id(node) in done:
        return done[id(node)]
    if isinstance(node, dict):
        copy = done[id(node)] = CommentedMap()
        for key, value in node.items():
            copy[key] = _clean(value, weights, done)
        if "init_from" in copy:
            # The embedding is made in the shape of the codebooks it began with.
            copy.update({"init_from": None, **_embedding_sizes(weights)})
    elif isinstance(node, list):
        copy = done[id(node)] = CommentedSeq()
        copy.extend(_clean(value, weights, done) for value in node)
    else:
        return node
    if getattr(node, "tag", None) is not None and node.tag.value:
        copy.yaml_set_ctag(_tag(node.tag.value))
    return copy


def _embedding_sizes(weights: dict[str, torch.Tensor]) -> dict[str, int]:
    """Sizes of a `TokenEmbedding`, from its weights."""
    rows = next(name for name in weights if name.endswith("embedding.rows.weight"))
    sizes = {"codebook_dim": weights[rows].shape[1]}
    projection = weights.get(rows.removesuffix("rows.weight") + "weight")
    if projection is not None:
        sizes["latent_dim"] = projection.shape[1]
    return sizes
