"""What assessors heard: screened, averaged and tested.

Assessors of MUSHRA who rate the hidden reference below 90 in more than 15 % of the
recordings are left out (ITU-R BS.1534-3, section 4.1.2). The rule for the middle
anchor is not applied: at 16 kHz a low-pass of 7 kHz takes next to nothing away.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evaluation.listening.answers import Answers
from evaluation.listening.excerpts import REFERENCE
from evaluation.listening.measures import MEASURES
from evaluation.results.conditions import Condition
from evaluation.results.pairs import pairwise
from evaluation.results.statistics import holm, interval

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Findings", "find", "screen"]

HIDDEN_LEAST = 90  # points that a hidden reference deserves
HIDDEN_SHARE = 0.15  # of the recordings that may fall below


@dataclass(frozen=True)
class Findings:
    """A listening test, evaluated.

    Attributes
    ----------
    key : dict
        Of the page.
    kept : list of Answers
        Assessors that count.
    excluded : dict
        Why others do not, by their name.
    ratings : pandas.DataFrame
        One row per assessor, recording and condition, those left out too.
    utterances : pandas.DataFrame
        One row per recording and condition.
    summary : pandas.DataFrame
        One row per condition.
    pairs : pandas.DataFrame
        One row per pair of conditions: difference and p-values.
    """

    key: dict[str, Any]
    kept: list[Answers]
    excluded: dict[str, str]
    ratings: pd.DataFrame
    utterances: pd.DataFrame
    summary: pd.DataFrame
    pairs: pd.DataFrame


def screen(answers: Sequence[Answers], key: dict[str, Any]) -> dict[str, str]:
    """Find the assessors who do not hear, or do not use, the hidden reference.

    Arguments
    ---------
    answers : sequence of Answers
        Of all assessors.
    key : dict
        Of their page.

    Returns
    -------
    dict
        Reasons, by the name of those to leave out; empty for comparisons.
    """
    if key["test"] != "mushra":
        return {}
    places = [Condition.of(one) for one in key["conditions"]]
    hidden = places.index(REFERENCE)
    excluded = {}
    for one in answers:
        table = one.ratings
        values = table.loc[table["condition"] == hidden, "value"]
        low = int((values < HIDDEN_LEAST).sum())
        if low > HIDDEN_SHARE * len(values):
            excluded[one.assessor] = (
                f"the hidden reference is below {HIDDEN_LEAST} in {low} of "
                f"{len(values)} recordings"
            )
    return excluded


def find(key: dict[str, Any], answers: Sequence[Answers], seed: int = 0) -> Findings:
    """Evaluate a listening test.

    Arguments
    ---------
    key : dict
        From `evaluation.listening.answers.read_key`.
    answers : sequence of Answers
        From `evaluation.listening.answers.read_answers`.
    seed : int
        Of intervals and permutations.

    Returns
    -------
    Findings
        Intervals resample assessors.

    Raises
    ------
    ValueError
        If no assessor passes the screening.
    """
    import pandas as pd

    excluded = screen(answers, key)
    kept = [one for one in answers if one.assessor not in excluded]
    if not kept:
        reasons = "; ".join(f"{name}: {why}" for name, why in excluded.items())
        raise ValueError(f"no assessor passes the screening ({reasons}).")
    every = pd.concat([a.ratings.assign(assessor=a.assessor) for a in answers])
    counted = every[~every["assessor"].isin(excluded)]
    shown = [
        place
        for place, one in enumerate(key["conditions"])
        if key["test"] != "abx" or Condition.of(one) != REFERENCE
    ]
    ratings = every.merge(_conditions(key), on="condition")
    ratings["excluded"] = ratings["assessor"].isin(excluded)
    columns = [
        "assessor",
        "clip",
        "system",
        "num_codebooks",
        "setting",
        "value",
        "excluded",
    ]
    return Findings(
        key=key,
        kept=kept,
        excluded=excluded,
        ratings=ratings[columns],
        utterances=_utterances(key, counted, shown),
        summary=_summary(key, counted, shown, seed),
        pairs=_pairs(key, counted, seed),
    )


def _conditions(key: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame(key["conditions"]).astype({"num_codebooks": "Int64"})
    return table.assign(condition=range(len(table)))


def _utterances(
    key: dict[str, Any], counted: pd.DataFrame, shown: list[int]
) -> pd.DataFrame:
    import pandas as pd

    name = MEASURES[key["test"]].name
    means = counted.groupby(["condition", "clip"])["value"].mean()
    rows = []
    for place in shown:
        about = key["conditions"][place]
        for clip, facts in key["clips"].items():
            row = {
                "utterance": clip,
                **Condition.of(about)._asdict(),
                "kbps": about["kbps"],
                name: means[place, clip],
                "speaker": facts["speaker"],
                "domain": facts["domain"],
                "status": "ok",
                "reason": "",
            }
            rows.append(row)
    return pd.DataFrame(rows).astype({"num_codebooks": "Int64", "kbps": "float"})


def _summary(
    key: dict[str, Any], counted: pd.DataFrame, shown: list[int], seed: int
) -> pd.DataFrame:
    import pandas as pd

    name = MEASURES[key["test"]].name
    rows = []
    for place in shown:
        about = key["conditions"][place]
        part = counted[counted["condition"] == place]
        label = f"listening {key['page']} {place}"
        mean = interval(part["value"], list(part["assessor"]), None, seed, label)
        row: dict[str, Any] = {
            **Condition.of(about)._asdict(),
            "kbps": about["kbps"],
            f"{name}_mean": mean.mean,
            f"{name}_low": mean.low,
            f"{name}_high": mean.high,
            f"{name}_n_ok": len(key["clips"]),
            f"{name}_n_failed": 0,
            "answers": len(part),
            "n_ok": len(key["clips"]),
            "n_total": len(key["clips"]),
        }
        rows.append(row)
    return pd.DataFrame(rows).astype({"num_codebooks": "Int64", "kbps": "float"})


def _pairs(key: dict[str, Any], counted: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Test what the answers tell apart, on each assessor's mean or answer by answer."""
    import pandas as pd

    labels = [str(Condition.of(one)) for one in key["conditions"]]
    if key["test"] == "mushra":
        table = counted.pivot_table("value", "condition", "assessor", aggfunc="mean")
        chosen = [(i, j) for i in range(len(labels)) for j in range(i)]
        label = f"listening {key['page']}"
        found = pairwise(table.to_numpy(), chosen, list(table.columns), seed, label)
        rows = [
            [labels[one.first], labels[one.second], one.difference, one.p, one.pairs]
            for one in found
        ]
    else:
        values = counted.loc[counted["condition"] == 0, "value"]
        yes, no = int((values == 100).sum()), int((values == 0).sum())
        rows = [
            [
                labels[0],
                labels[1],
                float(values.mean()),
                _binomial(key, yes, no),
                yes + no,
            ]
        ]
    columns = ["first", "second", "difference", "p", "n"]
    if key["test"] != "mushra":
        columns[2] = "percent"
    made = pd.DataFrame(rows, columns=columns)
    return made.assign(p_holm=holm(made["p"]))


def _binomial(key: dict[str, Any], yes: int, no: int) -> float:
    """Exact probability of answers as clear as these from guessing."""
    from scipy.stats import binomtest

    if yes + no == 0:
        return math.nan
    side = "greater" if key["test"] == "abx" else "two-sided"
    return float(binomtest(yes, yes + no, 0.5, alternative=side).pvalue)
