"""The way from an audio file to codes: gain, sample rate, encoder.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch

from dac_lobe.audio import AudioReader
from dac_lobe.fingerprint import fingerprint
from dac_lobe.header import ContainerError, Header
from dac_lobe.loudness import gain_to, measure_loudness
from dac_lobe.resample import Resampler

if TYPE_CHECKING:
    from dac_lobe.dac import DAC

__all__ = ["AudioCodes", "Progress", "check_model", "describe", "model_name"]

# Called with the seconds done and the seconds in all.
Progress = Callable[[float, float], object]


def model_name(codec: DAC) -> str:
    """Name a codec for people: what it was loaded by, or what it is."""
    return getattr(codec, "source", None) or f"DAC at {codec.sample_rate} Hz"


def describe(
    codec: DAC,
    reader: AudioReader,
    *,
    num_codebooks: int | None = None,
    normalize_db: float | None = None,
) -> Header:
    """Describe what encoding an audio file with a codec will give.

    Arguments
    ---------
    codec : DAC
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
    """
    gain_db = 0.0
    if normalize_db is not None:
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


def check_model(codec: DAC, header: Header, name: str = "the file") -> None:
    """Raise a ContainerError that names both models if another one made the codes."""
    found = fingerprint(codec)
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
        codec: DAC,
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
        encoder = self.codec.streaming_encoder(self.header.num_codebooks)
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
