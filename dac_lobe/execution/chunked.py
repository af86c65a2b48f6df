"""Encode and decode signals of any length in bounded memory, exactly.

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

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F

from dac_lobe.network.autoencoder import Autoencoder
from dac_lobe.network.checks import check_audio, check_latents
from dac_lobe.network.context import (
    Context,
    Window,
    decoder_context,
    encoder_context,
)
from dac_lobe.network.layers import keep_valid
from dac_lobe.network.lengths import sample_lengths, wanted_lengths
from dac_lobe.network.names import codebooks_by_any_name
from dac_lobe.network.threads import one_thread

__all__ = [
    "Context",
    "Window",
    "check_chunk_frames",
    "decode_chunked",
    "decode_latents_chunked",
    "decode_window",
    "decoder_context",
    "default_chunk_frames",
    "encode_chunked",
    "encode_window",
    "encoder_context",
    "windows",
]

# Seconds of signal to take up at a time: activations of the widest layer then
# take a few MB, and each weight is read from memory once in that time.
CHUNK_SECONDS = 2.0


def default_chunk_frames(codec: Autoencoder) -> int:
    """Frames in a chunk of two seconds: little overhead, little memory."""
    return max(1, round(CHUNK_SECONDS * codec.frame_rate))


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
    return _decode_latents(codec, z, window, frame_lengths)


def _decode_latents(
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


@torch.no_grad()
@codebooks_by_any_name
def encode_chunked(
    codec: Autoencoder,
    audio: torch.Tensor,
    chunk_frames: int | None = None,
    num_codebooks: int | None = None,
    *,
    lengths: torch.Tensor | None = None,
) -> torch.Tensor:
    """Encode waveforms of any length in bounded memory.

    Arguments
    ---------
    codec : Autoencoder
        The codec. Chunks are moved to its device; the audio need not lie there.
    audio : torch.Tensor
        Waveforms of shape [B, 1, T] or [B, T].
    chunk_frames : int, optional
        Frames to compute at once, at least 1; two seconds by default.
    num_codebooks : int, optional
        Codebooks to use; all by default.
    lengths : torch.Tensor, optional
        Valid lengths per item, as in `DAC.encode`.

    Returns
    -------
    torch.Tensor
        Codes of shape [B, K, F], those of ``codec.encode(audio).codes``, on the
        device of ``audio``.

    Raises
    ------
    ValueError
        If the audio, the chunk size, the number of codebooks or the lengths are
        not allowed.

    Example
    -------
    >>> from dac_lobe import DAC
    >>> codec = DAC(
    ...     encoder_dim=4,
    ...     encoder_rates=[2, 4],
    ...     decoder_dim=16,
    ...     decoder_rates=[4, 2],
    ...     n_codebooks=2,
    ...     codebook_size=16,
    ...     sample_rate=16000,
    ... ).eval()
    >>> wav = torch.randn(1, 1, 1001)
    >>> bool((encode_chunked(codec, wav, 7) == codec.encode(wav).codes).all())
    True
    """
    audio = check_audio(audio, codec.dtype, finite=not codec.training)
    used = codec.quantizer.check_n_quantizers(num_codebooks, "num_codebooks")
    chunk_frames = check_chunk_frames(codec, chunk_frames)
    hop, (batch, _, samples) = codec.hop_length, audio.shape
    if lengths is not None:
        lengths = sample_lengths(lengths, batch, samples)
    parts = []
    for window in windows(-(-samples // hop), chunk_frames, encoder_context(codec)):
        piece = audio[..., window.first * hop : window.last * hop]
        codes = encode_window(codec, piece, window, used, lengths)
        parts.append(codes.to(audio.device))
    return torch.cat(parts, dim=-1)


@torch.no_grad()
def decode_chunked(
    codec: Autoencoder,
    codes: torch.Tensor,
    chunk_frames: int | None = None,
    length: int | torch.Tensor | None = None,
) -> torch.Tensor:
    """Decode codes of any length in bounded memory.

    Arguments
    ---------
    codec : Autoencoder
        The codec. Chunks are moved to its device; the codes need not lie there.
    codes : torch.Tensor
        Integers of shape [B, K', F]; any prefix of the codebooks.
    chunk_frames : int, optional
        Frames to compute at once, at least 1; two seconds by default.
    length : int or torch.Tensor, optional
        Samples wanted, one number or one per item [B]; all F hops by default.

    Returns
    -------
    torch.Tensor
        Waveforms of shape [B, 1, length], those of
        ``codec.decode_codes(codes, length)``, on the device of ``codes``.

    Raises
    ------
    ValueError
        If the codes, the chunk size or the length are not allowed.

    Example
    -------
    >>> from dac_lobe import DAC
    >>> codec = DAC(
    ...     encoder_dim=4,
    ...     encoder_rates=[2, 4],
    ...     decoder_dim=16,
    ...     decoder_rates=[4, 2],
    ...     n_codebooks=2,
    ...     codebook_size=16,
    ...     sample_rate=16000,
    ... ).eval()
    >>> codes = torch.randint(16, (1, 2, 50))
    >>> wav = decode_chunked(codec, codes, chunk_frames=7, length=399)
    >>> torch.allclose(wav, codec.decode_codes(codes, length=399), atol=1e-6)
    True
    """
    codes = codec.quantizer.check_codes(codes)

    def latents(window: Window) -> torch.Tensor:
        piece = codes[..., window.first : window.last]
        return codec.dequantize(piece.to(codec.device)).z

    return _decode_chunks(codec, latents, codes, chunk_frames, length)


@torch.no_grad()
def decode_latents_chunked(
    codec: Autoencoder, z: torch.Tensor, chunk_frames: int | None = None
) -> torch.Tensor:
    """Decode latents [B, D, F] in bounded memory into waveforms [B, 1, F * hop]."""
    check_latents(z, codec.latent_dim)

    def latents(window: Window) -> torch.Tensor:
        return z[..., window.first : window.last].to(codec.device, codec.dtype)

    return _decode_chunks(codec, latents, z, chunk_frames, None)


def _decode_chunks(
    codec: Autoencoder,
    latents: Callable[[Window], torch.Tensor],
    like: torch.Tensor,
    chunk_frames: int | None,
    length: int | torch.Tensor | None,
) -> torch.Tensor:
    """Decode window by window; ``like`` [B, *, F] gives the shape and the device."""
    chunk_frames = check_chunk_frames(codec, chunk_frames)
    hop, (batch, _, frames) = codec.hop_length, like.shape
    length = frames * hop if length is None else length
    wanted = wanted_lengths(length, batch, frames, hop)
    frame_lengths = wanted.frame_lengths(hop)
    with one_thread():
        wav = like.new_zeros(batch, 1, wanted.longest, dtype=codec.dtype)
    context = decoder_context(codec)
    for window in windows(wanted.frames(hop), chunk_frames, context):
        part = _decode_latents(codec, latents(window), window, frame_lengths)
        begin = window.start * hop + codec.delay
        end = min(begin + part.shape[-1], wanted.longest)
        with one_thread():
            wav[..., begin:end] = part[..., : max(end - begin, 0)]
    return wanted.zero_past_ends(wav)


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
