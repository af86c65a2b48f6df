"""The identity of a codec: which weights made these codes?

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from dac_lobe.dac import DAC

__all__ = ["fingerprint"]

# What no layout of a checkpoint touches: folding a weight norm and taking it
# apart again rounds the weights, but never a bias, a Snake frequency or a
# codebook. There is one of them in every layer, so training changes the whole.
_UNTOUCHED = ("bias", "alpha", "codebook.weight")


def fingerprint(codec: DAC) -> str:
    """Compute the identity of a codec from its shape and its weights.

    The same weights give the same fingerprint whatever file they came from
    (official, safetensors, transformers, weight norm folded or not), on any
    device. Weights rounded to half precision are other weights.

    Arguments
    ---------
    codec : DAC
        The codec.

    Returns
    -------
    str
        32 hex digits.

    Example
    -------
    >>> from dac_lobe import DAC
    >>> shape = dict(encoder_dim=4, encoder_rates=[2], decoder_dim=8, decoder_rates=[2])
    >>> codec, other = DAC(**shape), DAC(**shape)
    >>> fingerprint(codec) == fingerprint(other)
    False
    >>> _ = other.load_state_dict(codec.state_dict())
    >>> fingerprint(codec) == fingerprint(other)
    True
    """
    shape = {
        "sample_rate": codec.sample_rate,
        "encoder_rates": list(codec.encoder_rates),
        "decoder_rates": list(codec.decoder_rates),
        "n_codebooks": codec.n_codebooks,
        "codebook_size": codec.codebook_size,
    }
    digest = hashlib.sha256(json.dumps(shape, sort_keys=True).encode())
    for name, values in sorted(codec.state_dict().items()):
        if name.endswith(_UNTOUCHED):
            digest.update(name.encode())
            digest.update(values.to("cpu", torch.float32).contiguous().numpy().data)
    return digest.hexdigest()[:32]
