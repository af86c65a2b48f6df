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

import torch
import torch.nn.functional as F

from dac_lobe.network.context import Context
from dac_lobe.network.executor import Network
from dac_lobe.network.outputs import ResidualQuantized
from dac_lobe.network.quantizer import ResidualVectorQuantize

__all__ = ["TOLERANCE", "margins", "settle"]

# More than rounding moves a margin by: benchmarks/near_ties.py measures it.
TOLERANCE = 3e-6


@torch.no_grad()
def margins(
    quantizer: ResidualVectorQuantize, z: torch.Tensor, quantized: ResidualQuantized
) -> torch.Tensor:
    """Tell how much nearer each code is than the next one.

    The unit is what the latents are large by, so that a margin is comparable with
    relative rounding errors.

    Arguments
    ---------
    quantizer : ResidualVectorQuantize
        The quantizer.
    z : torch.Tensor
        Latents that were quantized, shape [B, D, F].
    quantized : ResidualQuantized
        What came out.

    Returns
    -------
    torch.Tensor
        Shape [B, K, F].
    """
    scale = z.square().mean(dim=1).sqrt()
    found = []
    start = 0
    for stage, codes in zip(
        quantizer.quantizers, quantized.codes.unbind(1), strict=False
    ):
        end = start + stage.codebook_dim
        latents = quantized.latents[:, start:end].transpose(1, 2)
        likeness: torch.Tensor = latents @ F.normalize(stage.codebook.weight).t()
        chosen = likeness.gather(2, codes[..., None])[..., 0]
        next_best = likeness.scatter(2, codes[..., None], -torch.inf).amax(dim=2)
        found.append((chosen - next_best) / (scale * stage.in_proj.weight.norm()))
        start = end
    # Silence of exact zeros has margins of 0/0: nothing there can round.
    return torch.stack(found, dim=1).nan_to_num(nan=torch.inf)


def settle(
    network: Network,
    audio: torch.Tensor,
    frame_lengths: torch.Tensor,
    z: torch.Tensor,
    quantized: ResidualQuantized,
    context: Context,
    first: int = 0,
) -> ResidualQuantized:
    """Choose again where two codes are equally near.

    Arguments
    ---------
    network : Network
        The codec.
    audio : torch.Tensor
        Whole hops, zero past each item's length, shape [B, 1, T].
    frame_lengths : torch.Tensor
        Frames of each item in ``audio``, shape [B].
    z : torch.Tensor
        Latents that were quantized, shape [B, D, F].
    quantized : ResidualQuantized
        What came out.
    context : Context
        The encoder's.
    first : int
        Frame of ``audio`` at which ``z`` begins.

    Returns
    -------
    ResidualQuantized
        The same, but for the frames with near ties.
    """
    hop, (left, right) = network.hop_length, context
    used = quantized.codes.shape[1]
    frames = first + torch.arange(z.shape[-1], device=z.device)
    near = (margins(network.quantizer, z, quantized) < TOLERANCE).any(dim=1)
    ties = near & (frames < frame_lengths[:, None])
    parts = {name: getattr(quantized, name) for name in ("z", "codes", "latents")}
    if ties.any():
        parts = {name: part.clone() for name, part in parts.items()}
    for item, column in ties.nonzero().tolist():
        frame = first + column
        begin = max(frame - left, 0)
        end = min(frame + right + 1, int(frame_lengths[item]))
        piece = audio[item : item + 1, :, begin * hop : end * hop].contiguous()
        alone = network.encode_frames(piece, None)[..., frame - begin, None]
        again = network.quantize(alone.contiguous(), used)
        for name, part in parts.items():
            part[item, :, column] = getattr(again, name)[0, :, 0]
    return quantized._replace(**parts)
