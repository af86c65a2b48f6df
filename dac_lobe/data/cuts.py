"""Cut manifests of Lhotse, .jsonl and .jsonl.gz, read by Lhotse itself.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dac_lobe.audio import Segment
from dac_lobe.data.item import Item
from dac_lobe.data.parts import check_segment
from dac_lobe.data.places import locate

__all__ = ["cuts", "is_cuts"]


def is_cuts(path: Path) -> bool:
    """Tell by its name whether a file holds cuts."""
    return path.name.lower().endswith((".jsonl", ".jsonl.gz"))


def cuts(path: Path, root: str) -> Iterator[Item]:
    """Yield the cuts of a manifest.

    Arguments
    ---------
    path : Path
        The manifest.
    root : str
        What ``$data_root`` in a path stands for.

    Yields
    ------
    Item
        With ``wrd`` of its supervisions, and their ``spk_id`` if it is the same.

    Raises
    ------
    ModuleNotFoundError
        If Lhotse is not installed.
    ValueError
        If the file holds no cuts, or one is not a stretch of a file as it is.
    """
    if importlib.util.find_spec("lhotse") is None:
        raise ModuleNotFoundError(
            f"{path} is a manifest of Lhotse: pip install 'dac-lobe[lhotse]', or give "
            "a CSV with start and stop."
        )
    from lhotse import MonoCut
    from lhotse.serialization import load_jsonl

    try:
        rows = list(load_jsonl(path))
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path} is not JSON lines: {error}") from error
    for number, row in enumerate(rows, start=1):
        where = f"{path}, line {number}"
        if not isinstance(row, dict) or row.get("type") not in ("MonoCut", "MultiCut"):
            kind = row.get("type") if isinstance(row, dict) else type(row).__name__
            raise ValueError(
                f"{where}: {kind!r} is no MonoCut. Give a manifest of cuts."
            )
        try:
            cut = MonoCut.from_dict({k: v for k, v in row.items() if k != "type"})
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{where} is no cut of Lhotse: {error!r}.") from error
        sources = cut.recording.sources if cut.recording else []
        if len(sources) != 1 or sources[0].type != "file":
            raise ValueError(
                f"{where}: the cut {cut.id!r} has no recording in one file. Save the "
                "cuts with their recordings, as files."
            )
        _check_plain(cut, where)
        said = sorted(cut.supervisions, key=lambda part: part.start)
        speakers = {part.speaker for part in said if part.speaker}
        fields = {
            "wrd": " ".join(part.text for part in said if part.text),
            "spk_id": speakers.pop() if len(speakers) == 1 else "",
        }
        start, duration = float(cut.start), float(cut.duration)
        segment = Segment(start, start + duration, seconds=True)
        check_segment(segment, where)
        wav = locate(str(sources[0].source), path.parent, root)
        known = {key: value for key, value in fields.items() if value}
        yield Item(cut.id, wav, duration, known, segment, where)


def _check_plain(cut: Any, where: str) -> None:
    """Refuse a cut that Lhotse would change on reading: here, files are read."""
    taken = cut.channel if isinstance(cut.channel, list) else [cut.channel]
    there = cut.recording.sources[0].channels
    changes = [
        change["name"] if isinstance(change, dict) else type(change).__name__
        for change in cut.recording.transforms or []
    ]
    odd = [name for name in changes if name != "Resample"]
    if sorted(taken) != sorted(there):
        odd.append(f"channels {taken} of {there}")
    if odd:
        raise ValueError(
            f"{where}: the cut {cut.id!r} is not its file as it is ({', '.join(odd)}). "
            "Write the cuts into files first: cuts.save_audios(FOLDER)."
        )
