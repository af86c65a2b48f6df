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
    if fingerprint(codec) != model.hparams.codec_fingerprint:
        raise ValueError(
            f"the folder's codec is {fingerprint(codec)[:12]}, the model has learned "
            f"the tokens of {model.hparams.codec_fingerprint[:12]}. Export it again."
        )
    return attach(codec)
