"""Token-to-filterbank pretraining of a frontend.

CTC learns nothing until it sees some character above chance, which takes hundreds of
updates from random weights. Predicting the filterbanks of a recording from its tokens
has a gradient in every frame and every filter; a frontend learns it in seconds, and
CTC starts from there.

Recordings are needed once, at the start of training; the codec is not.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F

from dac_lobe.nnet.frontend import Filterbanks, TokenFrontend
from dac_lobe.nnet.masks import valid_mask

logger = logging.getLogger(__name__)

__all__ = ["Batch", "pretrain_on_filterbanks"]

# Tokens [B, F, K], their lengths, waveforms [B, T], their lengths.
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def pretrain_on_filterbanks(
    frontend: TokenFrontend,
    filterbanks: Filterbanks,
    batches: Callable[[], Iterable[Batch]],
    epochs: int,
    lr: float = 0.003,
) -> list[float]:
    """Train a frontend to predict filterbanks from tokens.

    Arguments
    ---------
    frontend : TokenFrontend
        Trained in place, as far as its bands.
    filterbanks : Filterbanks
        What they should be; as many numbers a frame.
    batches : callable
        Gives the batches of an epoch.
    epochs : int
        Passes over them.
    lr : float
        Learning rate of the first epoch; it falls by equal steps.

    Returns
    -------
    list of float
        Share of the filterbanks' variance that is explained, for each epoch.

    Raises
    ------
    ValueError
        If the frontend has another number of bands.

    Example
    -------
    >>> from dac_lobe.nnet.embedding import TokenEmbedding
    >>> frontend = TokenFrontend(TokenEmbedding(2, 16, emb_dim=8), num_bands=80)
    >>> tokens, wavs = torch.randint(16, (2, 25, 2)), torch.randn(2, 8000)
    >>> batch = (tokens, torch.ones(2), wavs, torch.ones(2))
    >>> len(
    ...     pretrain_on_filterbanks(
    ...         frontend, Filterbanks(16000), lambda: [batch], epochs=3
    ...     )
    ... )
    3
    """
    bands = 0 if frontend.bands is None else frontend.bands.out_features
    if frontend.bands is None or bands != filterbanks.size:
        raise ValueError(
            f"the frontend has {bands} bands, the filterbanks {filterbanks.size}. Make "
            "the frontend with as many bands."
        )
    device = frontend.bands.weight.device
    filterbanks = filterbanks.to(device)
    optimizer = torch.optim.AdamW(frontend.parameters(), lr=lr)
    explained = []
    frontend.train()
    for epoch in range(epochs):
        left, total = 0.0, 0.0
        for group in optimizer.param_groups:
            group["lr"] = lr * (1 - epoch / epochs)
        for tokens, lengths, wavs, wav_lengths in batches():
            tokens, lengths = tokens.to(device), lengths.to(device)
            target = filterbanks(wavs.to(device), wav_lengths.to(device)).flatten(2)
            # At the tokens' rate, whatever it is.
            target = F.interpolate(target.transpose(1, 2), tokens.shape[1])
            target = target.transpose(1, 2)
            valid = valid_mask(tokens.shape[1], lengths)[..., None]
            error = (frontend.predict_bands(tokens, lengths) - target).square() * valid
            loss = error.sum() / valid.sum() / filterbanks.size
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            left += float(error.detach().sum())
            total += float((target.square() * valid).sum())
        explained.append(1 - left / total)
        logger.info(
            "filterbank pretraining, epoch %d: %.3f of the variance explained",
            epoch + 1,
            explained[-1],
        )
    return explained
