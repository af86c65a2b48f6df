"""Settle near ties, so that codes do not depend on how a signal was cut.

A code is the nearest of many vectors. Where two are equally near, the last bit of
the latents decides; and that bit depends on how long the signal was that a fast
kernel worked on, since sums are grouped by it. About one code in 100,000 would
differ between a whole file and its chunks.

Every frame with such a choice is therefore computed again from the samples that it
depends on, and no others:

    signal      |. . . . . . . . . . . . . . . . . . .|
    frame                  |x|                          two codes equally near
    computed     |c c c c c c x c c c c c c|            wherever the chunks lay

The same samples in a run of the same length give the same bits, so the choice is
the same for every chunk, stream and batch. What differs by more than rounding can
explain is left as it is.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from dac_lobe.network.context import Context
from dac_lobe.network.outputs import ResidualQuantized
from dac_lobe.network.threads import one_thread

__all__ = ["settle", "tolerance"]


def tolerance(latent_dim: int) -> float:
    """Bound what rounding moves a margin by.

    The sums that make latents grow with their width, and rounding errors with the
    root of it. benchmarks/near_ties.py measures the factor.

    Arguments
    ---------
    latent_dim : int
        Channels of the latents.

    Returns
    -------
    float
        In the unit of `QuantizerTables.quantize_with_margins`.
    """
    return 2.5e-7 * math.sqrt(latent_dim)


@torch.no_grad()
def settle(
    audio: torch.Tensor,
    frame_lengths: torch.Tensor,
    quantized: ResidualQuantized,
    near: torch.Tensor,
    encode: Callable[[list[torch.Tensor], list[int]], list[torch.Tensor]],
    quantize: Callable[[torch.Tensor], ResidualQuantized],
    hop: int,
    context: Context,
    first: int = 0,
) -> ResidualQuantized:
    """Choose again where two codes are equally near.

    Arguments
    ---------
    audio : torch.Tensor
        Whole hops, zero past each item's length, shape [B, 1, T].
    frame_lengths : torch.Tensor
        Frames of each item in ``audio``, shape [B].
    quantized : ResidualQuantized
        What came out.
    near : torch.Tensor
        Which of its frames have near ties, shape [B, F].
    encode : callable
        Encodes signals [1, T], each for itself, to latents [1, D, 1] of one frame each.
    quantize : callable
        Quantizes latents of one frame, [1, D, 1].
    hop : int
        Samples per frame.
    context : Context
        The encoder's.
    first : int
        Frame of ``audio`` at which ``quantized`` begins.

    Returns
    -------
    ResidualQuantized
        The same, but for the frames with near ties.
    """
    left, right = context
    pieces, frames, places = [], [], []
    for item, column in near.nonzero().tolist():
        frame = first + column
        begin = max(frame - left, 0)
        end = min(frame + right + 1, int(frame_lengths[item]))
        if frame < end:
            pieces.append(audio[item, :, begin * hop : end * hop])
            frames.append(frame - begin)
            places.append((item, column))
    names = ("z", "codes", "latents")
    parts = {name: getattr(quantized, name) for name in names}
    if places:
        with one_thread():
            parts = {name: part.clone() for name, part in parts.items()}
    for (item, column), alone in zip(places, encode(pieces, frames), strict=True):
        again = quantize(alone)
        for name, part in parts.items():
            part[item, :, column] = getattr(again, name)[0, :, 0]
    return quantized._replace(**parts)
