"""What may enter an EnCodec beside codes: waveforms of its channels, and scales.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import torch

from dac_lobe.network.checks import check_audio

__all__ = ["check_scales", "check_waveforms"]


def check_waveforms(
    audio: torch.Tensor, channels: int, dtype: torch.dtype
) -> torch.Tensor:
    """Return waveforms as the model takes them.

    Arguments
    ---------
    audio : torch.Tensor
        Shape [B, C, T], or mono as [B, 1, T] or [B, T].
    channels : int
        Channels C that the model codes. Mono is doubled for a stereo model.
    dtype : torch.dtype
        Type of its weights.

    Returns
    -------
    torch.Tensor
        Shape [B, C, T].

    Raises
    ------
    ValueError
        If the shape, the type or a sample is not allowed.

    Example
    -------
    >>> check_waveforms(torch.zeros(3, 1, 5), 2, torch.float32).shape
    torch.Size([3, 2, 5])
    """
    if torch.is_tensor(audio) and audio.dim() == 3 and audio.shape[1] == channels > 1:
        flat = check_audio(audio.flatten(0, 1), dtype)
        return flat.view(len(audio), channels, -1)
    return check_audio(audio, dtype).expand(-1, channels, -1)


def check_scales(
    scales: torch.Tensor | float | None, batch: int, chunks: int
) -> torch.Tensor:
    """Return one scale per item and chunk.

    Arguments
    ---------
    scales : torch.Tensor or float
        Shape [B, chunks] at least, or one number for all.
    batch : int
        Items in the batch.
    chunks : int
        Chunks of each.

    Returns
    -------
    torch.Tensor
        Shape [B, chunks].

    Raises
    ------
    ValueError
        If there are none, or fewer.

    Example
    -------
    >>> check_scales(0.1, batch=1, chunks=3)
    tensor([[0.1000, 0.1000, 0.1000]])
    """
    if scales is None:
        raise ValueError(
            "this model divides each chunk by its loudness; give scales= as encode "
            "returned them, or one number such as 0.1."
        )
    scales = torch.as_tensor(scales)
    if scales.dim() == 0:
        return scales.expand(batch, chunks)
    if scales.dim() != 2 or len(scales) != batch or scales.shape[1] < chunks:
        raise ValueError(
            f"scales are {tuple(scales.shape)}; {(batch, chunks)} is needed."
        )
    return scales[:, :chunks]
