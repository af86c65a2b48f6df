"""Residual vector quantizer of the Descript Audio Codec: a cascade of codebooks.

Adapted from https://github.com/descriptinc/descript-audio-codec
(MIT License, Copyright (c) 2023-present, Descript) and its port in SpeechBrain
(Apache License 2.0); see NOTICE. Papers: https://arxiv.org/abs/2107.03312
(residual quantization), https://arxiv.org/abs/2306.06546 section 3.2.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import cast

import torch
from torch import nn

from dac_lobe.network.code_checks import CodeChecks
from dac_lobe.network.names import codebooks_by_any_name
from dac_lobe.network.outputs import FromCodes, ResidualQuantized
from dac_lobe.network.vector_quantizer import VectorQuantize

__all__ = ["ResidualVectorQuantize"]


class ResidualVectorQuantize(CodeChecks, nn.Module):
    """Quantize latents with a cascade of codebooks, each coding the rest.

    Arguments
    ---------
    input_dim : int
        Channels of the latents.
    n_codebooks : int
        Number of codebooks K.
    codebook_size : int
        Codes per codebook.
    codebook_dim : int or sequence of int
        Dimension of the look-up space, one for all or one per codebook.
    quantizer_dropout : float
        Share of each training batch whose number of codebooks is drawn at
        random from 1 to K, so that every prefix of the codes stays usable.

    Example
    -------
    >>> quantizer = ResidualVectorQuantize(6, n_codebooks=3, codebook_size=16).eval()
    >>> quantizer(torch.randn(1, 6, 10), n_quantizers=2).codes.shape
    torch.Size([1, 2, 10])
    """

    @codebooks_by_any_name
    def __init__(
        self,
        input_dim: int = 512,
        n_codebooks: int = 9,
        codebook_size: int = 1024,
        codebook_dim: int | Sequence[int] = 8,
        quantizer_dropout: float = 0.0,
    ):
        super().__init__()
        if isinstance(codebook_dim, int):
            codebook_dim = [codebook_dim] * n_codebooks
        if len(codebook_dim) != n_codebooks:
            raise ValueError(
                f"codebook_dim has {len(codebook_dim)} entries for "
                f"n_codebooks={n_codebooks}. Give one int, or one per codebook."
            )
        self.n_codebooks = n_codebooks
        self.codebook_dim = list(codebook_dim)
        self.codebook_size = codebook_size
        self.quantizer_dropout = float(quantizer_dropout)
        stages = (VectorQuantize(input_dim, codebook_size, dim) for dim in codebook_dim)
        # A ModuleList does not say what it holds.
        self.quantizers = cast("Sequence[VectorQuantize]", nn.ModuleList(stages))

    @codebooks_by_any_name
    def forward(
        self, z: torch.Tensor, n_quantizers: int | None = None
    ) -> ResidualQuantized:
        """Quantize latents.

        Arguments
        ---------
        z : torch.Tensor
            Latents of shape [B, D, F].
        n_quantizers : int, optional
            Number of codebooks to use, 1 to K; all by default. Honoured in
            training too, where it switches quantizer dropout off for the call.

        Returns
        -------
        ResidualQuantized
            Latents, codes, projected latents and losses.

        Raises
        ------
        ValueError
            If ``n_quantizers`` is out of range.
        """
        used = self.check_n_quantizers(n_quantizers)
        active = torch.full((z.shape[0],), used, device=z.device)
        if self.training and n_quantizers is None and self.quantizer_dropout > 0:
            dropped = int(z.shape[0] * self.quantizer_dropout)
            drawn = torch.randint(1, self.n_codebooks + 1, (z.shape[0],))
            active[:dropped] = drawn[:dropped].to(z.device)

        z_q = torch.zeros_like(z)
        residual = z
        commitment_loss = z.new_zeros(())
        codebook_loss = z.new_zeros(())
        codes, latents = [], []
        for stage, quantizer in enumerate(self.quantizers[:used]):
            quantized = quantizer(residual)
            # A masked stage is multiplied by zero rather than skipped: every
            # parameter stays in the graph, as distributed training requires.
            mask = stage < active
            z_q = z_q + quantized.z_q * mask[:, None, None]
            residual = residual - quantized.z_q
            commitment_loss = commitment_loss + _mean(quantized.commitment_loss * mask)
            codebook_loss = codebook_loss + _mean(quantized.codebook_loss * mask)
            codes.append(quantized.indices)
            latents.append(quantized.z_e)
        return ResidualQuantized(
            z_q,
            torch.stack(codes, dim=1),
            torch.cat(latents, dim=1),
            commitment_loss,
            codebook_loss,
        )

    def from_codes(self, codes: torch.Tensor) -> FromCodes:
        """Rebuild latents from codes of any prefix of the codebooks.

        Arguments
        ---------
        codes : torch.Tensor
            Integers of shape [B, K', F] with K' from 1 to K.

        Returns
        -------
        FromCodes
            Latents, codebook vectors and the codes.

        Raises
        ------
        ValueError
            If the shape, the type or a value of ``codes`` is not allowed.

        Example
        -------
        >>> quantizer = ResidualVectorQuantize(6, n_codebooks=3, codebook_size=16)
        >>> quantizer.from_codes(torch.zeros(1, 2, 10, dtype=torch.long)).z.shape
        torch.Size([1, 6, 10])
        """
        codes = self.check_codes(codes)
        if codes.shape[-1] == 0:  # which a convolution refuses
            return self._no_frames(codes)
        vectors = [
            quantizer.decode_code(codes[:, stage])
            for stage, quantizer in enumerate(self.quantizers[: codes.shape[1]])
        ]
        parts = [
            quantizer.out_proj(vector)
            for quantizer, vector in zip(self.quantizers, vectors, strict=False)
        ]
        return FromCodes(_total(parts), torch.cat(vectors, dim=1), codes)

    def from_latents(self, latents: torch.Tensor) -> FromCodes:
        """Quantize projected latents, as returned by ``forward``.

        Arguments
        ---------
        latents : torch.Tensor
            Shape [B, K' * codebook_dim, F]; incomplete stages are ignored.

        Returns
        -------
        FromCodes
            Latents, codebook vectors and codes.
        """
        parts, vectors, codes = [], [], []
        start = 0
        for quantizer in self.quantizers:
            end = start + quantizer.codebook_dim
            if end > latents.shape[1]:
                break
            vector, indices = quantizer.decode_latents(latents[:, start:end])
            vectors.append(vector)
            codes.append(indices)
            parts.append(quantizer.out_proj(vector))
            start = end
        if not codes:
            raise ValueError(
                f"latents have {latents.shape[1]} channels; one codebook needs "
                f"{self.quantizers[0].codebook_dim}. Pass the `latents` of encode()."
            )
        z_q = _total(parts)
        return FromCodes(z_q, torch.cat(vectors, dim=1), torch.stack(codes, dim=1))

    def _no_frames(self, codes: torch.Tensor) -> FromCodes:
        """Say what codes of no frames stand for."""
        batch, used, _ = codes.shape
        weight = self.quantizers[0].codebook.weight
        return FromCodes(
            weight.new_zeros(batch, self.quantizers[0].out_proj.out_channels, 0),
            weight.new_zeros(batch, sum(self.codebook_dim[:used]), 0),
            codes,
        )


def _total(parts: Iterable[torch.Tensor]) -> torch.Tensor:
    """Sum in order, from the first on."""
    return reduce(torch.add, parts)


def _mean(values: torch.Tensor) -> torch.Tensor:
    """Mean over the batch, 0 for an empty one."""
    return values.sum() / max(values.numel(), 1)
