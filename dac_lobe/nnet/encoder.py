"""Encoders of a recogniser, with one face: features and lengths in, features out.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import torch
from speechbrain.lobes.models.transformer import Conformer
from speechbrain.nnet.attention import RelPosEncXL
from torch import nn

from dac_lobe.nnet.masks import valid_mask

__all__ = ["ConformerEncoder", "LSTMEncoder"]


class LSTMEncoder(nn.Module):
    """Strided convolution, then a bidirectional LSTM that stops at each item's end.

    The backward direction is a forward one on items that are turned round, each
    within its own length. That is exact, as packing the batch is, and twice as
    fast on a CPU:

        x        a b c d 0 0        turned   d c b a 0 0
                 e f g h i j                 j i h g f e

    Arguments
    ---------
    input_size : int
        Size of the features.
    hidden_size : int
        Size of a direction's state.
    num_layers : int
        Layers.
    dropout : float
        After each layer.
    subsample : int
        Frames in for one frame out.

    Example
    -------
    >>> encoder = LSTMEncoder(input_size=8, hidden_size=16, subsample=2)
    >>> encoder(torch.randn(2, 10, 8), torch.tensor([0.5, 1.0])).shape
    torch.Size([2, 5, 32])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 2,
        dropout: float = 0.0,
        subsample: int = 1,
    ):
        super().__init__()
        self.output_size = 2 * hidden_size
        self.subsample = nn.Conv1d(
            input_size, input_size, kernel_size=5, stride=subsample, padding=2
        )
        sizes = [input_size] + [self.output_size] * (num_layers - 1)
        self.forwards, self.backwards = (
            nn.ModuleList(
                nn.LSTM(size, hidden_size, batch_first=True) for size in sizes
            )
            for _ in range(2)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Encode features [B, F, D] with relative lengths [B]."""
        encoded = self.subsample(features.transpose(1, 2)).relu().transpose(1, 2)
        valid = valid_mask(encoded.shape[1], lengths)
        places = torch.arange(encoded.shape[1], device=encoded.device)
        turned = torch.where(valid, valid.sum(1, keepdim=True) - 1 - places, places)
        for ahead, back in zip(self.forwards, self.backwards, strict=True):
            after = ahead(encoded)[0]
            before = _reorder(back(_reorder(encoded, turned))[0], turned)
            encoded = self.dropout(torch.cat([after, before], dim=-1))
        return encoded * valid[..., None]


def _reorder(features: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Take frames of [B, F, D] in the order of ``places`` [B, F]."""
    return features.gather(1, places[..., None].expand_as(features))


class ConformerEncoder(nn.Module):
    """SpeechBrain's Conformer with relative positions and masked attention.

    Its convolutions see the padding of a batch, half a kernel past an item's
    end, as everywhere in SpeechBrain: batch items of similar length.

    Arguments
    ---------
    input_size : int
        Size of the features.
    d_model : int
        Size of the model.
    num_layers : int
        Layers.
    nhead : int
        Attention heads.
    d_ffn : int
        Size inside the feed-forward parts.
    kernel_size : int
        Of the convolutions.
    dropout : float
        Everywhere.

    Example
    -------
    >>> encoder = ConformerEncoder(8, d_model=16, num_layers=1, nhead=2, d_ffn=32)
    >>> encoder(torch.randn(2, 10, 8), torch.tensor([0.5, 1.0])).shape
    torch.Size([2, 10, 16])
    """

    def __init__(
        self,
        input_size: int,
        d_model: int = 256,
        num_layers: int = 12,
        nhead: int = 4,
        d_ffn: int = 1024,
        kernel_size: int = 31,
        dropout: float = 0.1,
    ):
        super().__init__()
        self.output_size = d_model
        self.project = nn.Sequential(
            nn.Linear(input_size, d_model), nn.Dropout(dropout)
        )
        self.positions = RelPosEncXL(d_model)
        self.layers = Conformer.ConformerEncoder(
            num_layers=num_layers,
            d_model=d_model,
            d_ffn=d_ffn,
            nhead=nhead,
            kernel_size=kernel_size,
            dropout=dropout,
        )

    def forward(self, features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Encode features [B, F, D] with relative lengths [B]."""
        projected = self.project(features)
        padding = ~valid_mask(features.shape[1], lengths)
        encoded, _ = self.layers(
            projected,
            src_key_padding_mask=padding,
            pos_embs=self.positions(projected),
        )
        return encoded
