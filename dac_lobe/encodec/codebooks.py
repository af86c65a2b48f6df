"""EnCodec's codebooks, with as much of `ResidualVectorQuantize` as its users need.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import nn
from transformers import EncodecModel

from dac_lobe.network.code_checks import CodeChecks

__all__ = ["Codebooks"]


class Codebooks(CodeChecks):
    """A view of the quantizer of transformers' model.

    Arguments
    ---------
    model : EncodecModel
        The model.
    """

    def __init__(self, model: EncodecModel):
        self._quantizer = model.quantizer
        self.n_codebooks = len(self._quantizer.layers)
        self.codebook_size = self._quantizer.codebook_size

    @property
    def vectors(self) -> list[torch.Tensor]:
        """The codebooks, [V, D] each."""
        return [layer.codebook.embed for layer in self._quantizer.layers]

    @property
    def quantizers(self) -> list[SimpleNamespace]:
        """The stages as `DAC` has them. EnCodec's rows are latents: no projection."""
        return [
            SimpleNamespace(
                codebook=SimpleNamespace(weight=vectors), out_proj=nn.Identity()
            )
            for vectors in self.vectors
        ]

    def behind(self, bandwidth: float) -> int:
        """Count the codebooks behind a nominal bandwidth in kbps."""
        return self._quantizer.get_num_quantizers_for_bandwidth(bandwidth)
