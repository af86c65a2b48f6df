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
3. a sketch of each folded convolution, so that a change of these alone shows
   too: ``round(16 * <signs, w> / ||w||)`` with 8191 fixed signs, repeated.

The projection in 3 spreads over about -3 to 3 and moves by the relative change
of the weights. Folding elsewhere moves it by some 1e-8, against a grid of 1/16:
less than one checkpoint in ten thousand would get another name. A relative
change of 1 % moves nearly every codec's sketch somewhere.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import json
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


_known: WeakKeyDictionary[nn.Module, tuple[WeightWatch, str]] = WeakKeyDictionary()


def fingerprint(model: Autoencoder) -> str:
    """Name the weights and configuration of a codec.

    The result is kept until a parameter changes.

    Arguments
    ---------
    model : DAC
        On any device, with weight norm or folded.

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
    known = _known.get(model)
    if known is not None and known[0].fresh():
        return known[1]
    # The watch first: a change while the digest is computed shows next time.
    watch, digest = WeightWatch(model), _digest(model)
    if not any(p.is_inference() for p in model.parameters()):  # no versions
        _known[model] = watch, digest
    return digest


@torch.no_grad()
def _digest(model: Autoencoder) -> str:
    """Compute the fingerprint."""
    sha = hashlib.sha256(b"dac-lobe fingerprint 1\n")
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
            sha.update(str(_sketch(tensor)).encode())
        else:
            sha.update(tensor.contiguous().numpy().astype("<f4").tobytes())
    return sha.hexdigest()


def _sketch(weight: torch.Tensor) -> int:
    """Project a tensor on fixed signs, relative to its norm, and round coarsely."""
    flat = weight.double().flatten()
    norm = float(flat.norm())
    if norm == 0.0:
        return 0
    columns = F.pad(flat, (0, -flat.numel() % _PERIOD)).view(-1, _PERIOD).sum(0)
    return round(_GRID * float(columns @ _signs()) / norm)


def _signs() -> torch.Tensor:
    """Make the fixed signs, independent of any library's random numbers."""
    stream = hashlib.shake_128(b"dac-lobe").digest(_PERIOD // 8 + 1)
    bits = np.unpackbits(np.frombuffer(stream, np.uint8))[:_PERIOD]
    return torch.from_numpy(bits.astype(np.float64) * 2 - 1)
