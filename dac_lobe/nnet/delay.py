"""The delay pattern: codebooks of a frame one after the other, frames in parallel.

A frame's codes depend on each other, coarse before fine. Shifting codebook k by
k steps lets one step predict K codes at once, each after the coarser codes of
its own frame (https://arxiv.org/abs/2306.05284):

    step         0  1  2  3  4  5
    codebook 0   a0 b0 c0 .  .  .      . stands for "absent": before the first
    codebook 1   .  a1 b1 c1 .  .      frame or after the last
    codebook 2   .  .  a2 b2 c2 .

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import torch

__all__ = ["delay", "undelay"]


def delay(tokens: torch.Tensor, frames: torch.Tensor, absent: int) -> torch.Tensor:
    """Shift codebook k by k steps.

    Arguments
    ---------
    tokens : torch.Tensor
        Tokens of shape [B, F, K]; what lies in the padding does not matter.
    frames : torch.Tensor
        Frames of each item, shape [B].
    absent : int
        What stands where no token is.

    Returns
    -------
    torch.Tensor
        Shape [B, F + K - 1, K].

    Example
    -------
    >>> tokens = torch.tensor([[[1, 2], [3, 4], [5, 6]]])
    >>> delay(tokens, torch.tensor([2]), absent=9)[0].T
    tensor([[1, 3, 9, 9],
            [9, 2, 4, 9]])
    """
    batch, length, codebooks = tokens.shape
    steps = torch.arange(length + codebooks - 1, device=tokens.device)
    source = steps[:, None] - torch.arange(codebooks, device=tokens.device)
    present = (source >= 0) & (source < frames.to(tokens.device)[:, None, None])
    index = source.clamp(0, max(length - 1, 0)).expand(batch, -1, -1)
    return tokens.gather(1, index).masked_fill(~present, absent)


def undelay(delayed: torch.Tensor) -> torch.Tensor:
    """Shift the codebooks back.

    Arguments
    ---------
    delayed : torch.Tensor
        Shape [B, S, K].

    Returns
    -------
    torch.Tensor
        Shape [B, S - K + 1, K].

    Example
    -------
    >>> undelay(torch.tensor([[[1, 9], [3, 2], [9, 4]]]))[0]
    tensor([[1, 2],
            [3, 4]])
    """
    codebooks = delayed.shape[-1]
    frames = delayed.shape[1] - codebooks + 1
    return torch.stack(
        [delayed[:, k : k + frames, k] for k in range(codebooks)], dim=-1
    )
