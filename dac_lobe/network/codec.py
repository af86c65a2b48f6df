"""What a codec is: waveforms to codes and back, at known rates.

`dac_lobe.DAC` and `dac_lobe.encodec.EnCodec` are codecs in this sense; the tokenizer and
token stores need no more of them. The idea of writing it down is Moshi's
``CompressionModel`` (https://github.com/kyutai-labs/moshi).

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch

__all__ = ["Codebooks", "Codec", "Coded", "Stage", "Table"]


class Coded(Protocol):
    """What `Codec.encode` returns."""

    @property
    def codes(self) -> torch.Tensor:
        """Codes, shape [B, K, F]."""


class Table(Protocol):
    """The vectors of one codebook."""

    @property
    def weight(self) -> torch.Tensor:
        """Shape [V, codebook_dim]."""


class Stage(Protocol):
    """One codebook, and how its vectors become latents."""

    @property
    def codebook(self) -> Table:
        """The vectors."""

    @property
    def out_proj(self) -> Callable[[torch.Tensor], torch.Tensor]:
        """[B, codebook_dim, F] to [B, D, F]."""


class Codebooks(Protocol):
    """The quantizer, as far as users of codes need it."""

    @property
    def quantizers(self) -> Sequence[Stage]:
        """The codebooks in their order."""

    def check_n_quantizers(self, number: int | None, name: str = ...) -> int:
        """Return how many codebooks to use, or raise a ValueError."""


class Codec(Protocol):
    """A model that turns waveforms into codes and back."""

    @property
    def sample_rate(self) -> int:
        """Samples per second."""

    @property
    def hop_length(self) -> int:
        """Samples per frame."""

    @property
    def frame_rate(self) -> float:
        """Frames per second, in Hz."""

    @property
    def num_codebooks(self) -> int:
        """Codebooks K."""

    @property
    def codebook_size(self) -> int:
        """Codes V of each."""

    @property
    def latent_dim(self) -> int:
        """Channels D of the latents."""

    @property
    def quantizer(self) -> Codebooks:
        """The codebooks."""

    @property
    def device(self) -> torch.device:
        """Where the weights are."""

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights."""

    def encode(
        self,
        audio_data: torch.Tensor,
        n_quantizers: int | None = ...,
        *,
        lengths: torch.Tensor | None = ...,
    ) -> Coded:
        """Encode waveforms [B, 1, T] or [B, T]."""

    def decode_codes(
        self, codes: torch.Tensor, length: int | torch.Tensor | None = ...
    ) -> torch.Tensor:
        """Decode codes [B, K', F] into waveforms [B, 1, T]."""

    def to(self, device: torch.device) -> Any:
        """Move the weights."""
