"""The way from codes to audio: decoder, sample rate, gain; all of it or a part.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from dac_lobe.chunked import decoder_context
from dac_lobe.container import Packed, PackedReader
from dac_lobe.resample import Resampler, resampled_length

if TYPE_CHECKING:
    from dac_lobe.dac import DAC

__all__ = ["Excerpt", "decoded_audio", "excerpt"]

# The reach of the resampler's filter, generously.
_MARGIN_SECONDS = 0.1


class Excerpt(NamedTuple):
    """A stretch of decoded audio, in samples at the output rate.

    Attributes
    ----------
    start : int
        First sample.
    stop : int
        End (exclusive).
    rate : int
        The output rate, in Hz.
    """

    start: int
    stop: int
    rate: int


def excerpt(
    content: Packed | PackedReader, rate: int, start: float, duration: float | None
) -> Excerpt:
    """Find the samples of a stretch that is given in seconds.

    Raises
    ------
    ValueError
        If there is no such stretch.
    """
    total = resampled_length(content.num_samples, content.header.source_rate, rate)
    if not start >= 0 or not (duration is None or duration >= 0):
        raise ValueError(
            f"start={start}, duration={duration}: seconds from 0 on are needed."
        )
    first = round(start * rate)
    if first and first >= total:
        raise ValueError(
            f"start={start} s, but {content.name} has {total / rate:.3f} s."
        )
    stop = total if duration is None else min(total, first + round(duration * rate))
    return Excerpt(first, stop, rate)


def decoded_audio(
    codec: DAC,
    content: Packed | PackedReader,
    wanted: Excerpt,
    num_codebooks: int | None = None,
) -> Iterator[np.ndarray]:
    """Decode a stretch; only the blocks that it needs are read.

    Arguments
    ---------
    codec : DAC
        The codec that made the codes.
    content : Packed or PackedReader
        The codes.
    wanted : Excerpt
        The stretch.
    num_codebooks : int, optional
        Codebooks to use, of those there are; all by default.

    Yields
    ------
    numpy.ndarray
        Samples [C, n], together exactly those of the stretch.

    Raises
    ------
    ValueError
        If ``num_codebooks`` is out of range.
    """
    header = content.header
    used = header.num_codebooks if num_codebooks is None else num_codebooks
    if not 1 <= used <= header.num_codebooks:
        raise ValueError(
            f"num_codebooks={used}, but {content.name} has {header.num_codebooks}. "
            f"Choose 1 to {header.num_codebooks}."
        )
    gain = np.float32(10 ** (-header.gain_db / 20))
    resampler = Resampler(codec.sample_rate, wanted.rate, header.channels)
    begin = _aligned_begin(codec.sample_rate, wanted)
    skip = wanted.start - begin * wanted.rate // codec.sample_rate
    left = wanted.stop - wanted.start
    for wav in _model_audio(codec, content, begin, wanted, used):
        ready = resampler.push(wav * gain)
        kept = ready[:, skip : skip + left]
        skip -= min(skip, ready.shape[1])
        left -= kept.shape[1]
        yield kept
    yield resampler.flush()[:, skip : skip + left]


def _aligned_begin(rate: int, wanted: Excerpt) -> int:
    """Find a sample at the model's rate that coincides with one at the output's.

    It lies before the stretch by the reach of the resampler, or at the beginning.
    """
    period = rate // math.gcd(rate, wanted.rate)
    before = wanted.start * rate // wanted.rate
    if wanted.rate != rate:
        before -= round(_MARGIN_SECONDS * rate)
    return max(before, 0) // period * period


def _model_audio(
    codec: DAC, content: Packed | PackedReader, begin: int, wanted: Excerpt, used: int
) -> Iterator[np.ndarray]:
    """Decode at the model's rate, from sample ``begin`` on, at least what is wanted.

    frames    |. . . . . . . . . . . . . . . . . . . . . .|
    read            |c c c c x x x x x x c c c c|
    begin                    ^
    """
    header, hop = content.header, codec.hop_length
    total = header.model_samples(content.num_samples)
    end = -(-wanted.stop * codec.sample_rate // wanted.rate)
    end = min(total, end + round(_MARGIN_SECONDS * codec.sample_rate))
    context = decoder_context(codec)
    first = max(begin // hop - context.left, 0)
    last = min(-(-end // hop) + context.right, content.num_frames)
    decoder = codec.streaming_decoder()
    skip, left = begin - first * hop, end - begin
    for codes in content.blocks(first, last):
        wav = decoder.push(torch.from_numpy(codes[:, :used].astype(np.int64)))
        kept = wav[..., skip : skip + left]
        skip -= min(skip, wav.shape[-1])
        left -= kept.shape[-1]
        yield _as_numpy(kept)
    ends_with_the_file = last == content.num_frames
    length = (total if ends_with_the_file else last * hop) - first * hop
    yield _as_numpy(decoder.flush(length)[..., skip : skip + left])


def _as_numpy(wav: torch.Tensor) -> np.ndarray:
    return wav[:, 0].float().cpu().numpy()
