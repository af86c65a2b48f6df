"""What may run a codec's networks in place of its modules.

The network knows this protocol and nothing of what implements it, which is
`dac_lobe.execution`.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import nn

from dac_lobe.network.outputs import FromCodes, ResidualQuantized
from dac_lobe.network.quantizer import ResidualVectorQuantize

__all__ = ["Executor", "Network"]


class Network(Protocol):
    """What an executor, and whatever cuts time, sees of a codec."""

    @property
    def encoder(self) -> nn.Module:
        """Waveforms to latents."""

    @property
    def quantizer(self) -> ResidualVectorQuantize:
        """Latents to codes and back."""

    @property
    def decoder(self) -> nn.Module:
        """Latents to raw waveforms."""

    @property
    def hop_length(self) -> int:
        """Samples per frame."""

    @property
    def frame_rate(self) -> float:
        """Frames per second, in Hz."""

    def encode_frames(
        self, audio: torch.Tensor, lengths: torch.Tensor | None
    ) -> torch.Tensor:
        """Run the encoder on whole hops [B, 1, T], by the executor if there is one."""

    def quantize(self, z: torch.Tensor, used: int | None) -> ResidualQuantized:
        """Run the quantizer on latents [B, D, F], by the executor if there is one."""


class Executor(Protocol):
    """Runs the networks of a codec in inference.

    Attributes
    ----------
    backend : str
        Its name.
    precision : str
        Of the decoder: 'exact', 'tf32', 'bf16' or 'fp16'.
    """

    backend: str
    precision: str

    def encode_frames(
        self, network: Network, audio: torch.Tensor, lengths: torch.Tensor | None
    ) -> torch.Tensor:
        """Encode whole hops [B, 1, T]; past ``lengths`` [B] samples items are zero."""

    def quantize(
        self, network: Network, z: torch.Tensor, used: int
    ) -> ResidualQuantized:
        """Quantize latents [B, D, F] with the first ``used`` codebooks."""

    def quantize_span(
        self,
        network: Network,
        audio: torch.Tensor,
        frame_lengths: torch.Tensor | None,
        z: torch.Tensor,
        used: int,
        first: int,
    ) -> ResidualQuantized:
        """Quantize latents [B, D, F] of ``audio`` from its frame ``first`` on.

        Codes do not depend on how the signal was cut, even where the sums that made
        ``z`` do.
        """

    def dequantize(self, network: Network, codes: torch.Tensor) -> FromCodes:
        """Rebuild latents from codes [B, K', F]."""

    def decode_frames(
        self, network: Network, z: torch.Tensor, frame_lengths: torch.Tensor | None
    ) -> torch.Tensor:
        """Decode latents [B, D, F]; the result is raw."""
