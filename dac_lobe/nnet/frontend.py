"""Inputs of a recogniser, tokens or filterbanks, behind one interface.

Both turn (input, relative lengths) into features [B, F, D] at a similar rate,
normalised, and masked in training; the network behind them is the same, so that
tokens and filterbanks are compared at one size and one budget.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from speechbrain.lobes.features import Fbank
from torch import nn

from dac_lobe.nnet.context import Context
from dac_lobe.nnet.embedding import TokenEmbedding, draw_prefixes
from dac_lobe.nnet.masks import SpanMask, valid_mask

__all__ = ["FbankFrontend", "Filterbanks", "TokenFrontend", "make_fbank"]


def make_fbank(sample_rate: int, n_mels: int) -> Fbank:
    """Make log-mel filterbanks of 25 ms every 10 ms, at any rate.

    Arguments
    ---------
    sample_rate : int
        In Hz.
    n_mels : int
        Filters.

    Returns
    -------
    Fbank
        Waveforms [B, T] to features [B, F, n_mels], in dB.

    Example
    -------
    >>> make_fbank(44100, 40)(torch.randn(1, 44100)).shape
    torch.Size([1, 101, 40])
    """
    # SpeechBrain's 400 points are 25 ms at 16 kHz; at higher rates they are fewer than
    # the window has samples. Even, as its filters take the last bin for half the rate.
    points = max(400, 2 * math.ceil(sample_rate / 80))
    return Fbank(sample_rate=sample_rate, n_mels=n_mels, n_fft=points)


class TokenFrontend(nn.Module):
    """Tokens to features.

        tokens --embedding--> latents --context--> features
                                         |            ^
                                         +---`bands`--+

    Arguments
    ---------
    embedding : TokenEmbedding
        Embeds the tokens.
    prefix_probability : float
        Of a training item keeping a random prefix of its codebooks; see
        `draw_prefixes`.
    time_spans : int
        Masked spans of frames per training item.
    time_longest : int
        Their greatest length in frames.
    dropout : float
        Dropout of the features.
    context_layers : int
        Convolutions over neighbouring frames; see `Context`.
    num_bands : int
        If not 0, all that is heard goes through this many numbers a frame:
        filterbanks, once `dac_lobe.nnet.filterbank_pretraining` has trained them.
    band_spans, band_longest : int
        Masked spans of bands per training item, and their greatest length.
    stack : int
        Filterbank frames among the bands; they are masked alike.

    Example
    -------
    >>> frontend = TokenFrontend(TokenEmbedding(4, 16, emb_dim=32))
    >>> tokens, lengths = torch.randint(16, (2, 10, 4)), torch.tensor([1.0, 0.5])
    >>> frontend(tokens, lengths).shape
    torch.Size([2, 10, 32])
    """

    def __init__(
        self,
        embedding: TokenEmbedding,
        prefix_probability: float = 0.0,
        time_spans: int = 0,
        time_longest: int = 10,
        dropout: float = 0.0,
        context_layers: int = 0,
        num_bands: int = 0,
        band_spans: int = 0,
        band_longest: int = 8,
        stack: int = 1,
    ):
        super().__init__()
        size = embedding.emb_dim
        self.embedding = embedding
        self.prefix_probability = prefix_probability
        self.norm = nn.LayerNorm(size)
        self.mask = SpanMask(time_spans, time_longest, dim=1)
        self.dropout = nn.Dropout(dropout)
        self.context = Context(size, context_layers, dropout)
        self.bands: nn.Linear | None = None
        self.project: nn.Module = nn.Identity()
        self.stack = stack
        self.band_mask = SpanMask(band_spans, band_longest, dim=2)
        if num_bands:
            self.bands = nn.Linear(size, num_bands)
            self.project = nn.Sequential(nn.Linear(num_bands, size), nn.LayerNorm(size))

    def forward(
        self,
        tokens: torch.Tensor,
        lengths: torch.Tensor,
        num_codebooks: int | None = None,
    ) -> torch.Tensor:
        """Make features.

        Arguments
        ---------
        tokens : torch.Tensor
            Shape [B, F, K].
        lengths : torch.Tensor
            Relative lengths, shape [B].
        num_codebooks : int, optional
            Look at this prefix of the codebooks, for testing at a lower bitrate.

        Returns
        -------
        torch.Tensor
            Features of shape [B, F, D], zero in the padding.
        """
        valid = valid_mask(tokens.shape[1], lengths)
        features = self._embed(tokens, valid, num_codebooks)
        if self.bands is not None:
            bands: torch.Tensor = self._bands()(features)  # [B, F, stack * filters]
            bands = bands.unflatten(-1, (self.stack, -1)).flatten(1, 2)
            bands = self.band_mask(bands).unflatten(1, (-1, self.stack)).flatten(2)
            features = self.project(bands)
        return self.dropout(self.mask(features)) * valid[..., None]

    def freeze_predictor(self) -> None:
        """Keep everything before the bands as it is."""
        for part in (self.embedding, self.norm, self.context, self._bands()):
            part.requires_grad_(False)

    def predict_bands(
        self, tokens: torch.Tensor, lengths: torch.Tensor
    ) -> torch.Tensor:
        """Predict the bands of tokens [B, F, K], shape [B, F, num_bands]."""
        valid = valid_mask(tokens.shape[1], lengths)
        bands: torch.Tensor = self._bands()(self._embed(tokens, valid, None))
        return bands

    def _bands(self) -> nn.Linear:
        """Return the layer that makes bands; raise a ValueError if there is none."""
        if self.bands is None:
            raise ValueError("this frontend makes no bands: give it num_bands.")
        return self.bands

    def _embed(
        self, tokens: torch.Tensor, valid: torch.Tensor, num_codebooks: int | None
    ) -> torch.Tensor:
        """Embed tokens and look at their neighbours."""
        keep = None
        if self.training and self.prefix_probability > 0:
            keep = draw_prefixes(len(tokens), tokens.shape[-1], self.prefix_probability)
        if num_codebooks is not None:
            tokens = tokens[..., :num_codebooks]
        return self.context(self.norm(self.embedding(tokens, keep)), valid)


class Filterbanks(nn.Module):
    """Waveforms to log-mel filterbanks, frames stacked, level and room taken out.

    Arguments
    ---------
    sample_rate : int
        In Hz.
    n_mels : int
        Filters.
    stack : int
        Neighbouring frames (10 ms apart) to join.

    Example
    -------
    >>> Filterbanks(16000)(torch.randn(2, 16000), torch.tensor([1.0, 0.5])).shape
    torch.Size([2, 50, 2, 40])
    """

    def __init__(self, sample_rate: int, n_mels: int = 40, stack: int = 2):
        super().__init__()
        self.fbank = make_fbank(sample_rate, n_mels)
        self.stack = stack
        self.size = stack * n_mels

    @torch.no_grad()
    def forward(self, wavs: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Waveforms [B, T] with relative lengths [B] to [B, F, stack, n_mels].

        What is too short for one frame is filled up with zeros.
        """
        needed = (self.stack - 1) * self.fbank.compute_STFT.hop_length
        if wavs.shape[-1] < needed:
            wavs = F.pad(wavs, (0, needed - wavs.shape[-1]))
        mels = self.fbank(wavs)  # [B, 100 Hz, n_mels], in dB
        mels = mels[:, : mels.shape[1] // self.stack * self.stack]
        valid = valid_mask(mels.shape[1], lengths)[..., None]
        # Per utterance and filter.
        count = valid.sum(1, keepdim=True)
        mean = (mels * valid).sum(1, keepdim=True) / count
        variance = ((mels - mean).square() * valid).sum(1, keepdim=True) / count
        mels = (mels - mean) / (variance + 1.0).sqrt() * valid
        return mels.unflatten(1, (-1, self.stack))


class FbankFrontend(nn.Module):
    """Waveforms to log-mel filterbanks, frames stacked.

    Arguments
    ---------
    sample_rate : int
        In Hz.
    n_mels : int
        Filters.
    stack : int
        Neighbouring frames (10 ms apart) to join: 2 gives 50 Hz, as the tokens.
    emb_dim : int
        Size D of the features.
    time_spans, time_longest : int
        Masked spans of frames per training item, and their greatest length.
    mel_spans, mel_longest : int
        The same for filters.
    dropout : float
        Dropout of the features.
    context_layers : int
        Convolutions over neighbouring frames; see `Context`.

    Example
    -------
    >>> frontend = FbankFrontend(16000, emb_dim=32)
    >>> frontend(torch.randn(2, 16000), torch.tensor([1.0, 0.5])).shape
    torch.Size([2, 50, 32])
    """

    def __init__(
        self,
        sample_rate: int,
        n_mels: int = 40,
        stack: int = 2,
        emb_dim: int = 128,
        time_spans: int = 0,
        time_longest: int = 10,
        mel_spans: int = 0,
        mel_longest: int = 8,
        dropout: float = 0.0,
        context_layers: int = 0,
    ):
        super().__init__()
        self.filterbanks = Filterbanks(sample_rate, n_mels, stack)
        self.mel_mask = SpanMask(mel_spans, mel_longest, dim=2)
        self.time_mask = SpanMask(time_spans, time_longest, dim=1)
        self.project = nn.Linear(self.filterbanks.size, emb_dim)
        self.norm = nn.LayerNorm(emb_dim)
        self.dropout = nn.Dropout(dropout)
        self.context = Context(emb_dim, context_layers, dropout)

    def forward(
        self,
        wavs: torch.Tensor,
        lengths: torch.Tensor,
        num_codebooks: int | None = None,
    ) -> torch.Tensor:
        """Make features.

        Arguments
        ---------
        wavs : torch.Tensor
            Shape [B, T].
        lengths : torch.Tensor
            Relative lengths, shape [B].
        num_codebooks : int, optional
            Not used; tokens have it.

        Returns
        -------
        torch.Tensor
            Features of shape [B, F, D], zero in the padding.
        """
        mels = self.filterbanks(wavs, lengths).flatten(1, 2)
        mels = self.mel_mask(mels)
        features = mels.unflatten(1, (-1, self.filterbanks.stack)).flatten(2)
        features = self.time_mask(self.norm(self.project(features)))
        valid = valid_mask(features.shape[1], lengths)
        return self.context(self.dropout(features), valid)
