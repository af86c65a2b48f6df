"""The encoder of streams: samples in, codes out, from the beginning or the middle.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from dac_lobe.execution.streaming.stream import Stream
from dac_lobe.execution.windows import encode_window
from dac_lobe.network.autoencoder import Autoencoder
from dac_lobe.network.checks import check_audio
from dac_lobe.network.context import encoder_context
from dac_lobe.network.names import codebooks_by_any_name

__all__ = ["Resumption", "StreamingEncoder"]


class Resumption(NamedTuple):
    """Where to go on in the middle of a signal.

    Attributes
    ----------
    frame : int
        First frame that will come out.
    sample : int
        First sample to push: the context of that frame begins there.
    """

    frame: int
    sample: int


class StreamingEncoder(Stream):
    """Encode a waveform that arrives in pieces.

    Arguments
    ---------
    codec : Autoencoder
        The codec.
    num_codebooks : int, optional
        Codebooks to use; all by default.
    block_frames : int, optional
        Frames to compute at once; two seconds by default, which suits files.
        Smaller blocks answer sooner and cost more: each block is computed with
        its context, so a block of ``n`` frames costs ``n + left + right``.

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
    >>> with StreamingEncoder(codec, block_frames=4) as encoder:
    ...     parts = [encoder.push(piece) for piece in wav.split(100, dim=-1)]
    ...     parts.append(encoder.flush())
    >>> bool((torch.cat(parts, dim=-1) == codec.encode(wav).codes).all())
    True
    """

    @codebooks_by_any_name
    def __init__(
        self,
        codec: Autoencoder,
        num_codebooks: int | None = None,
        *,
        block_frames: int | None = None,
    ):
        self.num_codebooks = codec.quantizer.check_n_quantizers(
            num_codebooks, "num_codebooks"
        )
        super().__init__(codec, encoder_context(codec), block_frames, codec.hop_length)

    def resume_at(self, frame: int) -> Resumption:
        """Begin in the middle of a signal, as if all before had been pushed.

        Blocks stay where they lie in a stream that began at the beginning, so
        the same sums are computed and the codes are the same, bit for bit.

        Arguments
        ---------
        frame : int
            A frame that is wanted, and all after it.

        Returns
        -------
        Resumption
            What comes out first, at most a block before ``frame``, and where to
            begin to push.
        """
        self.reset()
        self._start = frame // self.block_frames * self.block_frames
        self._first = max(self._start - self.context.left, 0)
        return Resumption(self._start, self._first * self._hop)

    @torch.no_grad()
    def push(self, samples: torch.Tensor) -> torch.Tensor:
        """Take samples, return the codes that have become certain.

        Arguments
        ---------
        samples : torch.Tensor
            Next samples, any number: [T], [B, T] or [B, 1, T].

        Returns
        -------
        torch.Tensor
            Codes of shape [B, K, F]; F may be 0.

        Raises
        ------
        ValueError
            If the samples' shape, type or values are not allowed, or the batch
            size changes within a stream.
        """
        if torch.is_tensor(samples) and samples.dim() == 1:
            samples = samples[None, None]
        if torch.is_tensor(samples) and samples.dim() > 1 and samples.shape[-1] == 0:
            return self._no_codes(samples.shape[0], samples.device)
        samples = check_audio(samples, self.codec.dtype, finite=not self.codec.training)
        parts = [self._no_codes(samples.shape[0], samples.device)]
        for window, audio in self._push(samples):
            codes = encode_window(self.codec, audio, window, self.num_codebooks)
            parts.append(codes.to(samples.device))
        return torch.cat(parts, dim=-1)

    @torch.no_grad()
    def flush(self) -> torch.Tensor:
        """End the signal, return the codes that are left, and begin anew.

        Returns
        -------
        torch.Tensor
            Codes of shape [B, K, F]; the last frame is padded with zeros as in
            ``encode``. No frames if nothing was pushed.
        """
        held = self._flush()
        if held is None:
            batch = 1 if self._buffer is None else self._buffer.shape[0]
            codes = self._no_codes(batch, None)
        else:
            codes = encode_window(
                self.codec, held.data, held.window, self.num_codebooks
            ).to(held.data.device)
        self.reset()
        return codes

    def _no_codes(self, batch: int, device: torch.device | None) -> torch.Tensor:
        """Codes of no frames."""
        return torch.empty(
            batch, self.num_codebooks, 0, dtype=torch.long, device=device
        )
