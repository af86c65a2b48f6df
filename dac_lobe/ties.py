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

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from dac_lobe.quantizer import ResidualQuantized, ResidualVectorQuantize
from dac_lobe.receptive_field import encoder_context

if TYPE_CHECKING:
    from dac_lobe.dac import DAC

__all__ = ["TOLERANCE", "near_ties", "settle"]

# Rounding moves a margin (see `near_ties`) by 1.4e-6 at most, measured on real
# speech with each backend: benchmarks/near_ties.py.
TOLERANCE = 3e-6


@torch.no_grad()
def near_ties(
    quantizer: ResidualVectorQuantize, z: torch.Tensor, quantized: ResidualQuantized
) -> torch.Tensor:
    """Find the frames whose codes rounding might change.

    A code's margin is how much nearer it is than the next one, in units of what
    the latents are large by: so it is comparable with relative rounding errors.

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
        True where a margin is below `TOLERANCE`, shape [B, F].
    """
    scale = z.square().mean(dim=1).sqrt()
    ties = torch.zeros_like(scale, dtype=torch.bool)
    start = 0
    for stage, codes in zip(
        quantizer.quantizers, quantized.codes.unbind(1), strict=False
    ):
        end = start + stage.codebook_dim
        latents = quantized.latents[:, start:end].transpose(1, 2)
        likeness = latents @ F.normalize(stage.codebook.weight).t()
        chosen = likeness.gather(2, codes[..., None])
        next_best = likeness.scatter(2, codes[..., None], -torch.inf).amax(dim=2)
        margin = chosen[..., 0] - next_best
        ties |= margin < TOLERANCE * scale * stage.in_proj.weight.norm()
        start = end
    return ties


def settle(
    codec: DAC,
    audio: torch.Tensor,
    frame_lengths: torch.Tensor,
    z: torch.Tensor,
    quantized: ResidualQuantized,
    first: int = 0,
) -> ResidualQuantized:
    """Choose again where two codes are equally near.

    Arguments
    ---------
    codec : DAC
        The codec.
    audio : torch.Tensor
        Whole hops, zero past each item's length, shape [B, 1, T].
    frame_lengths : torch.Tensor
        Frames of each item in ``audio``, shape [B].
    z : torch.Tensor
        Latents that were quantized, shape [B, D, F].
    quantized : ResidualQuantized
        What came out.
    first : int
        Frame of ``audio`` at which ``z`` begins.

    Returns
    -------
    ResidualQuantized
        The same, but for the frames with near ties.
    """
    hop, (left, right) = codec.hop_length, encoder_context(codec)
    used = quantized.codes.shape[1]
    frames = first + torch.arange(z.shape[-1], device=z.device)
    ties = near_ties(codec.quantizer, z, quantized) & (frames < frame_lengths[:, None])
    parts = {name: getattr(quantized, name) for name in ("z", "codes", "latents")}
    if ties.any():
        parts = {name: part.clone() for name, part in parts.items()}
    for item, column in ties.nonzero().tolist():
        frame = first + column
        begin = max(frame - left, 0)
        end = min(frame + right + 1, int(frame_lengths[item]))
        piece = audio[item : item + 1, :, begin * hop : end * hop].contiguous()
        alone = codec._encode_frames(piece, None)[..., frame - begin, None]
        again = codec._quantize(alone.contiguous(), used)
        for name, part in parts.items():
            part[item, :, column] = getattr(again, name)[0, :, 0]
    return quantized._replace(**parts)
