"""The recordings of a listening test: sampled from those that were scored, if one hears them.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import logging
import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.errors import ArgumentError, MetricError
from evaluation.recordings.clips import Clip, read_clip
from evaluation.recordings.finding import find_clips
from evaluation.results.compare import Evaluation

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SHORTEST", "choose_clips"]

logger = logging.getLogger(__name__)

SHORTEST = 0.4  # seconds: the window of BS.1770, by which versions are matched


def choose_clips(
    evaluation: Evaluation,
    count: int,
    audio: str | Path | None,
    seed: int,
    seconds: float = 8.0,
) -> list[Clip]:
    """Draw recordings, of as many speakers as there are.

    Those that cannot be read, are silent or too short are left out, with a warning,
    and others drawn in their place.

    Arguments
    ---------
    evaluation : Evaluation
        The run.
    count : int
        How many.
    audio : str or Path, optional
        Where the recordings are now; by default where the run found them.
    seed : int
        Of the draw.
    seconds : float
        From the start of each: what must not be silent.

    Returns
    -------
    list of Clip
        With the same bytes as those that were scored.

    Raises
    ------
    ValueError
        If the recordings are not there, are others, or none can be heard.
    """
    were = evaluation.content.get("source", "")
    source = Path(audio or were)
    if audio is None and not (were and source.exists()):
        raise ArgumentError(
            f"the recordings of {evaluation.folder} are not where they were "
            f"({were or 'it does not say where'}). Say where with --audio."
        )
    table = evaluation.utterances.drop_duplicates("utterance").set_index("utterance")
    scored = {n: sha for n, sha in evaluation.content["clips"].items() if sha}
    root = evaluation.content.get("data_root")
    known = root if root and Path(root).is_dir() else None  # or it moved, too
    found = find_clips(source, "speech", data_root=known)
    there = {clip.name: clip for clip in found}
    lost = [name for name in scored if name not in there]
    others = [n for n in scored if n in there and there[n].sha256 != scored[n]]
    if lost or others:
        what = "is not there" if lost else "is another file"
        raise ArgumentError(
            f"{source}: {(lost or others)[0]!r} {what}. Give with --audio what the run "
            "was made of."
        )
    rate = evaluation.content["definitions"]["scoring"]["sample_rate"]
    chosen: list[Clip] = []
    unheard = [
        f"{n} cannot be read" for n in evaluation.content["clips"] if n not in scored
    ]
    for name in _in_turn(sorted(scored), table["speaker"], seed):
        if len(chosen) == count:
            break
        if why := _unheard(there[name], rate, seconds):
            unheard.append(f"{name} {why}")
            continue
        known = {key: table.loc[name, key] for key in ("domain", "speaker")}
        chosen.append(replace(there[name], **known))
    if not chosen:
        raise ValueError(
            f"no recording of {evaluation.folder} can be listened to: "
            f"{'; '.join(unheard)}. Evaluate others."
        )
    if unheard:
        logger.warning("left out of the listening test: %s.", "; ".join(unheard))
    return chosen


def _in_turn(names: list[str], speakers: pd.Series, seed: int) -> Sequence[str]:
    """Shuffle recordings, the first one of each speaker before all second ones."""
    random.Random(f"clips {seed}").shuffle(names)
    met: Counter[str] = Counter()
    turn = {}
    for name in names:
        speaker = speakers[name] or name
        turn[name] = met[speaker]
        met[speaker] += 1
    return sorted(names, key=turn.__getitem__)


def _unheard(clip: Clip, rate: int, seconds: float) -> str:
    """Say why a recording cannot be listened to; nothing if it can."""
    from dac_lobe import measure_loudness

    try:
        wav = read_clip(clip, rate)
    except MetricError as error:
        return f"({error})"
    if len(wav) < SHORTEST * rate:
        return f"is {len(wav) / rate:.2g} s long, and {SHORTEST} s are needed"
    excerpt = wav[None, : round(seconds * rate)]
    if not math.isfinite(measure_loudness([excerpt], rate).lufs):
        return f"is silent in its first {seconds:g} s"
    return ""
