"""Clips of one length through transformers' model: chunks in, chunks out.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from transformers import EncodecModel

from dac_lobe.encodec.codebooks import Codebooks
from dac_lobe.encodec.grid import Grid

__all__ = ["Coded", "decode_clips", "encode_clips"]


class Coded(NamedTuple):
    """Clips, encoded.

    Attributes
    ----------
    codes : torch.Tensor
        Shape [B, K, F], chunk after chunk.
    scales : torch.Tensor or None
        What each chunk was divided by, shape [B, chunks].
    """

    codes: torch.Tensor
    scales: torch.Tensor | None


def encode_clips(model: EncodecModel, audio: torch.Tensor, num_codebooks: int) -> Coded:
    """Encode clips of one length.

    Arguments
    ---------
    model : EncodecModel
        transformers' model.
    audio : torch.Tensor
        Shape [B, C, T].
    num_codebooks : int
        Codebooks to use.

    Returns
    -------
    Coded
    """
    grid, codebooks = Grid.of(model.config), Codebooks(model)
    chunks = grid.chunks(audio.shape[-1])
    # As the feature extractor pads: whole chunks. transformers then codes the last
    # overlap once more, which nothing needs.
    audio = F.pad(audio, (0, grid.padding(audio.shape[-1])))
    # transformers knows bandwidths; codes of fewer codebooks are a prefix.
    bandwidth = next(
        bandwidth
        for bandwidth in model.config.target_bandwidths
        if codebooks.behind(bandwidth) >= num_codebooks
    )
    encoded = model.encode(audio, bandwidth=bandwidth, return_dict=True)
    codes = encoded.audio_codes[:chunks, :, :num_codebooks]
    codes = codes.permute(1, 2, 0, 3).flatten(2)
    if not model.config.normalize:
        return Coded(codes, None)
    return Coded(codes, torch.cat(encoded.audio_scales[:chunks], dim=1))


def decode_clips(
    model: EncodecModel, codes: torch.Tensor, scales: torch.Tensor | None
) -> torch.Tensor:
    """Decode clips of one length.

    Arguments
    ---------
    model : EncodecModel
        transformers' model.
    codes : torch.Tensor
        Shape [B, K, F].
    scales : torch.Tensor or None
        Shape [B, chunks], for models that normalise.

    Returns
    -------
    torch.Tensor
        Shape [B, C, T], all that the frames cover; float32 for a chunked model in half
        precision.
    """
    grid = Grid.of(model.config)
    frames = grid.audible(codes.shape[-1])
    codes, chunks = codes[..., :frames], grid.chunks_of(frames)
    missing = 0 if grid.stride is None else chunks * grid.chunk_frames - frames
    parts = F.pad(codes, (0, missing)).unflatten(-1, (chunks, -1)).permute(2, 0, 1, 3)
    each = [None] * chunks if scales is None else scales[:, :chunks].unbind(1)
    if grid.stride is None:
        return model.decode(parts, each, return_dict=True).audio_values
    *whole, last = parts
    pieces = [
        model._decode_frame(part, scale)
        for part, scale in zip(
            [*whole, last[..., : last.shape[-1] - missing]], each, strict=True
        )
    ]
    # As `model.decode` joins chunks, but not in half precision, where the weight of a
    # chunk's first and last samples is 0, and nothing over nothing no sample.
    precise = torch.promote_types(pieces[0].dtype, torch.float32)
    joined: torch.Tensor = model._linear_overlap_add(
        [piece.to(precise) for piece in pieces], grid.stride
    )
    return joined
