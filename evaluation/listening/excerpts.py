"""What an evaluation scored, made audible again: the same codecs on the same files.

A run keeps scores and codes, not audio. Codecs are made from their descriptions
and must have the fingerprints that were scored, recordings the same bytes: so what
is heard is what was measured.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.errors import ArgumentError
from evaluation.recordings.clips import Clip, read_clip
from evaluation.results.compare import Evaluation
from evaluation.results.conditions import Condition, is_control
from evaluation.running.codes import codes_file, encode
from evaluation.systems import Point, System, make_system

__all__ = ["REFERENCE", "choose_conditions", "decode"]

REFERENCE = Condition("reference", None, "")


@dataclass(frozen=True)
class _Row:
    condition: Condition
    kbps: float | None
    control: bool


def _rows(evaluation: Evaluation) -> list[_Row]:
    systems = evaluation.content["systems"]
    return [
        _Row(
            Condition.of(row),
            row["kbps"],
            is_control(row["system"], systems[row["system"]]),
        )
        for row in evaluation.content["summary"]
    ]


def choose_conditions(
    evaluation: Evaluation, wanted: Sequence[str], most: int
) -> list[Condition]:
    """Choose what is listened to.

    Arguments
    ---------
    evaluation : Evaluation
        The run.
    wanted : sequence of str
        ``NAME`` for a system at all its rates, ``NAME@4/12`` or ``NAME@c=1`` for
        some, ``reference`` for the recording. Empty: the first system at its
        lowest, middle and highest rate, and each other codec at the rate nearest
        to its highest.
    most : int
        Conditions that fit beside the recording.

    Returns
    -------
    list of Condition
        In the order of the run.

    Raises
    ------
    ValueError
        If one does not exist, or they are too many.
    """
    rows = _rows(evaluation)
    chosen = _named(rows, wanted) if wanted else _default(rows)
    beside = len([one for one in chosen if one != REFERENCE])
    if beside > most:
        raise ArgumentError(
            f"{beside} conditions; {most} are the most for one trial. Choose with "
            f"--systems, like {_spelled(rows[-1].condition)}."
        )
    return chosen


def _spelled(condition: Condition) -> str:
    codebooks = condition.num_codebooks
    point = condition.setting if codebooks is None else str(codebooks)
    return f"{condition.system}@{point}".rstrip("@")


def _named(rows: list[_Row], wanted: Sequence[str]) -> list[Condition]:
    chosen: list[Condition] = []
    for text in wanted:
        name, _, points = text.partition("@")
        if name == REFERENCE.system and not points:
            chosen.append(REFERENCE)
            continue
        own = [row.condition for row in rows if row.condition.system == name]
        for point in points.split("/") if points else [""]:
            spelled = f"{name}@{point.removeprefix('K=')}"
            found = [one for one in own if not point or _spelled(one) == spelled]
            if not found:
                there = ", ".join(_spelled(row.condition) for row in rows)
                raise ArgumentError(
                    f"--systems {text}: the run has {there}, and reference."
                )
            chosen += found
    return list(dict.fromkeys(chosen))


def _default(rows: list[_Row]) -> list[Condition]:
    codecs = [row for row in rows if not row.control]
    if not codecs:
        raise ArgumentError("the run has no codec. Choose with --systems.")
    first = [
        row for row in codecs if row.condition.system == codecs[0].condition.system
    ]
    places = sorted({0, (len(first) - 1) // 2, len(first) - 1})
    chosen, top = [first[place].condition for place in places], first[-1].kbps
    for name in dict.fromkeys(row.condition.system for row in codecs[len(first) :]):
        own = [row for row in codecs if row.condition.system == name]
        if top and all(row.kbps for row in own):
            own.sort(key=lambda row: abs(math.log(row.kbps / top)))  # type: ignore[operator]
        chosen.append(own[0].condition)
    return chosen


def decode(
    evaluation: Evaluation,
    clips: Sequence[Clip],
    conditions: Sequence[Condition],
    seconds: float,
) -> list[list[np.ndarray]]:
    """Decode clips under conditions.

    Arguments
    ---------
    evaluation : Evaluation
        The run.
    clips : sequence of Clip
        From `evaluation.listening.sampling.choose_clips`.
    conditions : sequence of Condition
        From `choose_conditions`.
    seconds : float
        How much to keep, from the start of each clip.

    Returns
    -------
    list of list of np.ndarray
        For each clip the recording, shape [T] at the scoring rate, and then each
        condition in the same shape, the system's delay taken out.

    Raises
    ------
    ValueError
        If a codec is not the one that was scored.
    """
    rate = evaluation.content["definitions"]["scoring"]["sample_rate"]
    # A run of an earlier version does not say where its cache is.
    cache = evaluation.folder / evaluation.content.get("cache", "cache")
    systems = {
        one.system: _remake(evaluation, one.system)
        for one in conditions
        if one != REFERENCE
    }
    found = []
    for clip in clips:
        wav = read_clip(clip, rate)
        length = min(len(wav), round(seconds * rate))
        coded: dict[str, Any] = {}
        takes = {REFERENCE: wav[:length].copy()}
        for one in conditions:
            if one == REFERENCE:
                continue
            system = systems[one.system]
            about = evaluation.content["systems"][one.system]
            if one.system not in coded:
                kept = codes_file(cache, system, about["fingerprint"], clip, rate)
                # Where the cache is gone none is made: it may be far from here.
                there = kept if cache.is_dir() else None
                coded[one.system] = encode(system, clip, wav, rate, there)
            point = Point(one.num_codebooks, one.setting)
            output = system.reconstruct(coded[one.system], point, len(wav), rate)
            takes[one] = _aligned(output, about["delay_samples"], length)
        found.append([takes[one] for one in (REFERENCE, *conditions)])
    return found


def _remake(evaluation: Evaluation, name: str) -> System:
    about = evaluation.content["systems"][name]
    if not about.get("description"):
        raise ArgumentError(
            f"{evaluation.folder} does not say what {name} was made from. Evaluate again "
            "with this version and a description; what is scored is not scored again."
        )
    system = make_system(about["description"], about.get("device", "cpu"))
    system.load()
    if system.fingerprint() != about["fingerprint"]:
        raise ArgumentError(
            f"{about['description']} is not the {name} that {evaluation.folder} scored: "
            "other weights, versions or device. Evaluate again."
        )
    return system


def _aligned(wav: np.ndarray, delay: int, length: int) -> np.ndarray:
    """Take a delay out, positive if late, and keep the start."""
    wav = np.pad(wav[max(0, delay) :], (max(0, -delay), length))
    return wav[:length].copy()  # a slice would keep all of it in memory
