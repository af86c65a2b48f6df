"""Audio files to packed files and back, in constant memory.

    any rate, C channels --gain, resample--> model rate --encode--> codes [C, K, F]
    exactly as many samples <--resample, gain back-- <--decode-----------+

Channels are items of one batch and share one gain, so their balance stays. Only
one block of audio is in memory at a time, however long the file is.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from dac_lobe.audio import AudioReader, AudioWriter
from dac_lobe.audio_codes import AudioCodes, Progress, check_model, describe
from dac_lobe.codes_audio import decoded_audio, excerpt
from dac_lobe.container import Header, Packed, PackedReader, PackedWriter
from dac_lobe.legacy import is_legacy

if TYPE_CHECKING:
    from dac_lobe.dac import DAC

__all__ = ["decode_file", "encode_file", "encode_file_to"]

Source = str | os.PathLike | BinaryIO


def encode_file(
    codec: DAC,
    path: Source,
    *,
    num_codebooks: int | None = None,
    normalize_db: float | None = None,
    progress: Progress | None = None,
) -> Packed:
    """Encode an audio file of any rate and channel count.

    Arguments
    ---------
    codec : DAC
        The codec.
    path : str, Path or binary file
        The audio.
    num_codebooks : int, optional
        Codebooks to use; all by default.
    normalize_db : float, optional
        Loudness to bring the audio to before encoding, in LUFS (upstream's
        command line: -16); undone when decoding. As it is by default.
    progress : callable, optional
        Called with the seconds done and the seconds in all.

    Returns
    -------
    Packed
        The codes, which stay small: an hour at 6 kbps is 4 MB in memory.

    Raises
    ------
    AudioError
        If the audio cannot be read, is empty, or holds NaN or infinite samples.
    ValueError
        If ``num_codebooks`` is out of range.
    """
    with AudioReader(path) as reader:
        header = describe(
            codec, reader, num_codebooks=num_codebooks, normalize_db=normalize_db
        )
        audio = AudioCodes(codec, reader, header, progress)
        codes = np.concatenate(list(audio.codes()), axis=-1)
        return Packed(header, codes, audio.num_samples)


def encode_file_to(
    codec: DAC,
    path: Source,
    output: Source,
    *,
    num_codebooks: int | None = None,
    normalize_db: float | None = None,
    resume: bool = True,
    progress: Progress | None = None,
) -> Header:
    """Encode an audio file into a packed file, in constant memory.

    A run that was killed goes on where it stopped when it is started again, and
    ends with the same bytes as one that was not killed.

    Arguments
    ---------
    codec : DAC
        The codec.
    path : str, Path or binary file
        The audio.
    output : str, Path or binary file
        Where to write. Files appear when they are complete; what an
        interrupted run has done waits beside them, under a hidden name.
    num_codebooks : int, optional
        Codebooks to use; all by default.
    normalize_db : float, optional
        Loudness to bring the audio to before encoding, in LUFS.
    resume : bool
        Whether to go on with what an interrupted run left.
    progress : callable, optional
        Called with the seconds done and the seconds in all.

    Returns
    -------
    Header
        The head of the file that was written.

    Raises
    ------
    AudioError
        If the audio cannot be read, is empty, or holds NaN or infinite samples.
    OSError
        If the output cannot be written.
    ValueError
        If ``num_codebooks`` is out of range.
    """
    with AudioReader(path) as reader:
        header = describe(
            codec, reader, num_codebooks=num_codebooks, normalize_db=normalize_db
        )
        with PackedWriter(output, header, resume=resume) as writer:
            audio = AudioCodes(codec, reader, header, progress)
            for codes in audio.codes(writer.num_frames):
                writer.write(codes)
            writer.finish(audio.num_samples)
    return header


def decode_file(
    codec: DAC,
    source: Packed | Source,
    output: str | os.PathLike,
    *,
    num_codebooks: int | None = None,
    start: float = 0.0,
    duration: float | None = None,
    sample_rate: int | None = None,
    subtype: str | None = None,
    partial: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Decode a packed file into an audio file, in constant memory.

    Arguments
    ---------
    codec : DAC
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
    progress : callable, optional
        Called with the seconds done and the seconds in all.

    Returns
    -------
    Path
        The output.

    Raises
    ------
    ContainerError
        If the file is damaged or unfinished, or another model made it.
    ValueError
        If ``num_codebooks`` or ``start`` is out of range, or a part of a file of
        the official package is wanted.
    OSError
        If the output cannot be written.
    """
    if not isinstance(source, Packed) and is_legacy(source):
        from dac_lobe.legacy_files import decode_legacy

        if start or duration is not None:
            raise ValueError(
                "files of the official package have no index to find a part by; "
                "decode all of it."
            )
        return decode_legacy(
            codec,
            source,
            output,
            num_codebooks=num_codebooks,
            sample_rate=sample_rate,
            subtype=subtype,
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
        rate = sample_rate or header.source_rate
        wanted = excerpt(content, rate, start, duration)
        total = (wanted.stop - wanted.start) / rate
        done = 0
        with AudioWriter(output, rate, header.channels, subtype) as writer:
            for wav in decoded_audio(codec, content, wanted, num_codebooks):
                writer.write(wav)
                done += wav.shape[1]
                if progress is not None:
                    progress(done / rate, total)
    return Path(output)
