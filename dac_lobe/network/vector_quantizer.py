"""One codebook of the Descript Audio Codec: a factorised, l2-normalised look-up.

Adapted from https://github.com/descriptinc/descript-audio-codec
(MIT License, Copyright (c) 2023-present, Descript) and its port in SpeechBrain
(Apache License 2.0); see NOTICE. Paper: https://arxiv.org/abs/2110.04627

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from dac_lobe.network.layers import WNConv1d

__all__ = ["Quantized", "VectorQuantize"]


class Quantized(NamedTuple):
    """Result of one codebook.

    Attributes
    ----------
    z_q : torch.Tensor
        Quantized latents, shape [B, D, F].
    commitment_loss : torch.Tensor
        Mean squared distance that trains the encoder, shape [B].
    codebook_loss : torch.Tensor
        The same distance, training the codebook, shape [B].
    indices : torch.Tensor
        Chosen codebook rows, shape [B, F].
    z_e : torch.Tensor
        Projected latents before quantization, shape [B, codebook_dim, F].
    """

    z_q: torch.Tensor
    commitment_loss: torch.Tensor
    codebook_loss: torch.Tensor
    indices: torch.Tensor
    z_e: torch.Tensor


class VectorQuantize(nn.Module):
    """Quantize latents with one codebook, looked up by cosine similarity.

    Arguments
    ---------
    input_dim : int
        Channels of the latents.
    codebook_size : int
        Number of codes.
    codebook_dim : int
        Dimension of the look-up space.

    Example
    -------
    >>> quantizer = VectorQuantize(input_dim=6, codebook_size=16, codebook_dim=2)
    >>> quantizer(torch.randn(1, 6, 10)).indices.shape
    torch.Size([1, 10])
    """

    in_proj: nn.Conv1d
    out_proj: nn.Conv1d
    codebook: nn.Embedding

    def __init__(self, input_dim: int, codebook_size: int, codebook_dim: int):
        super().__init__()
        self.codebook_size = codebook_size
        self.codebook_dim = codebook_dim
        self.in_proj = WNConv1d(input_dim, codebook_dim, kernel_size=1)
        self.out_proj = WNConv1d(codebook_dim, input_dim, kernel_size=1)
        self.codebook = nn.Embedding(codebook_size, codebook_dim)

    def forward(self, z: torch.Tensor) -> Quantized:
        """Quantize latents; gradients pass straight through the look-up.

        Arguments
        ---------
        z : torch.Tensor
            Latents of shape [B, D, F].

        Returns
        -------
        Quantized
            Latents, losses, indices and projected latents.
        """
        z_e: torch.Tensor = self.in_proj(z)
        z_q, indices = self.decode_latents(z_e)
        # Upstream compares un-normalised vectors although the look-up is
        # normalised; the gain of a codebook row is learned through these terms.
        commitment = F.mse_loss(z_e, z_q.detach(), reduction="none").mean([1, 2])
        codebook = F.mse_loss(z_q, z_e.detach(), reduction="none").mean([1, 2])
        z_q = z_e + (z_q - z_e).detach()
        return Quantized(self.out_proj(z_q), commitment, codebook, indices, z_e)

    def embed_code(self, embed_id: torch.Tensor) -> torch.Tensor:
        """Look up codebook rows: [B, F] to [B, F, codebook_dim]."""
        return F.embedding(embed_id, self.codebook.weight)

    def decode_code(self, embed_id: torch.Tensor) -> torch.Tensor:
        """Look up codebook vectors: [B, F] to [B, codebook_dim, F]."""
        return self.embed_code(embed_id).transpose(1, 2)

    def decode_latents(
        self, latents: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Find the nearest codebook rows.

        Arguments
        ---------
        latents : torch.Tensor
            Projected latents of shape [B, codebook_dim, F].

        Returns
        -------
        z_q : torch.Tensor
            Un-normalised codebook rows, shape [B, codebook_dim, F].
        indices : torch.Tensor
            Their indices, shape [B, F]; the lowest index wins a tie.
        """
        batch, dim, frames = latents.shape
        # Codes are decided in float32 at least: autocast would compare in half.
        with torch.autocast(latents.device.type, enabled=False):
            encodings = latents.permute(0, 2, 1).reshape(-1, dim)
            encodings = F.normalize(_precise(encodings))
            codebook = F.normalize(_precise(self.codebook.weight))
            # The squared distance in upstream's order of operations: another order
            # rounds otherwise and flips near ties, so codes would no longer agree.
            distance = (
                encodings.pow(2).sum(1, keepdim=True)
                - 2 * encodings @ codebook.t()
                + codebook.pow(2).sum(1, keepdim=True).t()
            )
            indices = (-distance).max(dim=1)[1].view(batch, frames)
        return self.decode_code(indices), indices


def _precise(x: torch.Tensor) -> torch.Tensor:
    """Take half precision to float32."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
