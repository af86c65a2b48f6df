"""From an audio file to codes, and into a packed file, in constant memory.

    any rate, C channels --gain, resample--> model rate --encode--> codes [C, K, F]

Channels are items of one batch and share one gain, so their balance stays. Only
one block of audio is in memory at a time, however long the file is.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np
import torch

from dac_lobe.audio import AudioReader, Source
from dac_lobe.audio.loudness import check_loudness, gain_to, measure_loudness
from dac_lobe.audio.resampling import Resampler
from dac_lobe.container import ContainerError, Header, Packed, PackedWriter
from dac_lobe.execution.streaming import StreamingEncoder
from dac_lobe.network.autoencoder import Autoencoder
from dac_lobe.network.names import codebooks_by_any_name
from dac_lobe.weights.fingerprint import fingerprint

__all__ = [
    "BLOCK_SECONDS",
    "AudioCodes",
    "Output",
    "Progress",
    "check_model",
    "describe",
    "encode_file",
    "encode_file_to",
    "model_name",
    "pack",
]

# Audio in a block. Each is computed with its context, a third of a second of which
# would be a sixth of the work at two seconds; engines cut it into less by themselves.
BLOCK_SECONDS = 10.0

# Called with the seconds done and the seconds in all.
Progress = Callable[[float, float], object]
Output = str | os.PathLike[str] | BinaryIO


def model_name(codec: Autoencoder) -> str:
    """Name a codec for people: what it was loaded by, or what it is."""
    return codec.source or f"DAC at {codec.sample_rate} Hz"


def describe(
    codec: Autoencoder,
    reader: AudioReader,
    *,
    num_codebooks: int | None = None,
    normalize_db: float | None = None,
) -> Header:
    """Describe what encoding an audio file with a codec will give.

    Arguments
    ---------
    codec : Autoencoder
        The codec.
    reader : AudioReader
        The audio. Read through once if its loudness matters.
    num_codebooks : int, optional
        Codebooks to use; all by default.
    normalize_db : float, optional
        Loudness to bring the audio to, in LUFS; as it is by default.

    Returns
    -------
    Header
        The head of the packed file.

    Raises
    ------
    ValueError
        If ``num_codebooks`` or ``normalize_db`` is out of range.
    """
    gain_db = 0.0
    if normalize_db is not None:
        check_loudness(normalize_db)
        loudness = measure_loudness(reader.blocks(), reader.sample_rate)
        gain_db = gain_to(loudness, normalize_db)
    return Header(
        model=model_name(codec),
        fingerprint=fingerprint(codec),
        sample_rate=codec.sample_rate,
        hop_length=codec.hop_length,
        codebook_size=codec.codebook_size,
        num_codebooks=codec.quantizer.check_n_quantizers(
            num_codebooks, "num_codebooks"
        ),
        channels=reader.channels,
        source_rate=reader.sample_rate,
        gain_db=gain_db,
        source_digest=reader.digest(),
    )


def check_model(codec: Autoencoder, header: Header, name: str = "the file") -> None:
    """Raise a ContainerError that names both models if another one made the codes."""
    found = fingerprint(codec, like=header.fingerprint)
    if header.fingerprint != found:
        raise ContainerError(
            f"{name} was encoded by {header.model!r} (fingerprint "
            f"{header.fingerprint[:12]}), but this model is {model_name(codec)!r} "
            f"({found[:12]}). Decode it with the model that made it."
        )


class AudioCodes:
    """The way from an audio file to its codes.

    Attributes
    ----------
    num_samples : int
        Samples that were read; the length of the file once all codes are out.
    """

    def __init__(
        self,
        codec: Autoencoder,
        reader: AudioReader,
        header: Header,
        progress: Progress | None,
    ):
        self.codec, self.reader, self.header = codec, reader, header
        self.progress = progress
        self.num_samples = 0

    def _audio(self) -> Iterator[np.ndarray]:
        """Yield the audio as the codec wants it, [C, n]."""
        rate = self.reader.sample_rate
        gain = np.float32(10 ** (self.header.gain_db / 20))
        resampler = Resampler(rate, self.codec.sample_rate, self.reader.channels)
        for block in self.reader.blocks():
            self.num_samples += block.shape[1]
            yield resampler.push(block * gain)
            if self.progress is not None:
                self.progress(self.num_samples / rate, self.reader.num_samples / rate)
        yield resampler.flush()

    def codes(self, start: int = 0) -> Iterator[np.ndarray]:
        """Yield the codes from frame ``start`` on, [C, K, n].

        What lies before is read and resampled all the same, which is cheap, so
        that the resampler is where it would have been.
        """
        encoder = StreamingEncoder(
            self.codec,
            self.header.num_codebooks,
            block_frames=max(1, round(BLOCK_SECONDS * self.codec.frame_rate)),
        )
        first, unwanted_samples = encoder.resume_at(start)
        unwanted_frames = start - first
        for audio in self._audio():
            wanted = audio[:, unwanted_samples:]
            unwanted_samples -= min(unwanted_samples, audio.shape[1])
            codes = encoder.push(torch.from_numpy(np.array(wanted))[:, None])
            yield _as_numpy(codes[..., unwanted_frames:])
            unwanted_frames -= min(unwanted_frames, codes.shape[-1])
        yield _as_numpy(encoder.flush()[..., unwanted_frames:])


def _as_numpy(codes: torch.Tensor) -> np.ndarray:
    return codes.cpu().numpy().astype(np.uint16)


@codebooks_by_any_name
def encode_file(
    codec: Autoencoder,
    path: Source,
    *,
    num_codebooks: int | None = None,
    normalize_db: float | None = None,
    strict: bool = False,
    progress: Progress | None = None,
) -> Packed:
    """Encode an audio file of any rate and channel count.

    Arguments
    ---------
    codec : Autoencoder
        The codec.
    path : Source
        The audio: a path, an open binary file, bytes, or (samples, rate); see
        `dac_lobe.audio.sources`.
    num_codebooks : int, optional
        Codebooks to use; all by default.
    normalize_db : float, optional
        Loudness to bring the audio to before encoding, in LUFS (upstream's
        command line: -16); undone when decoding. As it is by default.
    strict : bool
        Whether to refuse a file that promises more than it holds, which is otherwise
        a warning.
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
        If ``num_codebooks`` or ``normalize_db`` is out of range.
    """
    with AudioReader(path, strict=strict) as reader:
        header = describe(
            codec, reader, num_codebooks=num_codebooks, normalize_db=normalize_db
        )
        return pack(codec, reader, header, progress)


def pack(
    codec: Autoencoder,
    reader: AudioReader,
    header: Header,
    progress: Progress | None = None,
) -> Packed:
    """Encode what a reader reads, as a header says."""
    audio = AudioCodes(codec, reader, header, progress)
    codes = np.concatenate(list(audio.codes()), axis=-1)
    return Packed(header, codes, audio.num_samples)


def encode_file_to(
    codec: Autoencoder,
    path: Source,
    output: Output,
    *,
    num_codebooks: int | None = None,
    normalize_db: float | None = None,
    strict: bool = False,
    resume: bool = True,
    progress: Progress | None = None,
) -> Header:
    """Encode an audio file into a packed file, in constant memory.

    A run that was killed goes on where it stopped when it is started again, and
    ends with the same bytes as one that was not killed.

    Arguments
    ---------
    codec : Autoencoder
        The codec.
    path : Source
        The audio: a path, an open binary file, bytes, or (samples, rate); see
        `dac_lobe.audio.sources`.
    output : str, Path or binary file
        Where to write. Files appear when they are complete; what an
        interrupted run has done waits beside them, under a hidden name.
    num_codebooks : int, optional
        Codebooks to use; all by default.
    normalize_db : float, optional
        Loudness to bring the audio to before encoding, in LUFS.
    strict : bool
        Whether to refuse a file that promises more than it holds.
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
        If ``num_codebooks`` or ``normalize_db`` is out of range.
    """
    with AudioReader(path, strict=strict) as reader:
        header = describe(
            codec, reader, num_codebooks=num_codebooks, normalize_db=normalize_db
        )
        with PackedWriter(output, header, resume=resume) as writer:
            audio = AudioCodes(codec, reader, header, progress)
            for codes in audio.codes(writer.num_frames):
                writer.write(codes)
            writer.finish(audio.num_samples)
    return header
