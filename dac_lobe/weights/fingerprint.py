"""A name for weights that is the same in whichever file they lie.

A container or a token store must know which codec its codes belong to. A hash
of the file would not do: the same weights lie about as .pth, as safetensors and
in folders of transformers, with weight norm or folded, and folding on another
machine differs in the last bit. Hence the fingerprint is the SHA-256 of

1. the configuration, as canonical JSON, without what does not change codes
   or samples (quantizer dropout);
2. the exact float32 bytes, in the order of their names, of what no layout
   touches: biases, Snake frequencies, codebooks. Any training step changes
   them all;
3. of each folded convolution, so that a change of these alone shows too, its norm,
   ``round(16 * log2 ||w||)``, and a sketch of its direction: 16 projections
   ``round(16 * <signs, w> / ||w||)`` on 8191 fixed signs, repeated.

A projection spreads over about -3 to 3 and moves by the relative change of the
weights. 2 % of noise on a single convolution moves each by a third of the grid, and at
least one of 16 onto another number in 99 of 100 draws. Folding elsewhere rounds in
another way, which moves a projection by some 6e-7 of the grid: folded in float32 and in
double, one full-size checkpoint in 1200 would get two names. A coarser grid or fewer
projections would rename less and miss more, in proportion.

Form 1, that of files and stores from before, had no norms and one projection: it did
not see a change of scale. What is written down in it is still recognised.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
from weakref import WeakKeyDictionary

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from dac_lobe.execution.weight_watch import WeightWatch
from dac_lobe.network.autoencoder import Autoencoder
from dac_lobe.weights import layouts

__all__ = ["fingerprint"]

# A prime, so that no channel count is a multiple of it and the same signs do
# not meet the same places of every channel.
_PERIOD = 8191
_GRID = 16
# Projections in each form. The form stands first in what is hashed.
_PROJECTIONS = {1: 1, 2: 16}

_Known = tuple[WeightWatch, dict[int, str]]
_known: WeakKeyDictionary[nn.Module, _Known] = WeakKeyDictionary()


def fingerprint(model: Autoencoder, like: str | None = None) -> str:
    """Name the weights and configuration of a codec.

    The result is kept until a parameter changes.

    Arguments
    ---------
    model : DAC
        On any device, with weight norm or folded.
    like : str, optional
        A name that was written down, to compare the result with. If it is this codec's
        in an older form, it is the result.

    Returns
    -------
    str
        64 hexadecimal digits; the first 12 do for messages.

    Raises
    ------
    ValueError
        If a weight is NaN or infinite.

    Example
    -------
    >>> from dac_lobe import DAC
    >>> codec = DAC.from_pretrained("16khz-small")
    >>> name = fingerprint(codec)
    >>> name == fingerprint(DAC.from_pretrained("16khz-small"))
    True
    >>> with torch.no_grad():
    ...     _ = codec.decoder.model[0].bias.add_(1e-3)
    >>> name == fingerprint(codec)
    False
    """
    name = _named(model, 2)
    if like is None or like == name:
        return name
    return like if like == _named(model, 1) else name


def _named(model: Autoencoder, form: int) -> str:
    """Return a fingerprint, kept or computed."""
    known = _known.get(model)
    if known is None or not known[0].fresh():
        # The watch first: a change while the digest is computed shows next time.
        known = WeightWatch(model), {}
        if not any(p.is_inference() for p in model.parameters()):  # no versions
            _known[model] = known
    if form not in known[1]:
        known[1][form] = _digest(model, form)
    return known[1][form]


@torch.no_grad()
def _digest(model: Autoencoder, form: int) -> str:
    """Compute the fingerprint."""
    sha = hashlib.sha256(f"dac-lobe fingerprint {form}\n".encode())
    config = {k: v for k, v in model.config.items() if k != "quantizer_dropout"}
    sha.update(json.dumps(config, sort_keys=True).encode())
    weights = layouts.folded(
        {
            layouts.official_key(key): tensor.detach().to("cpu", torch.float32)
            for key, tensor in model.state_dict().items()
        }
    )
    for key, tensor in sorted(weights.items()):
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"'{key}' holds NaN or infinite values; no fingerprint.")
        sha.update(f"\n{key} {list(tensor.shape)} ".encode())
        if tensor.dim() == 3 and key.endswith(".weight"):
            sketch = [*map(str, _sketch(tensor, _PROJECTIONS[form]))]
            sha.update(
                " ".join(sketch if form == 1 else [_size(tensor), *sketch]).encode()
            )
        else:
            sha.update(tensor.contiguous().numpy().astype("<f4").tobytes())
    return sha.hexdigest()


def _size(weight: torch.Tensor) -> str:
    """Write the norm of a tensor on a grid of octaves."""
    norm = float(weight.double().norm())
    return "nothing" if norm == 0.0 else str(round(_GRID * math.log2(norm)))


def _sketch(weight: torch.Tensor, projections: int) -> list[int]:
    """Project a tensor on fixed signs, relative to its norm, and round coarsely."""
    flat = weight.double().flatten()
    norm = float(flat.norm())
    if norm == 0.0:
        return [0] * projections
    columns = F.pad(flat, (0, -flat.numel() % _PERIOD)).view(-1, _PERIOD).sum(0)
    products = _GRID * (_signs(projections) @ columns) / norm
    return [round(product) for product in products.tolist()]


@functools.cache
def _signs(projections: int) -> torch.Tensor:
    """Make fixed signs [P, 8191], independent of any library's random numbers."""
    size = _PERIOD // 8 + 1
    stream = hashlib.shake_128(b"dac-lobe").digest(projections * size)
    bits = np.unpackbits(np.frombuffer(stream, np.uint8)).reshape(projections, -1)
    return torch.from_numpy(bits[:, :_PERIOD].astype(np.float64) * 2 - 1)
