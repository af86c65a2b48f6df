"""How long the items of a batch are: what enters, what is asked for, what comes out.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from dac_lobe.network.layers import keep_valid
from dac_lobe.network.threads import one_thread

__all__ = ["Wanted", "align", "sample_lengths", "wanted_lengths"]


def sample_lengths(lengths: torch.Tensor, batch: int, samples: int) -> torch.Tensor:
    """Return lengths in samples; relative ones are rounded, never truncated.

    Arguments
    ---------
    lengths : torch.Tensor
        Shape [B]: relative in (0, 1] if floating point, else in samples.
    batch : int
        Items in the batch.
    samples : int
        Length that relative lengths refer to.

    Returns
    -------
    torch.Tensor
        Samples per item, shape [B], int64.

    Raises
    ------
    ValueError
        If the shape or a value is not allowed.

    Example
    -------
    >>> sample_lengths(torch.tensor([1.0, 0.29]), 2, 100)
    tensor([100,  29])
    """
    lengths = _tensor(lengths, "lengths")
    if lengths.dtype == torch.bool:
        raise ValueError(
            f"lengths are {lengths.dtype}; relative ones in (0, 1] or integers, in "
            "samples, are needed. Of a mask [B, T], give mask.sum(-1)."
        )
    if lengths.shape != (batch,):
        raise ValueError(
            f"lengths have shape {tuple(lengths.shape)}; ({batch},) is needed, "
            "one per item."
        )
    if lengths.is_floating_point():
        if batch and not bool(((lengths > 0) & (lengths <= 1)).all()):
            raise ValueError(
                f"relative lengths {lengths.tolist()} leave (0, 1]. Lengths in "
                "samples must be integers."
            )
        # The product in double: in float32 a long batch would round to a
        # neighbouring sample. Apple's GPUs have no double: by Python.
        wanted = [max(1, round(share * samples)) for share in lengths.tolist()]
        lengths = torch.tensor(wanted, dtype=torch.long, device=lengths.device)
    lengths = lengths.long()  # a narrow type may not hold the limit
    if batch and not bool(((lengths >= 1) & (lengths <= samples)).all()):
        raise ValueError(
            f"lengths {lengths.tolist()} leave [1, {samples}] samples, the "
            "padded length of the batch."
        )
    return lengths


class Wanted(NamedTuple):
    """Samples asked of a decode.

    Attributes
    ----------
    samples : torch.Tensor
        Per item, shape [B], int64, on the CPU.
    longest : int
        Length of the batch.

    Example
    -------
    >>> wanted = Wanted(torch.tensor([3, 15]), longest=15)
    >>> wanted.frames(hop_length=8), wanted.frame_lengths(hop_length=8)
    (2, tensor([1, 2]))
    """

    samples: torch.Tensor
    longest: int

    def frames(self, hop_length: int) -> int:
        """Frames that a wanted sample lies in; those after them do not exist."""
        return -(-self.longest // hop_length)

    def frame_lengths(self, hop_length: int) -> torch.Tensor | None:
        """Frames of each item, shape [B], or None if all have the same."""
        frame_lengths = -(-self.samples // hop_length)
        ragged = bool((frame_lengths != self.frames(hop_length)).any())
        return frame_lengths if ragged else None

    @one_thread()
    def zero_past_ends(self, wav: torch.Tensor) -> torch.Tensor:
        """Zero what lies past each item's length, if they differ."""
        if bool((self.samples == self.longest).all()):
            return wav
        return keep_valid(wav, self.samples.to(wav.device))


def wanted_lengths(
    length: int | torch.Tensor, batch: int, frames: int, hop_length: int
) -> Wanted:
    """Return the samples asked of a decode, per item.

    Arguments
    ---------
    length : int or torch.Tensor
        One number for all items, or one per item [B].
    batch : int
        Items in the batch.
    frames : int
        Frames there are to decode.
    hop_length : int
        Samples per frame.

    Returns
    -------
    Wanted
        The same for each item, and the greatest.

    Raises
    ------
    ValueError
        If the shape, the type or a value is not allowed.

    Example
    -------
    >>> wanted_lengths(15, batch=2, frames=2, hop_length=8)
    Wanted(samples=tensor([15, 15]), longest=15)
    """
    wanted = _tensor(length, "length").cpu()
    whole = not (wanted.is_floating_point() or wanted.dtype == torch.bool)
    if not whole or wanted.shape not in ((), (batch,)):
        raise ValueError(
            f"length={length!r}; a whole number of samples is needed, or an integer "
            f"tensor ({batch},) with one per item."
        )
    wanted, limit = wanted.long(), frames * hop_length
    least, longest = (int(b) for b in wanted.aminmax()) if wanted.numel() else (0, 0)
    if not 0 <= least <= longest <= limit:
        raise ValueError(
            f"length={wanted.tolist()} but {frames} frames hold 0 to {limit} "
            f"samples (hop length {hop_length})."
        )
    return Wanted(wanted.expand(batch), longest)


def _tensor(given: object, name: str) -> torch.Tensor:
    """Return numbers as a tensor, or raise a ValueError that says why not."""
    if torch.is_tensor(given):
        return given
    try:
        # By numpy: torch would round to its default type, on its default device.
        return torch.as_tensor(np.asarray(given), device="cpu")
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{name}={given!r:.50}; numbers of samples are needed, one or one per item."
        ) from error


@one_thread()
def align(raw: torch.Tensor, delay: int, samples: int) -> torch.Tensor:
    """Shift raw output by the delay; pad or cut it to a number of samples.

    raw      |d d d x x x ... x|            delay 3, 3 samples short
    aligned  |0 0 0 d d d x x x ... x|

    Arguments
    ---------
    raw : torch.Tensor
        What the decoder gives, shape [B, 1, T].
    delay : int
        Samples by which it is early.
    samples : int
        Samples wanted.

    Returns
    -------
    torch.Tensor
        Waveform of shape [B, 1, samples].

    Example
    -------
    >>> align(torch.ones(1, 1, 3), delay=2, samples=6)
    tensor([[[0., 0., 1., 1., 1., 0.]]])
    """
    missing = samples - raw.shape[-1] - delay
    if delay or missing > 0:
        raw = F.pad(raw, (delay, max(missing, 0)))
    return raw[..., :samples]
