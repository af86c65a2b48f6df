"""A stream: cut what arrives in pieces into windows with context.

It holds one block and its context, however long it runs, and gives each block once:

    pushed    |. . . . . . . . . . . . . . . . . .|
    held              |c c c c x x x x x x c c|
    ready                     |x x x x x x|        when the right context is there

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple, Self

import torch

from dac_lobe.execution.windows import check_chunk_frames
from dac_lobe.network.autoencoder import Autoencoder
from dac_lobe.network.context import Context, Window

__all__ = ["Held", "Latency", "Stream"]


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


class Held(NamedTuple):
    """A window that is ready, and the positions that belong to it.

    Attributes
    ----------
    window : Window
        Where it lies in the signal, in frames.
    data : torch.Tensor
        Samples or codes of its frames, shape [B, C, n]; a view of the buffer.
    """

    window: Window
    data: torch.Tensor


class Stream:
    """Cut what arrives in pieces into windows with context.

    Arguments
    ---------
    codec : Autoencoder
        The codec.
    context : Context
        Frames to hold on each side of a block.
    block_frames : int, optional
        Frames to compute at once.
    hop : int
        Positions that arrive per frame: the hop length for samples, 1 for codes.
    """

    def __init__(
        self, codec: Autoencoder, context: Context, block_frames: int | None, hop: int
    ):
        self.codec = codec
        self.context = context
        self.block_frames = check_chunk_frames(codec, block_frames, "block_frames")
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

    def __enter__(self) -> Self:
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

    def _push(self, piece: torch.Tensor) -> Iterator[Held]:
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
            yield Held(window, self._buffer[..., :end])
            self._advance(stop)

    def _advance(self, start: int) -> None:
        """Drop what no frame from ``start`` on depends on."""
        assert self._buffer is not None
        first = max(start - self.context.left, 0)
        dropped = (first - self._first) * self._hop
        kept = self._buffer[..., dropped : self._filled].clone()
        self._filled = kept.shape[-1]
        self._buffer[..., : self._filled] = kept
        self._first, self._start = first, start

    def _flush(self) -> Held | None:
        """Return the window that ends with the signal, if frames are left in it."""
        frames = -(-self._pushed // self._hop)
        if self._buffer is None or frames == self._start:
            return None
        window = Window(self._first, self._start, frames, frames)
        return Held(window, self._buffer[..., : self._filled])
