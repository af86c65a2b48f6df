"""Text as a speaking model reads it: features and durations of characters.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from dac_lobe.nnet.masks import valid_mask

__all__ = ["TextEncoder"]


class TextEncoder(nn.Module):
    """Convolutions over characters, and a duration for each.

    Arguments
    ---------
    vocab_size : int
        Characters; 0 is padding.
    d_model : int
        Size of the features.
    num_layers : int
        Convolutions, each sees two characters on both sides.
    frames_per_character : float
        Duration to start from.
    dropout : float
        After each convolution.

    Example
    -------
    >>> encoder = TextEncoder(30, d_model=16, num_layers=2, frames_per_character=5.0)
    >>> text = torch.tensor([[4, 8, 15, 16, 23]])
    >>> features, durations = encoder(text, torch.ones(1), torch.zeros(1, 16))
    >>> features.shape, durations.shape
    (torch.Size([1, 5, 16]), torch.Size([1, 5]))
    """

    def __init__(
        self,
        vocab_size: int,
        d_model: int,
        num_layers: int,
        frames_per_character: float,
        dropout: float = 0.1,
    ):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_model, padding_idx=0)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(d_model, d_model, kernel_size=5, padding=2)
            for _ in range(num_layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(d_model) for _ in range(num_layers))
        self.dropout = nn.Dropout(dropout)
        self.duration = nn.Linear(d_model, 1)
        nn.init.zeros_(self.duration.weight)
        nn.init.constant_(
            self.duration.bias, math.log(math.expm1(frames_per_character))
        )

    def forward(
        self, text: torch.Tensor, lengths: torch.Tensor, speaker: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode text.

        Arguments
        ---------
        text : torch.Tensor
            Characters of shape [B, L].
        lengths : torch.Tensor
            Relative lengths, shape [B].
        speaker : torch.Tensor
            Who speaks, shape [B, D].

        Returns
        -------
        features : torch.Tensor
            Shape [B, L, D].
        durations : torch.Tensor
            Frames of each character, shape [B, L]; 0 in the padding.
        """
        valid = valid_mask(text.shape[1], lengths)
        x = (self.embedding(text) + speaker[:, None]) * valid[..., None]
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            y = convolution(x.transpose(1, 2)).transpose(1, 2)
            x = (x + self.dropout(norm(y).relu())) * valid[..., None]
        return x, F.softplus(self.duration(x)).squeeze(-1) * valid
