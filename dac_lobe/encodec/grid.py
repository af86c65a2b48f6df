"""Samples, frames and chunks of an EnCodec: who covers whom.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from dataclasses import dataclass

from transformers import EncodecConfig

__all__ = ["Grid"]


@dataclass(frozen=True)
class Grid:
    """How a model cuts audio into chunks of frames.

    Attributes
    ----------
    hop_length : int
        Samples per frame.
    chunk_length, stride : int or None
        Samples in a chunk, and from chunk to chunk; None for models that code a
        clip as a whole, which then is one chunk.

    Example
    -------
    >>> grid = Grid(hop_length=320, chunk_length=48000, stride=47520)
    >>> grid.chunks(48001), grid.frames(48001), grid.covered(300)
    (2, 300, 95520)
    """

    hop_length: int
    chunk_length: int | None = None
    stride: int | None = None

    @classmethod
    def of(cls, config: EncodecConfig) -> Grid:
        """Read the grid off a configuration."""
        return cls(config.hop_length, config.chunk_length, config.chunk_stride)

    @property
    def _chunk(self) -> tuple[int, int]:
        """Length and stride of the chunks, for a model that has them."""
        assert self.chunk_length is not None
        assert self.stride is not None
        return self.chunk_length, self.stride

    @property
    def chunk_frames(self) -> int:
        """Frames in a chunk."""
        return -(-self._chunk[0] // self.hop_length)

    def frame_rate(self, sample_rate: int) -> float:
        """Count the frames that a second of audio takes, overlaps included."""
        if self.stride is None:
            return sample_rate / self.hop_length
        return self.chunk_frames * sample_rate / self.stride

    def chunks(self, samples: int) -> int:
        """Count the chunks of a clip, as the feature extractor does."""
        return 1 if self.stride is None else -(-samples // self.stride)

    def chunks_of(self, frames: int) -> int:
        """Count the chunks that frames belong to."""
        return 1 if self.stride is None else -(-frames // self.chunk_frames)

    def frames(self, samples: int) -> int:
        """Count the frames of a clip."""
        if self.stride is None:
            return -(-samples // self.hop_length)
        return self.chunks(samples) * self.chunk_frames

    def audible(self, frames: int) -> int:
        """Count the frames without a last chunk that ends before the one before it."""
        if self.stride is None or frames < self.chunk_frames:
            return frames
        rest = frames % self.chunk_frames
        length, stride = self._chunk
        return frames - rest if rest * self.hop_length < length - stride else frames

    def covered(self, frames: int) -> int:
        """Count the samples that frames decode to."""
        frames = self.audible(frames)
        if self.stride is None or frames == 0:
            return frames * self.hop_length
        before = self.chunks_of(frames) - 1
        last = (frames - before * self.chunk_frames) * self.hop_length
        length, stride = self._chunk
        return before * stride + min(last, length)

    def padding(self, samples: int) -> int:
        """Count the zeros that fill up the last chunk of a clip."""
        if self.stride is None:
            return 0
        length, stride = self._chunk
        whole = (self.chunks(samples) - 1) * stride + length
        return whole - samples
