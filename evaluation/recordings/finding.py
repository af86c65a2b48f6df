"""The recordings under test: found in a folder or a manifest, read, and told apart.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import logging
import os
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.errors import MetricError
from evaluation.recordings.clips import Clip, read_wav
from evaluation.recordings.domain import guess_domain
from evaluation.recordings.memory import in_memory

if TYPE_CHECKING:
    from dac_lobe.data import Item
    from evaluation.recordings.memory import Recordings

__all__ = ["DOMAINS", "files_left_out", "find_clips", "recordings_in"]

logger = logging.getLogger(__name__)

DOMAINS = ("speech", "music", "auto")
SAID = 3  # groups of copies that a warning names
# Between the words of a name: 'my-music_2', 'LibriSpeech', 'FMAMusic'.
_BREAKS = re.compile(r"[\W\d_]+|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def find_clips(
    source: Recordings,
    domain: str = "auto",
    max_utterances: int | None = None,
    seed: int = 0,
    *,
    data_root: str | Path | None = None,
    strict: bool = False,
) -> list[Clip]:
    """List the recordings of a folder or a manifest, or take those that are given.

    A folder's ``manifest.csv`` is read when present; recordings that it does
    not list are taken too, unless they are hidden. A manifest has one of the forms
    of `dac_lobe.data.read_manifest`. Columns used, all of them optional: ``domain``,
    ``speaker`` (or ``spk_id``), ``transcript`` (or ``wrd``), ``language``.

    Recordings with the same bytes are one observation under several names: there is
    a warning, and they get one speaker, so that intervals and tests draw them together.

    Arguments
    ---------
    source : Recordings
        A folder, searched in depth; a manifest, whose rows are then all that is
        taken; an audio file; or audio in memory, see `evaluation.recordings.memory`.
    domain : str
        'speech', 'music' or 'auto' for recordings whose manifest row has no
        ``domain``. 'auto' takes what has a transcript or a language for speech,
        what lies in a folder whose name has the word music or speech for that, and
        listens to the rest (see `evaluation.recordings.domain`).
    max_utterances : int, optional
        Take at most this many, drawn by ``seed``.
    seed : int
        Of that draw.
    data_root : str or Path, optional
        What ``$data_root`` stands for in a manifest; its folder by default.
    strict : bool
        Whether to refuse files whose headers promise more than they hold, which
        are otherwise a warning.

    Returns
    -------
    list of Clip
        Sorted by path, or in the order in which they were given.

    Raises
    ------
    ValueError
        If nothing is found, a file's name is not text in UTF-8, or the manifest or an
        argument is unusable.
    AudioError
        If audio in memory is none, or ``strict`` finds files that are cut off.
    """
    from dac_lobe.audio import readable_suffixes
    from dac_lobe.data import check_names, compare_headers

    if domain not in DOMAINS:
        raise ValueError(f"domain={domain!r}; choose from {', '.join(DOMAINS)}.")
    if max_utterances is not None and max_utterances < 1:
        raise ValueError(f"max_utterances={max_utterances}; 1 or more are needed.")
    found: Sequence[Item | Clip]
    if isinstance(source, (str, os.PathLike)):
        listed = _listed(Path(source), data_root)
        listed.sort(key=lambda item: item.fields.get("path", item.id))
        found = listed
    else:
        found = list(in_memory(source))
    if not found:
        place = source if isinstance(source, (str, os.PathLike)) else "what was given"
        raise ValueError(
            f"no recordings in {place}. Looked for {', '.join(sorted(readable_suffixes()))}."
        )
    if max_utterances is not None and max_utterances < len(found):
        drawn = random.Random(seed).sample(range(len(found)), max_utterances)
        found = [found[number] for number in sorted(drawn)]
    on_disk = [item for item in found if not isinstance(item, Clip)]
    check_names(on_disk)
    compare_headers(on_disk, strict=strict)
    return _copies_together(
        [
            _told(item, {}, domain)
            if isinstance(item, Clip)
            else _told(_clip(item), item.fields, domain, item.where)
            for item in found
        ]
    )


def _copies_together(clips: list[Clip]) -> list[Clip]:
    """Give recordings with the same bytes one speaker, and warn."""
    by_content: dict[str, list[Clip]] = {}
    for clip in clips:
        if clip.sha256:
            by_content.setdefault(clip.sha256, []).append(clip)
    copies = {key: same for key, same in by_content.items() if len(same) > 1}
    if not copies:
        return clips
    said = [" = ".join(clip.name for clip in same) for same in copies.values()]
    more = f"; {len(said) - SAID} more" if len(said) > SAID else ""
    logger.warning(
        "recordings with the same bytes count as one speaker: %s%s. Remove the copies, "
        "unless they are meant to weigh more in the means.",
        "; ".join(said[:SAID]),
        more,
    )
    speakers = {
        key: next((clip.speaker for clip in same if clip.speaker), same[0].name)
        for key, same in copies.items()
    }
    return [
        replace(clip, speaker=speakers.get(clip.sha256, clip.speaker)) for clip in clips
    ]


def recordings_in(folder: str | Path) -> Iterator[Path]:
    """Yield the paths, relative and sorted, of audio files that are not hidden."""
    from dac_lobe.audio import readable_suffixes, visible_files

    suffixes = readable_suffixes()
    for path in visible_files(Path(folder)):
        if path.suffix.lower() in suffixes:
            yield path.relative_to(folder)


def files_left_out(source: Recordings) -> str:
    """Count what a folder holds beside recordings and its manifest; '' if nothing."""
    from dac_lobe.audio import left_out, readable_suffixes, visible_files

    if not isinstance(source, (str, os.PathLike)) or not Path(source).is_dir():
        return ""
    if (Path(source) / "wav.scp").is_file():
        return ""
    taken, manifest = readable_suffixes(), Path(source) / "manifest.csv"
    others = [
        path
        for path in visible_files(Path(source))
        if path.suffix.lower() not in taken and path != manifest
    ]
    return left_out(others) if others else ""


def _listed(source: Path, data_root: str | Path | None) -> list[Item]:
    """Items of a manifest, of an audio file, or of a folder and its manifest.csv."""
    from dac_lobe.audio import readable_suffixes
    from dac_lobe.data import Item, read_manifest

    if source.is_dir() and not (source / "wav.scp").is_file():  # Kaldi's
        manifest = source / "manifest.csv"
        items = read_manifest(manifest, data_root) if manifest.is_file() else []
        known = {os.path.realpath(item.wav) for item in items}
        names = [
            name
            for name in recordings_in(source)
            if os.path.realpath(source / name) not in known
        ]
        taken = Counter(name.with_suffix("").as_posix() for name in names)
        taken.update(item.id for item in items)
        for name in names:
            path, stem = name.as_posix(), name.with_suffix("").as_posix()
            unique = stem if taken[stem] == 1 else path
            items.append(Item(unique, str(source / name), 0.0, {"path": path}))
        return items
    if source.is_file() and source.suffix.lower() in readable_suffixes():
        return [Item(source.stem, str(source), 0.0)]
    if not source.exists():
        raise ValueError(
            f"{source} is neither a folder nor a manifest. Give a folder of "
            "recordings, or a CSV file with a column 'path'."
        )
    return read_manifest(source, data_root)


def _clip(item: Item) -> Clip:
    """Make a clip of an item, and hash what it is made of."""
    fields = item.fields
    digest = _sha256(item.wav)
    if digest and item.segment is not None:
        digest = hashlib.sha256(f"{digest} {item.segment}".encode()).hexdigest()
    return Clip(
        name=item.id,
        path=item.wav,
        sha256=digest,
        speaker=fields.get("speaker") or fields.get("spk_id") or "",
        transcript=fields.get("transcript") or fields.get("wrd") or "",
        language=fields.get("language") or "",
        segment=item.segment,
    )


def _told(clip: Clip, fields: Mapping[str, str], domain: str, where: str = "") -> Clip:
    """Tell speech from music, and say by what it was told."""
    given = fields.get("domain")
    if given and given not in ("speech", "music"):
        raise ValueError(
            f"{where}: domain {given!r} of {clip.name}; 'speech' or 'music' is needed."
        )
    if given:
        told, by = given, "manifest"
    elif domain != "auto":
        told, by = domain, "option"
    elif clip.transcript or clip.language:
        told, by = "speech", "transcript"
    else:
        told, by = _heard(clip)
    return replace(clip, domain=told, domain_from=by)


def _heard(clip: Clip) -> tuple[str, str]:
    """Tell by the folder, or else by the signal."""
    if clip.path:
        folders = Path(clip.path).resolve().parent.parts[-2:]
        words = {word.lower() for name in folders for word in _BREAKS.split(name)}
        named = [word for word in ("music", "speech") if word in words]
        if len(named) == 1:
            return named[0], "name"
    try:
        return guess_domain(*read_wav(clip)), "signal"
    except MetricError:
        return "speech", "nothing"  # unreadable: every row of it is a failure


def _sha256(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
