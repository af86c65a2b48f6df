"""Teach a frontend what tokens sound like, before it is asked what they say.

CTC starts by saying nothing at all: until some character is heard above chance,
its gradient says little about sounds. How the filterbanks of a recording look,
given its tokens, is a question about every frame and every filter; a frontend
answers it in seconds, and starts to recognise from there.

Recordings are needed once, at the start of training; the codec is not.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F

from dac_lobe.nnet.frontend import Filterbanks, TokenFrontend, valid_mask

logger = logging.getLogger(__name__)

__all__ = ["Heard", "listen"]

# Tokens [B, F, K], their lengths, waveforms [B, T], their lengths.
Heard = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def listen(
    frontend: TokenFrontend,
    filterbanks: Filterbanks,
    batches: Callable[[], Iterable[Heard]],
    epochs: int,
    lr: float = 0.003,
) -> list[float]:
    """Train a frontend to tell filterbanks from tokens.

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
    >>> len(listen(frontend, Filterbanks(16000), lambda: [batch], epochs=3))
    3
    """
    if frontend.bands is None or frontend.bands.out_features != filterbanks.size:
        bands = getattr(frontend.bands, "out_features", 0)
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
            error = (frontend.hear(tokens, lengths) - target).square() * valid
            loss = error.sum() / valid.sum() / filterbanks.size
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            left += float(error.detach().sum())
            total += float((target.square() * valid).sum())
        explained.append(1 - left / total)
        logger.info("listening, epoch %d: %.3f explained", epoch + 1, explained[-1])
    return explained
