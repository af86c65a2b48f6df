"""The decoder of streams: codes in, samples out, aligned with what was encoded.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import operator

import torch
import torch.nn.functional as F

from dac_lobe.execution.streaming.stream import Stream
from dac_lobe.execution.windows import decode_window
from dac_lobe.network.autoencoder import Autoencoder
from dac_lobe.network.context import decoder_context

__all__ = ["StreamingDecoder"]


class StreamingDecoder(Stream):
    """Decode codes that arrive in pieces.

    Arguments
    ---------
    codec : Autoencoder
        The codec.
    block_frames : int, optional
        Frames to compute at once; two seconds by default, which suits files.
        Smaller blocks answer sooner and cost more, as in `StreamingEncoder`.

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
    >>> codes = torch.randint(16, (1, 2, 100))
    >>> with StreamingDecoder(codec, block_frames=4) as decoder:
    ...     parts = [decoder.push(piece) for piece in codes.split(9, dim=-1)]
    ...     parts.append(decoder.flush(length=799))
    >>> whole = codec.decode_codes(codes, length=799)
    >>> torch.allclose(torch.cat(parts, dim=-1), whole, atol=1e-6)
    True
    """

    def __init__(self, codec: Autoencoder, *, block_frames: int | None = None):
        super().__init__(codec, decoder_context(codec), block_frames, hop=1)

    def reset(self) -> None:
        """Forget everything pushed so far; the next push starts a new signal."""
        super().reset()
        self._emitted = 0  # samples that have come out

    @torch.no_grad()
    def push(self, codes: torch.Tensor) -> torch.Tensor:
        """Take frames, return the samples that have become certain.

        Arguments
        ---------
        codes : torch.Tensor
            Next frames, any number: integers of shape [B, K', F], any prefix of
            the codebooks.

        Returns
        -------
        torch.Tensor
            Waveform of shape [B, 1, T], aligned with the encoded audio; T may be 0.

        Raises
        ------
        ValueError
            If the codes are not allowed, or the batch size or the number of
            codebooks changes within a stream.
        """
        codes = self.codec.quantizer.check_codes(codes)
        parts = [self._no_samples(codes.shape[0], codes.device)]
        for window, frames in self._push(codes):
            parts.append(self._aligned(decode_window(self.codec, frames, window)))
            self._emitted += parts[-1].shape[-1]
        return torch.cat([part.to(codes.device) for part in parts], dim=-1)

    @torch.no_grad()
    def flush(self, length: int | None = None) -> torch.Tensor:
        """End the signal, return the samples that are left, and begin anew.

        Arguments
        ---------
        length : int, optional
            Samples that the whole signal has; it must end in the last frame
            pushed. All hops of all frames by default.

        Returns
        -------
        torch.Tensor
            Waveform of shape [B, 1, T]. No samples if nothing was pushed.

        Raises
        ------
        ValueError
            If the length is no whole number, or does not end in the last frame; the
            stream is kept.
        """
        hop, frames = self.codec.hop_length, self._pushed
        if length is None:
            length = frames * hop
        try:
            length = operator.index(length)
        except TypeError:
            raise ValueError(
                f"length={length!r:.50} is not a whole number of samples. Give one that "
                f"ends in frame {frames}, or leave it out."
            ) from None
        if -(-length // hop) != frames:
            raise ValueError(
                f"length={length} samples are {-(-length // hop)} frames but "
                f"{frames} were pushed (hop length {hop})."
            )
        held = self._flush()
        if held is None:
            batch = 1 if self._buffer is None else self._buffer.shape[0]
            wav = self._no_samples(batch, None)
        else:
            raw = decode_window(self.codec, held.data, held.window)
            wav = self._aligned(raw.to(held.data.device))
            wav = F.pad(wav, (0, length - self._emitted - wav.shape[-1]))
        self.reset()
        return wav

    def _aligned(self, raw: torch.Tensor) -> torch.Tensor:
        """Delay the beginning of the signal so that it meets the encoded audio."""
        return raw if self._emitted else F.pad(raw, (self.codec.delay, 0))

    def _no_samples(self, batch: int, device: torch.device | None) -> torch.Tensor:
        """Return a waveform of no samples."""
        return torch.empty(batch, 1, 0, dtype=self.codec.dtype, device=device)
