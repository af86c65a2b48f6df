"""Encode and decode signals of any length in bounded memory, exactly.

The chunks of a signal are computed one after the other, each with its context, as
`windows` draws it.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from dac_lobe.execution.windows import (
    check_chunk_frames,
    decode_latents_window,
    encode_window,
    windows,
)
from dac_lobe.network.autoencoder import Autoencoder
from dac_lobe.network.checks import check_audio, check_latents
from dac_lobe.network.context import Window, decoder_context, encoder_context
from dac_lobe.network.lengths import sample_lengths, wanted_lengths
from dac_lobe.network.names import codebooks_by_any_name
from dac_lobe.network.threads import one_thread

__all__ = ["decode_chunked", "decode_latents_chunked", "encode_chunked"]


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
        part = decode_latents_window(codec, latents(window), window, frame_lengths)
        begin = window.start * hop + codec.delay
        end = min(begin + part.shape[-1], wanted.longest)
        with one_thread():
            wav[..., begin:end] = part[..., : max(end - begin, 0)]
    return wanted.zero_past_ends(wav)
