"""One recording under test: where it is, what is known of it, and its samples.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from evaluation.errors import MetricError

if TYPE_CHECKING:
    from dac_lobe.audio import Segment

__all__ = ["Clip", "check_rate", "commonest_rate", "read_clip", "read_wav", "resample"]

LOWEST_RATE, HIGHEST_RATE = 1000, 192000  # Hz


@dataclass(frozen=True)
class Clip:
    """One recording.

    Attributes
    ----------
    name : str
        The ``utterance`` of the tables: its id, or its path below the folder,
        without the suffix.
    path : str
        Where it lies; empty if it is in memory.
    sha256 : str
        Of the file's bytes, or of the samples; for a part, of these and where it
        lies. Empty if it cannot be read.
    domain : str
        'speech' or 'music'.
    domain_from : str
        What told so: 'manifest', 'option', 'transcript', 'name' or 'signal'.
    speaker : str
        Clusters the intervals; empty if unknown.
    transcript : str
        Reference text for word error rates; empty if unknown.
    language : str
        What is spoken, as 'en'; empty if unknown.
    segment : Segment, optional
        The part of the file that it is; all of it by default.
    audio : tuple of np.ndarray and int, optional
        Samples [T] and their rate, where there is no file.
    """

    name: str
    path: str
    sha256: str
    domain: str = "speech"
    domain_from: str = "option"
    speaker: str = ""
    transcript: str = ""
    language: str = ""
    segment: Segment | None = None
    audio: tuple[np.ndarray, int] | None = field(
        default=None, repr=False, compare=False
    )


def read_wav(clip: Clip) -> tuple[np.ndarray, int]:
    """Read a recording as one channel.

    Arguments
    ---------
    clip : Clip
        Any audio that dac_lobe reads. Channels are averaged.

    Returns
    -------
    wav : np.ndarray
        Float32 samples of shape [T], the caller's own.
    sample_rate : int
        In Hz.

    Raises
    ------
    MetricError
        If it cannot be read, is empty, or holds NaN or infinite samples.
    """
    if clip.audio is not None:
        held, rate = clip.audio
        return held.copy(), rate
    from dac_lobe.audio import AudioError, AudioReader

    try:
        # What is cut off has been said when the clips were found.
        with AudioReader(clip.path, clip.segment, strict=None) as reader:
            wav = np.concatenate(list(reader.blocks()), axis=1)
            return wav.mean(axis=0), reader.sample_rate
    except AudioError as error:
        # Without the path: a row names the recording.
        said = " ".join(str(error).replace(clip.path, "").split()).rstrip(".")
        said = f"lacks a part{said}" if said.startswith(":") else said
        raise MetricError(said) from error
    except FileNotFoundError as error:
        raise MetricError("cannot be read: no such file") from error
    except OSError as error:
        raise MetricError(f"cannot be read: {error.strerror or error}") from error


def read_clip(clip: Clip, sample_rate: int) -> np.ndarray:
    """Read a clip at ``sample_rate``, as float32 of shape [T].

    Raises
    ------
    MetricError
        As `read_wav`.
    """
    try:
        wav, original = read_wav(clip)
    except MetricError as error:
        raise MetricError(f"the recording {error}") from error
    return resample(wav, original, sample_rate)


def commonest_rate(clips: Iterable[Clip]) -> int | None:
    """Say at what rate most recordings are, by their headers.

    Arguments
    ---------
    clips : iterable of Clip
        Those that cannot be opened do not count.

    Returns
    -------
    int or None
        In Hz, the highest of several; None if none can be told.

    Example
    -------
    >>> clips = [Clip("a", "", "", audio=(np.zeros(8), rate)) for rate in (8000, 44100)]
    >>> commonest_rate(clips), commonest_rate([])
    (44100, None)
    """
    rates = Counter(filter(None, map(_rate, clips)))
    return max(rates, key=lambda rate: (rates[rate], rate), default=None)


def _rate(clip: Clip) -> int:
    """Read the rate of a recording; 0 if that cannot be done, or not resampled to."""
    from dac_lobe.audio import AudioError, AudioReader

    try:
        with AudioReader(clip.audio or clip.path, clip.segment, strict=None) as reader:
            rate = reader.sample_rate
    except (AudioError, OSError):  # its rows will say so
        return 0
    return rate if LOWEST_RATE <= rate <= HIGHEST_RATE else 0


def check_rate(what: str, rate: int) -> None:
    """Refuse a rate that audio is not resampled to.

    Arguments
    ---------
    what : str
        What stands before the rate in the message.
    rate : int
        In Hz.

    Raises
    ------
    ValueError
        If it is not from 1000 to 192000.

    Example
    -------
    >>> check_rate("resample:", 999999)
    Traceback (most recent call last):
    ValueError: resample:999999 Hz; 1000 to 192000 are needed.
    """
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise ValueError(
            f"{what}{rate} Hz; {LOWEST_RATE} to {HIGHEST_RATE} are needed."
        )


def resample(wav: np.ndarray, old: int, new: int) -> np.ndarray:
    """Change the rate of ``wav`` [T] with soxr VHQ; the same array if none is needed."""
    if old == new:
        return wav
    import soxr

    return soxr.resample(wav, old, new, quality="VHQ")
