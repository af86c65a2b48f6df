"""A decoder layer that reads a text at about the right place.

The encoder gives each character a duration; the running sum says at which frame
c_j character j is centred. Attention of frame t to character j is

    q_t . k_j / sqrt(d)  -  (t - c_j)^2 / (2 sigma^2)

with sigma learned for each head: the place is given, its details are learned.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

__all__ = ["Cache", "SpeakingLayer", "TextMemory"]

Cache = tuple[torch.Tensor, torch.Tensor]


class TextMemory(NamedTuple):
    """An encoded text, placed on the frames.

    Attributes
    ----------
    features : torch.Tensor
        Of the characters, shape [B, L, D].
    centres : torch.Tensor
        Frame c_j at which each character is centred, shape [B, L].
    valid : torch.Tensor
        False in the padding, shape [B, L].
    """

    features: torch.Tensor
    centres: torch.Tensor
    valid: torch.Tensor


class SpeakingLayer(nn.Module):
    """Self-attention, attention to the text, feed-forward; each normalised before.

    Arguments
    ---------
    d_model : int
        Size D of the steps.
    nhead : int
        Attention heads.
    d_ffn : int
        Size inside the feed-forward part.
    dropout : float
        After each part.

    Example
    -------
    >>> layer = SpeakingLayer(d_model=8, nhead=2, d_ffn=16)
    >>> memory = TextMemory(
    ...     torch.randn(1, 3, 8),
    ...     torch.tensor([[1.0, 3.0, 5.0]]),
    ...     torch.ones(1, 3).bool(),
    ... )
    >>> text = layer.read(memory)
    >>> steps, cache = layer(torch.randn(1, 6, 8), memory, text, torch.arange(6))
    >>> steps.shape
    torch.Size([1, 6, 8])
    """

    def __init__(self, d_model: int, nhead: int, d_ffn: int, dropout: float = 0.0):
        super().__init__()
        self.nhead = nhead
        self.norms = nn.ModuleList(nn.LayerNorm(d_model) for _ in range(3))
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.mix = nn.Linear(d_model, d_model)
        self.query = nn.Linear(d_model, d_model)
        self.text_kv = nn.Linear(d_model, 2 * d_model)
        self.text_mix = nn.Linear(d_model, d_model)
        self.ffn = nn.Sequential(
            nn.Linear(d_model, d_ffn), nn.GELU(), nn.Linear(d_ffn, d_model)
        )
        self.dropout = nn.Dropout(dropout)
        # From two frames, a phone, to a syllable and more.
        self.log_sigma = nn.Parameter(torch.linspace(math.log(2), math.log(16), nhead))

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (self.nhead, -1)).transpose(1, 2)

    def read(self, memory: TextMemory) -> Cache:
        """Keys and values of the text, which no step changes."""
        keys, values = self.text_kv(memory.features).chunk(2, dim=-1)
        return self._heads(keys), self._heads(values)

    def forward(
        self,
        x: torch.Tensor,
        memory: TextMemory,
        text: Cache,
        positions: torch.Tensor,
        past: Cache | None = None,
    ) -> tuple[torch.Tensor, Cache]:
        """Run steps.

        Arguments
        ---------
        x : torch.Tensor
            Steps of shape [B, S, D]: all of them, or the next one.
        memory : TextMemory
            The text.
        text : tuple
            What `read` made of it.
        positions : torch.Tensor
            Numbers of the steps, shape [S].
        past : tuple, optional
            Keys and values of the steps before, if ``x`` is the next one.

        Returns
        -------
        x : torch.Tensor
            Shape [B, S, D].
        past : tuple
            Keys and values up to here.
        """
        q, k, v = (self._heads(y) for y in self.qkv(self.norms[0](x)).chunk(3, dim=-1))
        if past is not None:
            k, v = torch.cat([past[0], k], dim=2), torch.cat([past[1], v], dim=2)
        # Without a past this is a causal square; with one, a last row that sees all.
        y = F.scaled_dot_product_attention(q, k, v, is_causal=past is None)
        x = x + self.dropout(self.mix(y.transpose(1, 2).flatten(2)))

        distance = positions[:, None] - memory.centres[:, None]  # [B, S, L]
        precision = torch.exp(-2 * self.log_sigma)[:, None, None]
        bias = -0.5 * precision * distance.square()[:, None]  # [B, heads, S, L]
        bias = bias.masked_fill(~memory.valid[:, None, None], float("-inf"))
        q = self._heads(self.query(self.norms[1](x)))
        y = F.scaled_dot_product_attention(q, *text, attn_mask=bias)
        x = x + self.dropout(self.text_mix(y.transpose(1, 2).flatten(2)))
        return x + self.dropout(self.ffn(self.norms[2](x))), (k, v)
