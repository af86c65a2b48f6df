"""What the neighbours of a frame say about it.

Tokens need it: what the latent of a waveform codec says about a sound depends on
where the sound's periods fall in the frame, and no linear layer can undo that.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["Context"]


class Context(nn.Module):
    """Convolutions over frames, each added to what it has seen, and normalised.

    Arguments
    ---------
    size : int
        Size D of the features.
    num_layers : int
        Convolutions; each sees two frames on both sides. 0 changes nothing.
    dropout : float
        Of what a layer adds.

    Example
    -------
    >>> context = Context(8, num_layers=2)
    >>> context(torch.randn(2, 10, 8), torch.ones(2, 10).bool()).shape
    torch.Size([2, 10, 8])
    """

    def __init__(self, size: int, num_layers: int, dropout: float = 0.0):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(num_layers))
        self.convolutions = nn.ModuleList(
            nn.Conv1d(size, size, kernel_size=5, padding=2) for _ in range(num_layers)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Transform features.

        Arguments
        ---------
        features : torch.Tensor
            Shape [B, F, D].
        valid : torch.Tensor
            False in the padding, shape [B, F].

        Returns
        -------
        torch.Tensor
            Shape [B, F, D], zero in the padding.
        """
        valid = valid[..., None]
        features = features * valid
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            added = convolution(features.transpose(1, 2)).relu().transpose(1, 2)
            # A norm's bias would make something of the padding's zeros.
            features = norm(features + self.dropout(added)) * valid
        return features
