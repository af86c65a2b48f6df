"""What audio may come from, and how each is opened: one place for all readers.

    path, os.PathLike          a file of libsndfile, or of PyAV where it is installed
    open binary file, bytes    the same
    (array, rate) and kin      samples in memory; see `dac_lobe.audio.arrays`

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import io
import os
from contextlib import ExitStack
from typing import Any, BinaryIO, Protocol, cast

import numpy as np
import soundfile

from dac_lobe.audio.arrays import ArraySound, as_recording
from dac_lobe.audio.media import MediaSound, has_decoder
from dac_lobe.disk import inputs

__all__ = ["AudioError", "Sound", "Source", "identity_of", "name_of", "open_sound"]

Source = str | os.PathLike[str] | BinaryIO | bytes | tuple[Any, int] | dict[str, Any]

_FFMPEG = "ffmpeg -i {name} -c:a pcm_s16le converted.wav"


class AudioError(ValueError):
    """Audio that cannot be read, or holds what no codec can code."""


class Sound(Protocol):
    """What is read from, in the words of soundfile."""

    samplerate: int
    channels: int
    frames: int
    format: str

    def seek(self, position: int) -> int:
        """Go on at a sample."""

    def read(self, size: int, **options: Any) -> np.ndarray:
        """Return the next samples, float32 [n, C]; none at the end."""

    def close(self) -> None:
        """Give back what is held."""


def name_of(source: Source) -> str:
    """Name a source in messages."""
    if isinstance(source, dict) and isinstance(source.get("path"), str):
        return source["path"]
    return inputs.name_of(source, "the audio on the input")


def open_sound(given: Source, closing: ExitStack) -> tuple[Sound, BinaryIO | None]:
    """Open whatever audio may come from.

    Arguments
    ---------
    given : Source
        See `Source`.
    closing : ExitStack
        Closes what was opened here.

    Returns
    -------
    tuple of Sound, binary file or None
        What to read samples from; and the file behind it, if there is one.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    AudioError
        If it is nothing that audio comes from.
    """
    name, source = name_of(given), cast(Any, given)
    if isinstance(source, dict) and "array" not in source:
        # datasets, not decoded: the content, or else where it is.
        source = source.get("bytes") or source.get("path") or source
    if isinstance(source, (bytes, bytearray, memoryview)):
        source = io.BytesIO(source)
    if isinstance(source, (str, os.PathLike)):
        source = closing.enter_context(inputs.open_input(source))
    if not hasattr(source, "read") or hasattr(source, "get_all_samples"):
        try:
            recording = as_recording(source)
        except ValueError as error:
            raise AudioError(str(error)) from error
        if recording is None:
            raise AudioError(
                f"{type(source).__name__} is nothing that audio comes from. Give a path, "
                "an open binary file, bytes, or (samples, rate)."
            )
        return recording, None
    if isinstance(source, io.TextIOBase):
        raise AudioError(f"{name} is open as text. Open it in binary mode, 'rb'.")
    if not source.seekable():
        source = io.BytesIO(source.read())  # headers point back and forth
    if source.seek(0, 2) == 0:
        raise AudioError(f"{name} is an empty file (0 bytes), not audio.")
    source.seek(0)
    try:
        # By descriptor where there is one: libsndfile then looks at the content,
        # whatever the name ends in (one in '.raw' would be taken for headerless).
        if (on_disk := _on_disk(source)) is not None:
            source = on_disk
            sound: Sound = soundfile.SoundFile(source.fileno(), closefd=False)
        else:
            sound = soundfile.SoundFile(_Nameless(source))
    except soundfile.LibsndfileError as error:
        sound = _by_media(source, name, error)
    closing.callback(sound.close)
    return sound, source


class _Nameless:
    """A file without its name, from which soundfile would conclude its format."""

    def __init__(self, file: BinaryIO):
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def _on_disk(file: Any) -> io.FileIO | None:
    """Return a file without its buffer, if its descriptor gives its own bytes.

    gzip's does not. A buffer would not notice that libsndfile moves the descriptor.
    """
    file = getattr(file, "file", file)  # tempfile's wrapper
    raw = getattr(file, "raw", file)
    return raw if isinstance(raw, io.FileIO) else None


def _by_media(file: BinaryIO, name: str, error: soundfile.LibsndfileError) -> Sound:
    """Open what libsndfile does not know, or say what would."""
    if MediaSound.looks_like_media(file):
        if has_decoder():
            try:
                return MediaSound(file)
            except ValueError as failure:
                raise AudioError(f"{name} cannot be decoded: {failure}.") from failure
        raise AudioError(
            f"{name} is a container that needs PyAV: pip install 'dac-lobe[media]', or "
            f"convert it: {_FFMPEG.format(name=name)}"
        ) from error
    raise AudioError(
        f"{name} is not audio that can be read ({error.error_string.rstrip('.')}). "
        "Give wav, flac, ogg, mp3 or aiff."
    ) from error


def identity_of(sound: Sound, file: BinaryIO | None) -> str:
    """Compute the identity of the audio: 32 hex digits of a SHA-256."""
    if isinstance(sound, ArraySound) or file is None:
        return cast(ArraySound, sound).digest()[:32]
    return inputs.digest_of(file)
