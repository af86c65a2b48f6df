"""Encode and decode signals that arrive in pieces, with the codes of the whole.

Push any number of samples or frames, take what is ready, flush at the end. What
comes out, laid end to end, is what `DAC.encode` and `DAC.decode_codes` give for
the whole signal. A stream holds one block and its context, however long it
runs, and computes each block once:

    pushed    |. . . . . . . . . . . . . . . . . .|
    held              |c c c c x x x x x x c c|
    ready                     |x x x x x x|        when the right context is there

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F

from dac_lobe.checks import check_audio
from dac_lobe.chunked import (
    Context,
    Window,
    check_chunk_frames,
    decode_window,
    decoder_context,
    encode_window,
    encoder_context,
)

if TYPE_CHECKING:
    from dac_lobe.dac import DAC

__all__ = ["Latency", "Resumption", "StreamingDecoder", "StreamingEncoder"]


class Latency(NamedTuple):
    """How much must be pushed after a frame, at most, before it comes out.

    Attributes
    ----------
    frames : int
        In frames.
    samples : int
        In samples.
    seconds : float
        In seconds; the time to compute comes on top.
    """

    frames: int
    samples: int
    seconds: float


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


class _Held(NamedTuple):
    """A window that is ready, and the positions that belong to it."""

    window: Window
    data: torch.Tensor


class _Stream:
    """Cut what arrives in pieces into windows with context.

    Arguments
    ---------
    codec : DAC
        The codec.
    context : Context
        Frames to hold on each side of a block.
    block_frames : int, optional
        Frames to compute at once.
    hop : int
        Positions that arrive per frame: the hop length for samples, 1 for codes.
    """

    def __init__(
        self, codec: DAC, context: Context, block_frames: int | None, hop: int
    ):
        self.codec = codec
        self.context = context
        self.block_frames = check_chunk_frames(codec, block_frames)
        self._hop = hop
        self.reset()

    @property
    def latency(self) -> Latency:
        """How much must be pushed after a frame, at most, before it comes out."""
        frames = self.block_frames - 1 + self.context.right
        samples = frames * self.codec.hop_length
        return Latency(frames, samples, samples / self.codec.sample_rate)

    def reset(self) -> None:
        """Forget everything pushed so far; the next push starts a new signal."""
        self._buffer: torch.Tensor | None = None
        self._filled = 0  # positions in the buffer that hold data
        self._first = 0  # frame at which the buffer begins
        self._start = 0  # first frame that has not come out

    def __enter__(self):
        """Start with nothing held."""
        self.reset()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of what is held."""
        self.reset()

    @property
    def _pushed(self) -> int:
        """Positions that were pushed since the signal began."""
        return self._first * self._hop + self._filled

    def _push(self, piece: torch.Tensor) -> Iterator[_Held]:
        """Take a piece [B, C, n]; yield every window that it completes."""
        if self._buffer is None:
            frames = self.context.left + self.block_frames + self.context.right
            self._buffer = piece.new_empty(*piece.shape[:2], frames * self._hop)
        if piece.shape[:2] != self._buffer.shape[:2]:
            raise ValueError(
                f"this piece is {tuple(piece.shape)} but the stream began with "
                f"{tuple(self._buffer.shape[:2])} and any length. Call reset() to "
                "begin another stream."
            )
        while True:
            stop = self._start + self.block_frames
            window = Window(self._first, self._start, stop, stop + self.context.right)
            needed = (window.last - window.first) * self._hop - self._filled
            taken = piece[..., :needed]
            end = self._filled + taken.shape[-1]
            # Copied, not kept: callers reuse their capture buffers.
            self._buffer[..., self._filled : end] = taken
            self._filled = end
            if taken.shape[-1] < needed:
                return
            piece = piece[..., needed:]
            yield _Held(window, self._buffer[..., :end])
            self._advance(stop)

    def _advance(self, start: int) -> None:
        """Drop what no frame from ``start`` on depends on."""
        first = max(start - self.context.left, 0)
        dropped = (first - self._first) * self._hop
        kept = self._buffer[..., dropped : self._filled].clone()
        self._filled = kept.shape[-1]
        self._buffer[..., : self._filled] = kept
        self._first, self._start = first, start

    def _flush(self) -> _Held | None:
        """Return the window that ends with the signal, if frames are left in it."""
        frames = -(-self._pushed // self._hop)
        if self._buffer is None or frames == self._start:
            return None
        window = Window(self._first, self._start, frames, frames)
        return _Held(window, self._buffer[..., : self._filled])


class StreamingEncoder(_Stream):
    """Encode a waveform that arrives in pieces.

    Arguments
    ---------
    codec : DAC
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

    def __init__(
        self,
        codec: DAC,
        num_codebooks: int | None = None,
        *,
        block_frames: int | None = None,
    ):
        self.num_codebooks = codec.quantizer.check_n_quantizers(num_codebooks)
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


class StreamingDecoder(_Stream):
    """Decode codes that arrive in pieces.

    Arguments
    ---------
    codec : DAC
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

    def __init__(self, codec: DAC, *, block_frames: int | None = None):
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
            If the length does not end in the last frame; the stream is kept.
        """
        hop, frames = self.codec.hop_length, self._pushed
        if length is None:
            length = frames * hop
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
