"""Windows of a signal: a chunk with the context that makes it exact.

A frame of codes depends on a bounded stretch of the waveform, and a sample of
the waveform on a bounded run of frames. A chunk that is computed with that much
context on both sides, and stripped of it again, equals the same stretch of the
whole signal; nothing is cross-faded and no frame is stored twice.

    frames    |. . . . . . . . . . . . . . . . . . . . . .|
    window          |c c c c x x x x x x c c c c|           read: first to last
    kept                    |x x x x x x|                   start to stop

At the ends of the signal the window ends with it, so the network pads with
the same zeros as it would have done there for the whole signal.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F

from dac_lobe.network.autoencoder import Autoencoder
from dac_lobe.network.context import Context, Window
from dac_lobe.network.layers import keep_valid
from dac_lobe.network.threads import one_thread

__all__ = [
    "CHUNK_SECONDS",
    "check_chunk_frames",
    "decode_latents_window",
    "decode_window",
    "default_chunk_frames",
    "encode_window",
    "windows",
]

# Seconds of signal to take up at a time: activations of the widest layer then
# take a few MB, and each weight is read from memory once in that time.
CHUNK_SECONDS = 2.0


def default_chunk_frames(codec: Autoencoder) -> int:
    """Frames in a chunk of two seconds: little overhead, little memory."""
    return max(1, round(CHUNK_SECONDS * codec.frame_rate))


def check_chunk_frames(
    codec: Autoencoder, frames: int | None, name: str = "chunk_frames"
) -> int:
    """Return the frames to compute at once, or raise a ValueError that says why not.

    ``name`` is what the caller's argument is called.
    """
    if frames is None:
        return default_chunk_frames(codec)
    if isinstance(frames, bool) or not isinstance(frames, int):
        raise ValueError(f"{name}={frames!r} is not a whole number. Choose 1 or more.")
    if frames < 1:
        raise ValueError(f"{name}={frames}; choose 1 or more.")
    return frames


def windows(frames: int, chunk_frames: int, context: Context) -> Iterator[Window]:
    """Cut ``frames`` frames into chunks with context.

    Arguments
    ---------
    frames : int
        Frames in the whole signal.
    chunk_frames : int
        Frames to keep of each chunk, the last one excepted.
    context : Context
        Frames to read beside them.

    Yields
    ------
    Window
        The chunks, in order; together they keep every frame once.

    Example
    -------
    >>> for window in windows(10, 4, Context(left=1, right=2)):
    ...     print(*window)
    0 0 4 6
    3 4 8 10
    7 8 10 10
    """
    for start in range(0, frames, chunk_frames):
        stop = min(start + chunk_frames, frames)
        yield Window(
            max(start - context.left, 0),
            start,
            stop,
            min(stop + context.right, frames),
        )


def encode_window(
    codec: Autoencoder,
    audio: torch.Tensor,
    window: Window,
    num_codebooks: int,
    lengths: torch.Tensor | None = None,
) -> torch.Tensor:
    """Encode one window of a waveform.

    Arguments
    ---------
    codec : Autoencoder
        The codec.
    audio : torch.Tensor
        Samples of the frames ``window.first`` to ``window.last``, shape [B, 1, T];
        missing ones at the end are zeros.
    window : Window
        Where they lie.
    num_codebooks : int
        Codebooks to use.
    lengths : torch.Tensor, optional
        Samples of each item of the whole signal, shape [B], if they differ.

    Returns
    -------
    torch.Tensor
        Codes of the frames to keep, shape [B, K, stop - start], on the codec's
        device.
    """
    hop = codec.hop_length
    frames = window.last - window.first
    audio = audio.to(device=codec.device, dtype=codec.dtype)
    frame_lengths = None
    with one_thread():
        audio = F.pad(audio, (0, frames * hop - audio.shape[-1]))
        if lengths is not None:
            here = lengths.to(codec.device) - window.first * hop
            audio = keep_valid(audio, here)
            frame_lengths = (-(-here // hop)).clamp(0, frames)
    keep = slice(window.start - window.first, window.stop - window.first)
    return codec.encode_span(audio, num_codebooks, frame_lengths, keep).codes


def decode_window(
    codec: Autoencoder,
    codes: torch.Tensor,
    window: Window,
    frame_lengths: torch.Tensor | None = None,
) -> torch.Tensor:
    """Decode one window of codes.

    Arguments
    ---------
    codec : Autoencoder
        The codec.
    codes : torch.Tensor
        Codes of the frames ``window.first`` to ``window.last``, shape [B, K, F].
    window : Window
        Where they lie.
    frame_lengths : torch.Tensor, optional
        Frames of each item of the whole signal, shape [B], if they differ.

    Returns
    -------
    torch.Tensor
        Raw output of the frames to keep, shape [B, 1, T], on the codec's device.
        The last frames of the signal give what the network gives: with odd
        strides, less than whole hops.
    """
    z = codec.dequantize(codes.to(codec.device)).z
    return decode_latents_window(codec, z, window, frame_lengths)


def decode_latents_window(
    codec: Autoencoder,
    z: torch.Tensor,
    window: Window,
    frame_lengths: torch.Tensor | None,
) -> torch.Tensor:
    """Decode the latents of one window, and cut away its context."""
    hop = codec.hop_length
    if frame_lengths is not None:
        frame_lengths = frame_lengths.to(codec.device) - window.first
        frame_lengths = frame_lengths.clamp(0, window.last - window.first)
    raw = codec.decode_frames(z, frame_lengths)
    start, stop = window.start - window.first, window.stop - window.first
    return raw[..., start * hop : stop * hop]
