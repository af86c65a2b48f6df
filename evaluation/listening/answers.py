"""Answers of assessors, read back against the key of their page.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Answers", "read_answers", "read_key"]

KEY = "dac-lobe listening key 1"
ANSWERS = "dac-lobe listening answers 1"


@dataclass(frozen=True)
class Answers:
    """What one assessor said.

    Attributes
    ----------
    assessor : str
        The name that he or she gave.
    ratings : pandas.DataFrame
        One row per clip and condition: ``clip``, ``condition`` (its place in the
        key) and ``value``: a rating from 0 to 100, or of a comparison 100 for what
        was preferred, 50 for no preference, 0 for the other; in ABX 100 for a right
        answer and 0 for a wrong one.
    """

    assessor: str
    ratings: pd.DataFrame


def read_key(path: str | Path) -> dict[str, Any]:
    """Read the key of a page.

    Raises
    ------
    ValueError
        If it is not one.
    """
    return _json(Path(path), KEY, "Give with --key the key.json of the page.")


def _json(path: Path, wanted: str, advice: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = content["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "strerror", None) or "no such JSON"
        raise ArgumentError(f"{path} cannot be read ({reason}). {advice}") from error
    if found != wanted:
        raise ArgumentError(f"{path} is {found!r}, not {wanted!r}. {advice}")
    return content


def read_answers(paths: Sequence[str | Path], key: dict[str, Any]) -> list[Answers]:
    """Read the answers of all assessors.

    Arguments
    ---------
    paths : sequence of str or Path
        Files that the page made.
    key : dict
        From `read_key`.

    Returns
    -------
    list of Answers
        In the order of the files.

    Raises
    ------
    ValueError
        If one is of another page, is not complete, or comes twice.
    """
    found: list[Answers] = []
    for path in map(Path, paths):
        content = _json(path, ANSWERS, "Give the files that assessors saved.")
        if content.get("page") != key["page"]:
            raise ArgumentError(
                f"{path} answers page {content.get('page')}, and the key is of page "
                f"{key['page']}. Give the answers and the key of one page."
            )
        try:
            one = Answers(str(content["assessor"]), _ratings(content, key))
        except (KeyError, TypeError, ValueError) as error:
            raise ArgumentError(f"{path} is damaged: {_said(error)}.") from error
        if one.assessor in [other.assessor for other in found]:
            raise ArgumentError(
                f"{path}: {one.assessor!r} has answered already. Give one file of each "
                "assessor."
            )
        found.append(one)
    return found


def _said(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error)


def _ratings(content: dict[str, Any], key: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    given: dict[str, dict[str | None, float]] = {}
    for row in content["ratings"]:
        given.setdefault(row["trial"], {})[row["stimulus"]] = row["value"]
    rows = []
    for trial in key["trials"]:
        answer = given[trial["trial"]]
        if key["test"] == "mushra":
            values = {place: answer[name] for name, place in trial["stimuli"].items()}
            wrong = [v for v in values.values() if not 0 <= float(v) <= 100]
            if wrong:
                raise ValueError(f"a rating of {wrong[0]}, and 0 to 100 are possible")
        else:
            (chosen,) = answer  # a comparison has one answer
            picked = trial["stimuli"][chosen] if chosen is not None else None
            values = _compared(picked, trial, key["test"])
        rows += [
            {"clip": trial["clip"], "condition": place, "value": float(value)}
            for place, value in sorted(values.items())
        ]
    return pd.DataFrame(rows)


def _compared(picked: int | None, trial: dict[str, Any], test: str) -> dict[int, float]:
    places = trial["stimuli"].values()
    if test == "abx":
        right = 100.0 if picked == trial["x"] else 0.0
        return dict.fromkeys(places, right)
    if picked is None:
        return dict.fromkeys(places, 50.0)
    return {place: 100.0 if place == picked else 0.0 for place in places}
