"""The page that assessors are sent, and the key that they are not.

Page and key have one fingerprint; the page holds sounds under random names, the key
says what they are. Every assessor hears another order, drawn from the seed and the
name that he or she gives.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.errors import ArgumentError
from evaluation.listening.answers import ANSWERS, KEY
from evaluation.listening.excerpts import REFERENCE, choose_conditions, decode
from evaluation.listening.measures import MEASURES
from evaluation.listening.sampling import SHORTEST, choose_clips
from evaluation.listening.stimuli import anchor, anchors_at, dither, match, soften
from evaluation.report.rendering import render, sound
from evaluation.results.compare import Evaluation, load
from evaluation.results.conditions import Condition, is_control
from evaluation.results.writers import write_json, write_text
from evaluation.systems.controls import Reference

__all__ = ["make_page"]

MOST_STIMULI = 12  # of one trial, as BS.1534 recommends


def make_page(
    run: str | Path,
    output: str | Path,
    test: str = "mushra",
    clips: int = 8,
    systems: Sequence[str] = (),
    *,
    seconds: float = 8.0,
    audio: str | Path | None = None,
    seed: int = 0,
) -> Path:
    """Make a listening test of an evaluation.

    Arguments
    ---------
    run : str or Path
        Output folder of an evaluation.
    output : str or Path
        Folder for ``listen.html``, to be sent, and ``key.json``, to be kept.
    test : str
        'mushra': rate all versions against the reference, with a hidden reference
        and two anchors. 'ab': which of two is better. 'abx': which of two is X.
    clips : int
        Recordings to draw.
    systems : sequence of str
        See `evaluation.listening.excerpts.choose_conditions`.
    seconds : float
        From the start of each recording, 0.4 or more.
    audio : str or Path, optional
        Where the recordings are now.
    seed : int
        Of recordings, names and orders.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ValueError
        If an argument is not allowed, or recordings or codecs are not those that
        were scored.
    """
    if test not in MEASURES:
        raise ArgumentError(f"--test {test}: choose from {', '.join(MEASURES)}.")
    if clips < 1:
        raise ArgumentError(f"--clips {clips}: 1 or more are needed.")
    if not SHORTEST <= seconds < math.inf:
        raise ArgumentError(
            f"--seconds {seconds:g}: a number from {SHORTEST} up is needed; less has no "
            "loudness by which versions are matched."
        )
    evaluation = load(run)
    rate = evaluation.content["definitions"]["scoring"]["sample_rate"]
    edges = anchors_at(rate) if test == "mushra" else ()
    most = MOST_STIMULI - 1 - len(edges)  # beside hidden reference and anchors
    heard = _conditions(evaluation, test, systems, most)
    conditions = [*heard, *(Condition(f"anchor-{edge}", None, "") for edge in edges)]
    chosen = choose_clips(evaluation, clips, audio, seed, seconds)
    decoded = decode(evaluation, chosen, heard, seconds)
    rng = random.Random(f"{test} {seed}")
    names = _names(rng)
    sounds: dict[str, str] = {}
    trials, key_trials = [], []
    for clip, takes in zip(chosen, decoded, strict=True):
        wav, *others = takes
        others += [anchor(wav, rate, edge) for edge in edges]
        matched, gains = match([wav, *others], rate)
        reference, *versions = (soften(take, rate) for take in matched)
        stimuli = {next(names): index for index in range(len(versions))}
        for name, index in stimuli.items():
            sounds[name] = _sound(versions[index], rate, name)
        shuffled = rng.sample(list(stimuli), len(stimuli))
        trial: dict[str, Any] = {"id": next(names), "stimuli": shuffled}
        known = {"trial": trial["id"], "clip": clip.name, "stimuli": stimuli}
        if test == "mushra":
            trial["reference"] = next(names)
            sounds[trial["reference"]] = _sound(reference, rate, trial["reference"])
        if test == "abx":
            trial["x"], known["x"] = next(names), rng.randrange(2)
            sounds[trial["x"]] = _sound(versions[known["x"]], rate, trial["x"])
        trials.append(trial)
        key_trials.append(
            known | {"gains_db": dict(zip(stimuli, gains[1:], strict=True))}
        )
    key = {
        "format": KEY,
        "test": test,
        "seed": seed,
        "seconds": seconds,
        "run": str(run),
        "signature": evaluation.content["signature"],
        "scoring": evaluation.content["definitions"]["scoring"],
        "conditions": [_about(evaluation, one) for one in conditions],
        "clips": {
            clip.name: {
                "sha256": clip.sha256,
                "domain": clip.domain,
                "speaker": clip.speaker,
            }
            for clip in chosen
        },
        "trials": key_trials,
    }
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    data = {
        "format": ANSWERS,
        "page": digest,
        "test": test,
        "seed": seed,
        "trials": trials,
    }
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    in_order = {name: sounds[name] for name in sorted(sounds)}
    page = render("listen.html.j2", data=data, sounds=in_order, test=test)
    write_json(output / "key.json", {"page": digest, **key})
    write_text(output / "listen.html", page)
    return output / "listen.html"


def _conditions(
    evaluation: Evaluation, test: str, systems: Sequence[str], most: int
) -> list[Condition]:
    """Say what is heard in each trial, but for anchors."""
    chosen = choose_conditions(evaluation, systems, most)
    if test == "mushra":
        return [REFERENCE, *(one for one in chosen if one != REFERENCE)]
    if not systems:
        first = [one for one in chosen if one.system == chosen[0].system][-1]
        others = [one for one in chosen if one.system != first.system]
        chosen = [REFERENCE, first] if test == "abx" else [first, *others[:1]]
    if len(chosen) != 2:
        raise ArgumentError(
            f"--test {test} needs two conditions, and there are {len(chosen)}. Choose "
            "with --systems, like NAME@12,reference."
        )
    return chosen


def _about(evaluation: Evaluation, condition: Condition) -> dict[str, Any]:
    """Write down a condition, and which codec it is."""
    about: dict[str, Any] = {**condition._asdict(), "kbps": None}
    system = evaluation.content["systems"].get(condition.system)
    if condition == REFERENCE:
        about["fingerprint"] = Reference().fingerprint()
    else:
        about["fingerprint"] = system["fingerprint"] if system else condition.system
    about["control"] = is_control(condition.system, system or {})
    for row in evaluation.content["summary"]:
        if Condition.of(row) == condition:
            about["kbps"] = row["kbps"]
    return about


def _names(rng: random.Random) -> Iterator[str]:
    """Yield names that say nothing."""
    used: set[str] = set()
    while True:
        name = f"{rng.getrandbits(40):010x}"
        if name not in used:
            used.add(name)
            yield name


def _sound(wav: np.ndarray, rate: int, name: str) -> str:
    """Encode a sound for the page; its name decides the dither, and so the bytes."""
    return sound(dither(wav, name), rate)
