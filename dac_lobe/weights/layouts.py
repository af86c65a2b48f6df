"""How each system names the same tensors, and the maps between the names.

One naming is the reference: upstream's, with weight norm either as ``weight_g``
and ``weight_v`` or folded into ``weight``. Every other one is translated on the
way in and on the way out:

    official       encoder.block.1.block.0.block.1.weight_g, .weight_v
    parametrized   encoder.block.1.block.0.block.1.parametrizations.weight.original0, 1
    transformers   encoder.block.0.res_unit1.conv1.weight
    wrapped        model.encoder. ..., dac.encoder. ..., any one prefix

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

__all__ = [
    "folded",
    "infer_config",
    "normed",
    "official_key",
    "official_names",
    "parametrized_key",
    "transformers_names",
]

State = dict[str, torch.Tensor]

_ANCHOR = "quantizer.quantizers.0.codebook.weight"
_PARAMETRIZED = {
    ".parametrizations.weight.original0": ".weight_g",
    ".parametrizations.weight.original1": ".weight_v",
}
# Filters between 2 ** -40 and 2 ** 40 have squares that float32 adds up.
_SQUARES = 40
_CACHED = 2**18  # numbers that fit the cache of a core
_LEAVES = ("snake1", "conv1", "snake2", "conv2")


def official_key(key: str) -> str:
    """Rename the key of a parametrized weight: original0 is g, original1 is v.

    Example
    -------
    >>> official_key("encoder.block.0.parametrizations.weight.original1")
    'encoder.block.0.weight_v'
    """
    for new, old in _PARAMETRIZED.items():
        if key.endswith(new):
            return key.removesuffix(new) + old
    return key


def parametrized_key(key: str) -> str:
    """Undo `official_key`.

    Example
    -------
    >>> parametrized_key("encoder.block.0.weight_v")
    'encoder.block.0.parametrizations.weight.original1'
    """
    for new, old in _PARAMETRIZED.items():
        if key.endswith(old):
            return key.removesuffix(old) + new
    return key


def official_names(state: Mapping[str, torch.Tensor]) -> State:
    """Translate any known naming into the official one.

    Arguments
    ---------
    state : mapping of str to torch.Tensor
        Official, parametrized or transformers names, under any one prefix.

    Returns
    -------
    dict
        The same tensors. Weight norm stays as it is: (``weight_g``,
        ``weight_v``) or ``weight``.

    Raises
    ------
    ValueError
        If no key looks like the quantizer of a DAC.
    """
    anchors = [key for key in state if key.endswith(_ANCHOR)]
    if not anchors:
        first = ", ".join(sorted(state)[:3]) or "none at all"
        raise ValueError(f"no key ends in '{_ANCHOR}'; the first keys are: {first}")
    prefix = min(anchors, key=len).removesuffix(_ANCHOR)
    # Keys outside the prefix keep their full name and are reported as unexpected.
    state = {official_key(key.removeprefix(prefix)): t for key, t in state.items()}
    if not any(key.startswith("encoder.conv1.") for key in state):
        return state
    blocks = {part: _count(state, f"{part}.block.{{}}.") for part in _PARTS}
    stems = {theirs: ours for ours, theirs in _stems(blocks)}
    return {_restem(key, stems): tensor for key, tensor in state.items()}


def transformers_names(state: Mapping[str, torch.Tensor]) -> State:
    """Translate official names into those of transformers' ``DacModel``."""
    blocks = {
        part: _count(state, f"{part}.{_PARTS[part]}.{{}}.block.0.", start=1)
        for part in _PARTS
    }
    stems = dict(_stems(blocks))
    return {_restem(key, stems): tensor for key, tensor in state.items()}


def folded(state: Mapping[str, torch.Tensor]) -> State:
    """Replace each (``weight_g``, ``weight_v``) by ``weight = g * v / ||v||``."""
    plain = {key: t for key, t in state.items() if not _is_normed(key)}
    for key, gain in state.items():
        if key.endswith(".weight_g"):
            stem = key.removesuffix("_g")
            plain[stem] = torch._weight_norm(state[f"{stem}_v"], gain, 0)
    return plain


def normed(state: Mapping[str, torch.Tensor]) -> State:
    """Replace each folded convolution by (``weight_g``, ``weight_v``), v the weight.

    Folding again gives the same bits. Filters that are all zero have no direction:
    theirs is arbitrary, and the gain 0. Of those so small or large that float32 has
    not their squares, v is a multiple by a power of two.
    """
    result = {}
    for key, tensor in state.items():
        if key.endswith(".weight") and tensor.dim() == 3:
            scaled, exponent = _in_range(tensor)
            result[f"{key}_g"] = torch.ldexp(_norm(scaled), exponent)
            result[f"{key}_v"] = scaled
        else:
            result[key] = tensor
    return result


def infer_config(state: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Read from the shapes all of a DAC's configuration that shapes can tell.

    Arguments
    ---------
    state : mapping of str to torch.Tensor
        Official names.

    Returns
    -------
    dict
        Constructor arguments, all but the sample rate, the delay and dropout.

    Raises
    ------
    ValueError
        If the tensors are not those of a DAC.
    """

    def strides(template: str) -> list[int]:
        """Strides of numbered blocks: kernels are twice the stride."""
        shapes: list[tuple[int, ...]] = []
        while f"{(stem := template.format(len(shapes) + 1))}.bias" in state:
            shapes.append(_conv_shape(state, stem))
        return [shape[2] // 2 for shape in shapes]

    encoder_rates = strides("encoder.block.{}.block.4")
    decoder_rates = strides("decoder.model.{}.block.1")
    books = [
        _shape(state, f"quantizer.quantizers.{stage}.codebook.weight", 2)
        for stage in range(_count(state, "quantizer.quantizers.{}.codebook."))
    ]
    dims = [dim for _, dim in books]
    return {
        "encoder_dim": _conv_shape(state, "encoder.block.0")[0],
        "encoder_rates": encoder_rates,
        "latent_dim": _conv_shape(state, f"encoder.block.{len(encoder_rates) + 2}")[0],
        "decoder_dim": _conv_shape(state, "decoder.model.0")[0],
        "decoder_rates": decoder_rates,
        "n_codebooks": len(books),
        "codebook_size": books[0][0],
        "codebook_dim": dims[0] if len(set(dims)) == 1 else dims,
    }


_PARTS = {"encoder": "block", "decoder": "model"}


def _stems(blocks: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Yield (official, transformers) names of all layers outside the quantizer."""
    for part, stack in _PARTS.items():
        count = blocks[part]
        # Encoder blocks end in their strided convolution, decoder blocks start
        # with it; three residual units are the rest.
        first_unit, snake, conv = (0, 3, 4) if part == "encoder" else (2, 0, 1)
        conv_name = "conv1" if part == "encoder" else "conv_t1"
        yield f"{part}.{stack}.0", f"{part}.conv1"
        for block in range(count):
            ours, theirs = f"{part}.{stack}.{block + 1}.block", f"{part}.block.{block}"
            yield f"{ours}.{snake}", f"{theirs}.snake1"
            yield f"{ours}.{conv}", f"{theirs}.{conv_name}"
            for unit in range(3):
                for place, leaf in enumerate(_LEAVES):
                    yield (
                        f"{ours}.{first_unit + unit}.block.{place}",
                        f"{theirs}.res_unit{unit + 1}.{leaf}",
                    )
        yield f"{part}.{stack}.{count + 1}", f"{part}.snake1"
        yield f"{part}.{stack}.{count + 2}", f"{part}.conv2"


def _restem(key: str, stems: Mapping[str, str]) -> str:
    """Rename the layer of ``key``, where it has another name."""
    stem, _, leaf = key.rpartition(".")
    return f"{stems.get(stem, stem)}.{leaf}" if stem else key


def _count(state: Mapping[str, Any], template: str, start: int = 0) -> int:
    """Count how many consecutive numbers in ``template`` begin some key."""
    number = start
    while any(key.startswith(template.format(number)) for key in state):
        number += 1
    return number - start


def _in_range(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale filters whose norm float32 cannot tell; ones for those that are zero.

    Returns
    -------
    tuple of torch.Tensor
        The filters, and the exponents [rows, 1, 1] of the powers of two that make
        them what they were; minus infinity for zero.
    """
    peak = weight.abs().amax(dim=(1, 2), keepdim=True)
    exponent = torch.frexp(peak).exponent
    usual = exponent.abs() < _SQUARES
    if bool(usual.logical_and(peak > 0).all()):
        return weight, torch.zeros_like(peak)
    exponent = torch.where(usual, 0, exponent)
    # Twice half the exponent: 2 ** 148 alone is beyond float32.
    half = exponent // 2
    scaled = torch.ldexp(torch.ldexp(weight, -half), half - exponent)
    zero = peak == 0
    scaled = torch.where(zero, torch.ones_like(scaled), scaled)
    return scaled, torch.where(zero, -torch.inf, exponent.to(peak.dtype))


def _norm(weight: torch.Tensor) -> torch.Tensor:
    """Compute the norm of each row of a convolution's weight, shape [rows, 1, 1].

    It is the norm as the weight-norm kernel itself computes it, so that
    ``g / ||v||`` is exactly 1; other ways to sum the squares differ in the last
    place. The kernel writes the folded weight too: a few rows at a time, that
    stays in the cache.
    """
    rows = max(1, _CACHED // weight[0].numel())
    norms = [
        torch._weight_norm_interface(part, part.new_ones(len(part), 1, 1))[1]
        for part in weight.split(rows)
    ]
    return torch.cat(norms)


def _is_normed(key: str) -> bool:
    """Whether a key is one half of a weight norm."""
    return key.endswith((".weight_g", ".weight_v"))


def _conv_shape(state: Mapping[str, torch.Tensor], stem: str) -> tuple[int, ...]:
    """Shape of a convolution's weight, whichever way it is stored."""
    key = f"{stem}.weight_v" if f"{stem}.weight_v" in state else f"{stem}.weight"
    return _shape(state, key, 3)


def _shape(state: Mapping[str, torch.Tensor], key: str, dims: int) -> tuple[int, ...]:
    """Shape of a tensor that must have ``dims`` dimensions."""
    if key not in state:
        raise ValueError(f"'{key}' is missing")
    if state[key].dim() != dims or 0 in state[key].shape:
        raise ValueError(f"'{key}' has shape {tuple(state[key].shape)}")
    return tuple(state[key].shape)
