"""From a packed file, or a part of it, to an audio file, in constant memory.

    codes [C, K, F] --decode--> model rate --resample, gain back--> as many samples

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from dac_lobe.audio import AudioWriter
from dac_lobe.audio.resampling import Resampler, chosen_rate, resampled_length
from dac_lobe.container import ContainerError, Packed, PackedReader
from dac_lobe.container.official import is_official
from dac_lobe.execution.streaming import StreamingDecoder
from dac_lobe.files.encoding import BLOCK_SECONDS, Output, Progress, check_model
from dac_lobe.files.official import decode_official
from dac_lobe.files.record import chosen_codebooks, record_of
from dac_lobe.network.autoencoder import Autoencoder
from dac_lobe.network.context import decoder_context
from dac_lobe.network.names import codebooks_by_any_name

__all__ = ["Excerpt", "decode_file", "decoded_audio", "excerpt"]

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
    if not 0 <= start < math.inf or not 0 <= (duration or 0) < math.inf:
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
    codec: Autoencoder,
    content: Packed | PackedReader,
    wanted: Excerpt,
    num_codebooks: int | None = None,
) -> Iterator[np.ndarray]:
    """Decode a stretch; only the blocks that it needs are read.

    Arguments
    ---------
    codec : Autoencoder
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
    used = chosen_codebooks(num_codebooks, header.num_codebooks, content.name)
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
    codec: Autoencoder,
    content: Packed | PackedReader,
    begin: int,
    wanted: Excerpt,
    used: int,
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
    frames = max(1, round(BLOCK_SECONDS * codec.frame_rate))
    decoder = StreamingDecoder(codec, block_frames=frames)
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


@codebooks_by_any_name
def decode_file(
    codec: Autoencoder,
    source: Packed | Output | bytes,
    output: str | os.PathLike[str],
    *,
    num_codebooks: int | None = None,
    start: float = 0.0,
    duration: float | None = None,
    sample_rate: int | None = None,
    subtype: str | None = None,
    partial: bool = False,
    strict: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Decode a packed file into an audio file, in constant memory.

    Arguments
    ---------
    codec : Autoencoder
        The codec that made the codes.
    source : Packed, str, Path or binary file
        What to decode; files of the official package are welcome too.
    output : str or Path
        Where to write; the ending chooses the format. Appears when complete.
    num_codebooks : int, optional
        Codebooks to use, of those in the file; all by default.
    start : float
        Second to begin at; only the blocks around what is wanted are read.
    duration : float, optional
        Seconds to decode; to the end by default.
    sample_rate : int, optional
        Rate of the output, in Hz; that of the encoded audio by default, with
        exactly as many samples.
    subtype : str, optional
        libsndfile's name of the sample format, like 'PCM_24' or 'FLOAT'.
    partial : bool
        Whether an unfinished file is welcome, up to its last whole block.
    strict : bool
        Whether to refuse a file of the official package that promises more samples
        than its codes give, which are otherwise a warning and silence.
    progress : callable, optional
        Called with the seconds done and the seconds in all.

    Returns
    -------
    Path
        The output.

    Raises
    ------
    ContainerError
        If the file is damaged or unfinished, without one whole block, or another
        model made it.
    ValueError
        If ``num_codebooks``, ``start`` or ``sample_rate`` is out of range, or a part
        of a file of the official package is wanted.
    OSError
        If the output cannot be written.
    """
    if isinstance(source, bytes):
        source = io.BytesIO(source)
    record = record_of(
        source,
        codec,
        num_codebooks=num_codebooks,
        start=start,
        duration=duration,
        sample_rate=sample_rate,
        subtype=subtype,
        partial=partial,
    )
    if not isinstance(source, Packed) and is_official(source):
        if start or duration is not None:
            raise ValueError(
                "files of the official package have no index to find a part by; "
                "decode all of it."
            )
        return decode_official(
            codec,
            source,
            output,
            num_codebooks=num_codebooks,
            sample_rate=sample_rate,
            subtype=subtype,
            strict=strict,
            comment=record.comment(),
            progress=progress,
        )
    opened = (
        nullcontext(source)
        if isinstance(source, Packed)
        else PackedReader(source, partial=partial)
    )
    with opened as content:
        header = content.header
        check_model(codec, header, content.name)
        if not content.num_frames:
            raise ContainerError(
                f"{content.name} holds no whole block, so there is nothing to decode. "
                "Encode it again."
            )
        rate = chosen_rate(sample_rate, header.source_rate)
        wanted = excerpt(content, rate, start, duration)
        total = (wanted.stop - wanted.start) / rate
        done = 0
        comment = record.comment()
        with AudioWriter(output, rate, header.channels, subtype, comment) as writer:
            for wav in decoded_audio(codec, content, wanted, num_codebooks):
                writer.write(wav)
                done += wav.shape[1]
                if progress is not None:
                    progress(done / rate, total)
    return Path(output)
