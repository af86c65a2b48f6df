"""Audio files to the official package's ``.dac`` files and back.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import numpy as np
import torch
from torch import nn

from dac_lobe.audio import BLOCK_SAMPLES, AudioReader, AudioWriter, Source
from dac_lobe.audio.loudness import (
    Loudness,
    cookbook_weighting,
    gain_to,
    measure_loudness,
)
from dac_lobe.audio.resampling import Resampler, chosen_rate, resampled_length
from dac_lobe.container import ContainerError
from dac_lobe.container.official import OfficialFile
from dac_lobe.disk.inputs import name_of
from dac_lobe.execution.chunked import decode_chunked
from dac_lobe.files.encoding import Output, Progress, describe, pack
from dac_lobe.files.record import chosen_codebooks
from dac_lobe.network.autoencoder import Autoencoder
from dac_lobe.network.receptive_field import convolutions, output_length

logger = logging.getLogger(__name__)

__all__ = ["decode_official", "encode_official"]

# The official package brings everything to this loudness, and takes anything
# quieter than its floor for as loud as that.
_TARGET_LUFS = -16.0
_FLOOR_LUFS = -70.0


def encode_official(
    codec: Autoencoder,
    path: Source,
    output: str | os.PathLike[str],
    *,
    num_codebooks: int | None = None,
    strict: bool = False,
) -> Path:
    """Encode an audio file into a ``.dac`` file that the official package reads.

    It is one chunk, which the official package decodes as a whole: it needs
    memory for all of it. Where the model's raw output is shorter than whole hops
    (8 samples at 16 and 24 kHz) the file promises as many samples less, because
    the official package fails on files that promise more than there is.

    Arguments
    ---------
    codec : Autoencoder
        The codec.
    path : Source
        The audio; see `dac_lobe.audio.sources`.
    output : str or Path
        Where to write.
    num_codebooks : int, optional
        Codebooks to use; all by default.
    strict : bool
        Whether to refuse a file that promises more than it holds.

    Returns
    -------
    Path
        The output.
    """
    with AudioReader(path, strict=strict) as reader:
        blocks = _resampled(reader, codec.sample_rate)
        loudness = _official_loudness(blocks, codec.sample_rate)
        header = replace(
            describe(codec, reader, num_codebooks=num_codebooks),
            gain_db=gain_to(loudness, _TARGET_LUFS),
        )
        packed = pack(codec, reader, header)
    rate = packed.header.source_rate
    raw = output_length(codec.decoder, packed.num_frames)
    return OfficialFile(
        codes=packed.codes,
        chunk_length=packed.num_frames,
        original_length=min(packed.num_samples, raw * rate // codec.sample_rate),
        input_db=max(loudness.lufs, _FLOOR_LUFS),
        channels=packed.header.channels,
        sample_rate=rate,
        padding=True,
    ).save(Path(output))


def decode_official(
    codec: Autoencoder,
    source: Output,
    output: str | os.PathLike[str],
    *,
    num_codebooks: int | None = None,
    sample_rate: int | None = None,
    subtype: str | None = None,
    strict: bool = False,
    comment: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Decode a ``.dac`` file of the official package.

    The steps are the official ones, its meter of loudness included, but for two that
    harm: channels share one gain (there each is made equally loud), and the end is
    filled with zeros where the output is some samples short (there the file fails).

    Arguments
    ---------
    codec : Autoencoder
        The codec that made the codes; the file does not say which.
    source : str, Path or binary file
        What to decode.
    output : str or Path
        Where to write.
    num_codebooks : int, optional
        Codebooks to use, of those in the file; all by default.
    sample_rate : int, optional
        Rate of the output, in Hz; that of the encoded audio by default.
    subtype : str, optional
        libsndfile's name of the sample format.
    strict : bool
        Whether to refuse a file that promises more samples than its codes give,
        which are otherwise a warning and silence.
    comment : str, optional
        A comment to put into the file.
    progress : callable, optional
        Called with the seconds done and the seconds in all.

    Returns
    -------
    Path
        The output.

    Raises
    ------
    ContainerError
        If the file is damaged, or cannot be of this model.
    """
    file = OfficialFile.load(source)
    total = file.original_length / file.sample_rate
    # The gain depends on the loudness of the whole, so it waits on the disk.
    with TemporaryFile() as decoded:
        blocks = _kept(_decoded_chunks(codec, file, num_codebooks), decoded)
        if progress is not None:
            blocks = _watched(blocks, codec.sample_rate, total, progress)
        output_db = max(_official_loudness(blocks, codec.sample_rate).lufs, _FLOOR_LUFS)
        samples = decoded.tell() // (4 * file.channels)
        given = resampled_length(samples, codec.sample_rate, file.sample_rate)
        hop = resampled_length(codec.hop_length, codec.sample_rate, file.sample_rate)
        if file.original_length > given + hop:
            raise ContainerError(
                f"the file promises {file.original_length} samples but its codes give "
                f"{given} with this model. Choose the model that made it."
            )
        if file.original_length > given:
            said = (
                f"{name_of(source)} promises {file.original_length} samples, and its "
                f"codes give {given}"
            )
            if strict:
                raise ContainerError(f"{said}. Encode it again, or leave strict out.")
            logger.warning("%s: silence fills it up", said)
        gain = 10 ** ((file.input_db - output_db) / 20)
        rate = chosen_rate(sample_rate, file.sample_rate)
        wanted = resampled_length(file.original_length, file.sample_rate, rate)
        resampler = Resampler(codec.sample_rate, rate, file.channels)
        with AudioWriter(output, rate, file.channels, subtype, comment) as writer:
            done = 0
            for wav in _replayed(decoded, file.channels):
                wav = resampler.push(wav * np.float32(gain))[:, : wanted - done]
                writer.write(wav)
                done += wav.shape[1]
            wav = resampler.flush()[:, : wanted - done]
            missing = wanted - done - wav.shape[1]
            writer.write(np.pad(wav, ((0, 0), (0, missing))))
    return Path(output)


def _resampled(reader: AudioReader, rate: int) -> Iterator[np.ndarray]:
    resampler = Resampler(reader.sample_rate, rate, reader.channels)
    yield from map(resampler.push, reader.blocks())
    yield resampler.flush()


def _official_loudness(blocks: Iterable[np.ndarray], rate: int) -> Loudness:
    """Measure as the official package does: at the model's rate, by its own filter.

    It fills up with silence what is shorter than half a second.
    """

    def padded() -> Iterator[np.ndarray]:
        channels = samples = 0
        for block in blocks:
            channels, samples = block.shape[0], samples + block.shape[1]
            yield block
        yield np.zeros((channels, max(0, rate // 2 - samples)), np.float32)

    return measure_loudness(padded(), rate, cookbook_weighting)


def _decoded_chunks(
    codec: Autoencoder, file: OfficialFile, num_codebooks: int | None
) -> Iterator[np.ndarray]:
    """Decode chunk by chunk, yield samples at the model's rate, [C, n].

    The official package decodes chunks without padding, and lays them end to end:

        frames      |x x x x x x x x x x|
        unpadded           |y y y y|

    That is not quite the middle of what padding would give: the outermost inputs
    of a transposed convolution have no neighbour to overlap with. So it is done
    as there, layer by layer.
    """
    used = chosen_codebooks(num_codebooks, file.codes.shape[1])
    unpadded = _unpadded(codec.decoder)
    for start in range(0, file.codes.shape[-1], file.chunk_length):
        part = file.codes[:, :used, start : start + file.chunk_length]
        codes = torch.from_numpy(part.astype(np.int64))
        if file.padding:
            wav = decode_chunked(codec, codes)
        else:
            if output_length(unpadded, part.shape[-1]) < 1:
                raise ContainerError(
                    f"a chunk of {part.shape[-1]} frames is too short to give a sample "
                    "with this model. Choose the model that made the file."
                )
            with torch.no_grad():
                wav = unpadded(codec.quantizer.from_codes(codes.to(codec.device)).z)
        yield wav[:, 0].float().cpu().numpy()


def _unpadded(decoder: nn.Module) -> nn.Module:
    """Copy a decoder, but not its weights, and pad nowhere."""
    weights = {id(parameter): parameter for parameter in decoder.parameters()}
    decoder = copy.deepcopy(decoder, weights)
    for layer in convolutions(decoder):
        layer.padding = (0,)
    return decoder


def _kept(blocks: Iterator[np.ndarray], file: BinaryIO) -> Iterator[np.ndarray]:
    for block in blocks:
        file.write(np.ascontiguousarray(block.T, dtype=np.float32).data)
        yield block


def _watched(
    blocks: Iterator[np.ndarray], rate: int, total: float, progress: Progress
) -> Iterator[np.ndarray]:
    done = 0
    for block in blocks:
        yield block
        done += block.shape[1]
        progress(min(done / rate, total), total)


def _replayed(file: BinaryIO, channels: int) -> Iterator[np.ndarray]:
    file.seek(0)
    while data := file.read(4 * channels * BLOCK_SAMPLES):
        yield np.frombuffer(data, np.float32).reshape(-1, channels).T
