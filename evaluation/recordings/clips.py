"""The recordings under test: found in a folder or a manifest, read, and told apart.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import csv
import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.errors import MetricError
from evaluation.recordings.domain import guess_domain

__all__ = [
    "DOMAINS",
    "Clip",
    "find_clips",
    "read_clip",
    "read_wav",
    "recordings_in",
    "resample",
]

DOMAINS = ("speech", "music", "auto")
# Those of dac_lobe's command line; a test keeps them so.
SUFFIXES = frozenset(".aif .aiff .au .caf .flac .mp3 .ogg .opus .sph .w64 .wav".split())


@dataclass(frozen=True)
class Clip:
    """One recording.

    Attributes
    ----------
    name : str
        Path below the folder, without its suffix: the ``utterance`` of the tables.
    path : str
        Where it lies.
    sha256 : str
        Of the file's bytes; empty if it cannot be read.
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
    """

    name: str
    path: str
    sha256: str
    domain: str = "speech"
    domain_from: str = "option"
    speaker: str = ""
    transcript: str = ""
    language: str = ""


def find_clips(
    source: str | Path,
    domain: str = "auto",
    max_utterances: int | None = None,
    seed: int = 0,
) -> list[Clip]:
    """List the recordings of a folder or a manifest.

    A folder's ``manifest.csv`` is read when present; recordings that it does
    not list are taken too, unless they are hidden. Columns used, all but the
    first optional: ``path`` (relative to the manifest), ``domain``, ``speaker``,
    ``transcript``, ``language``.

    Arguments
    ---------
    source : str or Path
        A folder, searched in depth, or a manifest, whose rows are then all that
        is taken.
    domain : str
        'speech', 'music' or 'auto' for recordings whose manifest row has no
        ``domain``. 'auto' takes what has a transcript or a language for speech,
        what lies in a folder named music or speech for that, and listens to the
        rest (see `evaluation.recordings.domain`).
    max_utterances : int, optional
        Take at most this many, drawn by ``seed``.
    seed : int
        Of that draw.

    Returns
    -------
    list of Clip
        Sorted by name.

    Raises
    ------
    ValueError
        If nothing is found, or the manifest or an argument is unusable.
    """
    source = Path(source)
    if domain not in DOMAINS:
        raise ValueError(f"domain={domain!r}; choose from {', '.join(DOMAINS)}.")
    if max_utterances is not None and max_utterances < 1:
        raise ValueError(f"max_utterances={max_utterances}; 1 or more are needed.")
    if source.is_dir():
        folder, manifest = source, source / "manifest.csv"
        rows = _read_manifest(manifest) if manifest.is_file() else {}
        for name in recordings_in(folder):
            rows.setdefault(name.as_posix(), {})
    elif source.is_file():
        folder, rows = source.parent, _read_manifest(source)
    else:
        raise ValueError(
            f"{source} is neither a folder nor a manifest. Give a folder of "
            "recordings, or a CSV file with a column 'path'."
        )
    if not rows:
        raise ValueError(
            f"no recordings in {source}. Looked for {', '.join(sorted(SUFFIXES))}."
        )
    paths = sorted(rows)
    if max_utterances is not None and max_utterances < len(paths):
        paths = sorted(random.Random(seed).sample(paths, max_utterances))
    stems = [Path(path).with_suffix("").as_posix() for path in rows]
    clips = []
    for path in paths:
        row = rows[path]
        stem = Path(path).with_suffix("").as_posix()
        told, by = _domain(row, folder / path, domain)
        clips.append(
            Clip(
                name=stem if stems.count(stem) == 1 else path,
                path=str(folder / path),
                sha256=_sha256(folder / path),
                domain=told,
                domain_from=by,
                speaker=row.get("speaker") or "",
                transcript=row.get("transcript") or "",
                language=row.get("language") or "",
            )
        )
    return clips


def recordings_in(folder: str | Path) -> Iterator[Path]:
    """Yield the paths, relative and sorted, of audio files that are not hidden."""
    for path in sorted(Path(folder).rglob("*")):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in name.parts)
        if path.suffix.lower() in SUFFIXES and not hidden and path.is_file():
            yield name


def _read_manifest(path: Path) -> dict[str, dict[str, str]]:
    """Rows of a manifest by their path."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is not a CSV file in UTF-8: {error}.") from error
    if rows and "path" not in rows[0]:
        raise ValueError(
            f"{path} has columns {', '.join(map(str, rows[0]))}; 'path' is needed."
        )
    listed: dict[str, dict[str, str]] = {}
    for row in rows:
        if row["path"] in listed:
            raise ValueError(f"{path} lists {row['path']} twice. Remove one row.")
        if row.get("domain") and row["domain"] not in ("speech", "music"):
            raise ValueError(
                f"{path}: domain {row['domain']!r} of {row['path']}; "
                "'speech' or 'music' is needed."
            )
        listed[row["path"]] = row
    return listed


def _domain(row: dict[str, str], path: Path, default: str) -> tuple[str, str]:
    """Tell speech from music, and say by what it was told."""
    if row.get("domain"):
        return row["domain"], "manifest"
    if default != "auto":
        return default, "option"
    if row.get("transcript") or row.get("language"):
        return "speech", "transcript"
    words = "/".join(path.resolve().parent.parts[-2:]).lower()
    named = [word for word in ("music", "speech") if word in words]
    if len(named) == 1:
        return named[0], "name"
    try:
        return guess_domain(*read_wav(path)), "signal"
    except MetricError:
        return "speech", "nothing"  # unreadable: every row of it is a failure


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def read_wav(path: str | Path) -> tuple[np.ndarray, int]:
    """Read a recording as one channel.

    Arguments
    ---------
    path : str or Path
        Any file that libsndfile reads. Channels are averaged.

    Returns
    -------
    wav : np.ndarray
        Float32 samples of shape [T].
    sample_rate : int
        In Hz.

    Raises
    ------
    MetricError
        If it cannot be read, is empty, or holds NaN or infinite samples.
    """
    import soundfile

    try:
        wav, sample_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        if Path(path).is_file() and Path(path).stat().st_size == 0:
            raise MetricError("is an empty file (0 bytes)") from error
        raise MetricError(f"cannot be read: {_reason(error)}") from error
    if wav.shape[0] == 0:
        raise MetricError("holds no samples")
    if not np.isfinite(wav).all():
        raise MetricError("holds NaN or infinite samples")
    return wav.mean(axis=1), sample_rate


def read_clip(clip: Clip, sample_rate: int) -> np.ndarray:
    """Read a clip at ``sample_rate``, as float32 of shape [T].

    Raises
    ------
    MetricError
        As `read_wav`.
    """
    try:
        wav, original = read_wav(clip.path)
    except MetricError as error:
        raise MetricError(f"the recording {error}") from error
    return resample(wav, original, sample_rate)


def resample(wav: np.ndarray, old: int, new: int) -> np.ndarray:
    """Change the rate of ``wav`` [T] with soxr VHQ; the same array if none is needed."""
    if old == new:
        return wav
    import soxr

    return soxr.resample(wav, old, new, quality="VHQ")


def _reason(error: BaseException) -> str:
    """Say what is wrong in one line, without the path: a row names the recording."""
    said = getattr(error, "error_string", None) or getattr(error, "strerror", None)
    text = (said or str(error)).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")
