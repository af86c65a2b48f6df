"""The codec of an exported model.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from speechbrain.inference.interfaces import Pretrained

from dac_lobe.dac import DAC
from dac_lobe.execution import attach
from dac_lobe.weights.fingerprint import fingerprint

__all__ = ["codec_of"]


def codec_of(model: Pretrained) -> DAC:
    """Take the codec of an exported folder, and make sure that it is the right one."""
    codec: DAC = model.mods.codec
    wanted = model.hparams.codec_fingerprint
    found = fingerprint(codec, like=wanted)
    if found != wanted:
        raise ValueError(
            f"the folder's codec is {found[:12]}, the model has learned the tokens of "
            f"{wanted[:12]}. Export it again."
        )
    return attach(codec)
