"""Is this work done already? What lets a run over a folder be started again.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dac_lobe.audio import AudioError, AudioReader
from dac_lobe.audio_codes import describe
from dac_lobe.container import ContainerError, PackedReader
from dac_lobe.legacy import LegacyFile, is_legacy
from dac_lobe.resample import resampled_length

if TYPE_CHECKING:
    from dac_lobe.dac import DAC

__all__ = ["is_decoded", "is_encoded"]


def is_encoded(
    codec: DAC,
    source: Path,
    output: Path,
    *,
    num_codebooks: int | None = None,
    normalize_db: float | None = None,
) -> bool:
    """Say whether a packed file is what encoding an audio file would give.

    The model, the settings and the audio's own bytes must be those that the file
    was made with, and every block must be whole.

    Arguments
    ---------
    codec : DAC
        The codec.
    source : Path
        The audio file.
    output : Path
        The packed file, which need not exist.
    num_codebooks : int, optional
        Codebooks to use; all by default.
    normalize_db : float, optional
        Loudness to bring the audio to, in LUFS.

    Returns
    -------
    bool
        Whether there is nothing to do.

    Raises
    ------
    AudioError
        If there is a packed file but the audio cannot be read.
    """
    try:
        with PackedReader(output) as packed:
            with AudioReader(source) as audio:
                expected = describe(
                    codec,
                    audio,
                    num_codebooks=num_codebooks,
                    normalize_db=normalize_db,
                )
            if packed.header != expected:
                return False
            packed.verify()
    except (FileNotFoundError, ContainerError):
        return False
    return True


def is_decoded(source: Path, output: Path, *, sample_rate: int | None = None) -> bool:
    """Say whether an audio file is there that decoding a packed file would give.

    It must be newer than the packed file, and have its rate, channels and length.

    Arguments
    ---------
    source : Path
        The packed file.
    output : Path
        The audio file, which need not exist.
    sample_rate : int, optional
        Rate wanted, in Hz; that of the packed file's source by default.

    Returns
    -------
    bool
        Whether there is nothing to do.
    """
    try:
        if output.stat().st_mtime_ns < source.stat().st_mtime_ns:
            return False
        if is_legacy(source):
            file = LegacyFile.load(source)
            samples, given, channels = (
                file.original_length,
                file.sample_rate,
                file.channels,
            )
        else:
            with PackedReader(source) as packed:
                samples, given = packed.num_samples, packed.header.source_rate
                channels = packed.header.channels
        rate = sample_rate or given
        wanted = (rate, channels, resampled_length(samples, given, rate))
        with AudioReader(output) as audio:
            return wanted == (audio.sample_rate, audio.channels, audio.num_samples)
    except (FileNotFoundError, ContainerError, AudioError):
        return False
