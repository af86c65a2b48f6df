"""What the codec and its quantizer return.

The codec's are upstream's tuples, with the rest as attributes.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from dac_lobe.network.layers import keep_valid
from dac_lobe.network.threads import one_thread

__all__ = ["Encoded", "Forwarded", "FromCodes", "ResidualQuantized"]


class ResidualQuantized(NamedTuple):
    """What `ResidualVectorQuantize.forward` returns: the result of all codebooks.

    Attributes
    ----------
    z : torch.Tensor
        Quantized latents, shape [B, D, F].
    codes : torch.Tensor
        Codes, shape [B, K, F].
    latents : torch.Tensor
        Projected latents before quantization, shape [B, K * codebook_dim, F].
    commitment_loss : torch.Tensor
        Scalar, summed over codebooks.
    codebook_loss : torch.Tensor
        Scalar, summed over codebooks.
    """

    z: torch.Tensor
    codes: torch.Tensor
    latents: torch.Tensor
    commitment_loss: torch.Tensor
    codebook_loss: torch.Tensor

    @one_thread()
    def keep_valid(self, frame_lengths: torch.Tensor) -> ResidualQuantized:
        """Zero latents and codes past each item's frames, shape [B]."""
        return self._replace(
            z=keep_valid(self.z, frame_lengths),
            codes=keep_valid(self.codes, frame_lengths),
            latents=keep_valid(self.latents, frame_lengths),
        )


class FromCodes(NamedTuple):
    """What `ResidualVectorQuantize.from_codes` returns: what codes stand for.

    Attributes
    ----------
    z : torch.Tensor
        Quantized latents, shape [B, D, F].
    latents : torch.Tensor
        Codebook vectors, shape [B, K * codebook_dim, F].
    codes : torch.Tensor
        The codes themselves, shape [B, K, F].
    """

    z: torch.Tensor
    latents: torch.Tensor
    codes: torch.Tensor


class _Encoded(NamedTuple):
    z: torch.Tensor
    codes: torch.Tensor
    latents: torch.Tensor
    commitment_loss: torch.Tensor
    codebook_loss: torch.Tensor


class Encoded(_Encoded):
    """What `DAC.encode` returns: upstream's five values, and the frame lengths.

    Unpacks to ``z, codes, latents, commitment_loss, codebook_loss``.

    Attributes
    ----------
    z : torch.Tensor
        Quantized latents, shape [B, D, F].
    codes : torch.Tensor
        Codes, shape [B, K, F].
    latents : torch.Tensor
        Projected latents, shape [B, K * codebook_dim, F].
    commitment_loss : torch.Tensor
        Scalar.
    codebook_loss : torch.Tensor
        Scalar.
    frame_lengths : torch.Tensor
        Valid frames per item, shape [B].
    """

    frame_lengths: torch.Tensor | None

    def __new__(
        cls, *values: torch.Tensor, frame_lengths: torch.Tensor | None = None
    ) -> Encoded:
        """Make the five-tuple and attach the frame lengths."""
        self = super().__new__(cls, *values)
        self.frame_lengths = frame_lengths
        return self

    def _replace(self, **values: torch.Tensor) -> Encoded:
        """Replace some of the five values; the frame lengths stay."""
        replaced = {**self._asdict(), **values}
        return Encoded(*replaced.values(), frame_lengths=self.frame_lengths)


class _Forwarded(NamedTuple):
    codes: torch.Tensor
    z: torch.Tensor


class Forwarded(_Forwarded):
    """What `DAC.forward` returns: SpeechBrain's two values, and the rest of `encode`.

    Unpacks to ``codes, z``.

    Attributes
    ----------
    codes : torch.Tensor
        Codes, shape [B, K, F].
    z : torch.Tensor
        Quantized latents, shape [B, D, F].
    audio : torch.Tensor or None
        Reconstruction of the input's length, shape [B, 1, T]; None unless asked for.
    latents : torch.Tensor
        Projected latents, shape [B, K * codebook_dim, F].
    commitment_loss : torch.Tensor
        Scalar.
    codebook_loss : torch.Tensor
        Scalar.
    frame_lengths : torch.Tensor
        Valid frames per item, shape [B].
    """

    audio: torch.Tensor | None = None
    latents: torch.Tensor | None = None
    commitment_loss: torch.Tensor | None = None
    codebook_loss: torch.Tensor | None = None
    frame_lengths: torch.Tensor | None = None

    def __new__(
        cls,
        codes: torch.Tensor,
        z: torch.Tensor,
        encoded: Encoded | None = None,
        audio: torch.Tensor | None = None,
    ) -> Forwarded:
        """Make the two-tuple and attach the rest."""
        self = super().__new__(cls, codes, z)
        self.audio = audio
        if encoded is not None:  # None when unpickled, the attributes follow
            self.latents = encoded.latents
            self.commitment_loss = encoded.commitment_loss
            self.codebook_loss = encoded.codebook_loss
            self.frame_lengths = encoded.frame_lengths
        return self
