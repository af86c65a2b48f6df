"""Masks over frames: which are of the audio, and which training hides.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["SpanMask", "valid_mask"]


def valid_mask(frames: int, lengths: torch.Tensor) -> torch.Tensor:
    """Mark the frames of each item, padding excluded.

    Arguments
    ---------
    frames : int
        Frames F of the padded batch.
    lengths : torch.Tensor
        Relative lengths, shape [B].

    Returns
    -------
    torch.Tensor
        Booleans of shape [B, F].

    Example
    -------
    >>> valid_mask(4, torch.tensor([0.5, 1.0])).long()
    tensor([[1, 1, 0, 0],
            [1, 1, 1, 1]])
    """
    ends = (lengths * frames).round().clamp(min=1)
    return torch.arange(frames, device=lengths.device) < ends[:, None]


class SpanMask(nn.Module):
    """Zero random spans along one axis, in training only.

    SpecAugment (https://arxiv.org/abs/1904.08779) without the warping.

    Arguments
    ---------
    spans : int
        Spans per item.
    longest : int
        Longest span; shorter ones are as likely.
    dim : int
        1 for time, 2 for features.

    Example
    -------
    >>> SpanMask(spans=2, longest=10, dim=1)(torch.ones(3, 50, 8)).shape
    torch.Size([3, 50, 8])
    """

    def __init__(self, spans: int, longest: int, dim: int):
        super().__init__()
        self.spans, self.longest, self.dim = spans, longest, dim

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Mask features of shape [B, F, D]."""
        if not self.training or not self.spans:
            return features
        size = features.shape[self.dim]
        shape = (len(features), self.spans, 1)
        device = features.device
        span = torch.randint(0, self.longest + 1, shape, device=device)
        # A start may lie before the first position, so the edges are masked as
        # often as the middle.
        start = torch.rand(shape, device=device) * (size + span) - span
        place = torch.arange(size, device=device)
        hidden = ((place >= start) & (place < start + span)).any(1)  # [B, size]
        hidden = hidden.unsqueeze(2 if self.dim == 1 else 1)
        return features.masked_fill(hidden, 0.0)
