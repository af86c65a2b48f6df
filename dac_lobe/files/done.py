"""What is done already, and what an output may replace.

What lets a run over a folder be started again, and keeps it from replacing what it
did not make.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dac_lobe.audio import AudioReader, Source
from dac_lobe.audio.writer import commentable, kind_of, sealable
from dac_lobe.container import ContainerError, PackedReader
from dac_lobe.container.header import MAGIC
from dac_lobe.container.official import is_official
from dac_lobe.files.encoding import describe
from dac_lobe.files.record import Record, find_record
from dac_lobe.network.autoencoder import Autoencoder
from dac_lobe.weights.fingerprint import fingerprint

__all__ = ["check_replaceable", "is_decoded", "is_encoded", "is_packed"]


def is_encoded(
    codec: Autoencoder,
    source: Source,
    output: Path,
    *,
    num_codebooks: int | None = None,
    normalize_db: float | None = None,
    strict: bool = False,
) -> bool:
    """Say whether a packed file is what encoding an audio file would give.

    The model, the settings and the audio's own bytes must be those that the file
    was made with, and every block must be whole.

    Arguments
    ---------
    codec : Autoencoder
        The codec.
    source : Source
        The audio; see `dac_lobe.audio.sources`.
    output : Path
        The packed file, which need not exist.
    num_codebooks : int, optional
        Codebooks to use; all by default.
    normalize_db : float, optional
        Loudness to bring the audio to, in LUFS.
    strict : bool
        Whether audio that promises more than it holds is an error.

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
            with AudioReader(source, strict=strict) as audio:
                expected = describe(
                    codec,
                    audio,
                    num_codebooks=num_codebooks,
                    normalize_db=normalize_db,
                )
            known = fingerprint(codec, like=packed.header.fingerprint)
            if packed.header != replace(expected, fingerprint=known):
                return False
            packed.verify()
    except (FileNotFoundError, ContainerError):
        return False
    return True


def is_decoded(record: Record, output: Path) -> bool:
    """Say whether an audio file is there that decoding would give, unchanged since.

    Arguments
    ---------
    record : Record
        What decoding would be made of; see `record_of`.
    output : Path
        The audio file, which need not exist.

    Returns
    -------
    bool
        Whether there is nothing to do.

    Raises
    ------
    ValueError
        If a file is there that was not decoded by dac-lobe or was changed since, or of
        which its format cannot say so.
    """
    found = find_record(output)
    sealed = sealable(output)
    if found is not None and found.record == record and (found.intact or not sealed):
        return True
    other = f"is of a format ({kind_of(output)}) that cannot"
    if found is None and commentable(output):
        check_replaceable(output, "is not a file that dac-lobe decoded")
    elif found is None:
        check_replaceable(output, f"{other} say what made it")
    elif not found.intact and sealed:
        check_replaceable(output, "is not as dac-lobe left it")
    elif not found.intact:
        check_replaceable(output, f"{other} show whether it was changed since")
    return False


def is_packed(path: Path) -> bool:
    """Say whether a file begins like a packed file, whole or not, of either format.

    Arguments
    ---------
    path : Path
        The file, which need not exist.

    Returns
    -------
    bool
        Whether it does.
    """
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC or is_official(file)
    except (FileNotFoundError, NotADirectoryError):
        return False


def check_replaceable(output: Path, why: str) -> None:
    """Raise if something is in the place of an output that is not an old output.

    Arguments
    ---------
    output : Path
        What is to be written. Nothing, or an empty file, may be there.
    why : str
        What speaks against replacing what is there, for the message.

    Raises
    ------
    ValueError
        If a file with content is there.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     check_replaceable(Path(folder) / "talk.wav", "is not what is decoded")
    """
    if output.is_file() and output.stat().st_size:
        raise ValueError(
            f"{output} is there already and {why}. Choose another place with -o, or "
            "replace it with --overwrite."
        )
