"""What assessors heard: screened, averaged, tested, and written as a run is.

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
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.listening.answers import Answers
from evaluation.listening.excerpts import REFERENCE
from evaluation.results.board import Condition
from evaluation.results.definitions import environment
from evaluation.results.pairs import pairwise
from evaluation.results.statistics import CONFIDENCE, RESAMPLES, holm, interval
from evaluation.results.writers import records, write_json, write_table, write_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Findings", "find", "screen", "write_findings"]

HIDDEN_LEAST = 90  # points that a hidden reference deserves
HIDDEN_SHARE = 0.15  # of the recordings that may fall below


@dataclass(frozen=True)
class _Measure:
    """What a test measures, as a column of a table."""

    name: str
    title: str
    unit: str
    higher_is_better: bool
    definition: str
    source: str


MEASURES = {
    "mushra": _Measure(
        "mushra",
        "MUSHRA",
        "",
        True,
        "Rating from 0 to 100 against the open reference, with hidden reference and "
        "anchors of 3.5 and 7 kHz, loudness matched (BS.1770); mean over assessors.",
        "ITU-R BS.1534-3 (2015)",
    ),
    "ab": _Measure(
        "ab_preference",
        "Preference",
        "%",
        True,
        "Share of answers that prefer this one of two, loudness matched; no "
        "preference counts half to each.",
        "paired comparison",
    ),
    "abx": _Measure(
        "abx_correct",
        "ABX",
        "%",
        False,
        "Share of right answers to which of two X is, loudness matched; 50 % is "
        "guessing.",
        "Munson and Gardner 1950",
    ),
}


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
    places = [Condition(*_identity(one)) for one in key["conditions"]]
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


def _identity(condition: dict[str, Any]) -> tuple[str, int | None, str]:
    return condition["system"], condition["num_codebooks"], condition["setting"]


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
        if key["test"] != "abx" or Condition(*_identity(one)) != REFERENCE
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
                **dict(
                    zip(
                        ("system", "num_codebooks", "setting"),
                        _identity(about),
                        strict=True,
                    )
                ),
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
        identity = zip(
            ("system", "num_codebooks", "setting"), _identity(about), strict=True
        )
        row: dict[str, Any] = {
            **dict(identity),
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

    labels = [str(Condition(*_identity(one))) for one in key["conditions"]]
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


def write_findings(findings: Findings, folder: str | Path) -> None:
    """Write tables, and ``results.json`` as an evaluation has it.

    Arguments
    ---------
    findings : Findings
        From `find`.
    folder : str or Path
        Made if it is not there.
    """
    folder, key = Path(folder), findings.key
    folder.mkdir(parents=True, exist_ok=True)
    measure = MEASURES[key["test"]]
    people = len(findings.kept)
    asked = people + len(findings.excluded)
    signature = (
        f"listening:{key['test']}|page:{key['page']}|assessors:{people}of{asked}|"
        f"clips:{len(key['clips'])}|seconds:{key['seconds']:g}|ci:BCa{CONFIDENCE:.0%}"
        f"x{RESAMPLES}/assessor|of:[{key['signature']}]"
    )
    definition = {
        "title": measure.title,
        "definition": measure.definition,
        "source": measure.source,
        "version": f"page {key['page']}, {people} assessors",
        "unit": measure.unit,
        "higher_is_better": measure.higher_is_better,
        "domain": "any",
        "aligned": True,
        "kind": "listening",
    }
    systems: dict[str, Any] = {}
    for one in key["conditions"]:
        about = {"fingerprint": one["fingerprint"], "points": [], "delay_samples": 0}
        point = Condition("", one["num_codebooks"], one["setting"])
        systems.setdefault(one["system"], about)["points"].append(str(point))
    content = {
        "signature": signature,
        "command": f"dac-lobe-evaluate listen --collect ({asked} answers)",
        "environment": environment(),
        "definitions": {
            "format": 1,
            "scoring": key["scoring"],
            "metrics": {measure.name: definition},
        },
        "systems": systems,
        "clips": {name: facts["sha256"] for name, facts in key["clips"].items()},
        "assessors": [one.assessor for one in findings.kept],
        "excluded": findings.excluded,
        "failed_share": 0.0,
        "summary": records(findings.summary),
        "pairs": records(findings.pairs),
    }
    for name in ("utterances", "summary", "ratings", "pairs"):
        write_table(folder / f"{name}.csv", getattr(findings, name))
    write_text(folder / "summary.md", _markdown(findings, measure, signature))
    write_json(folder / "results.json", content)


def _markdown(findings: Findings, measure: _Measure, signature: str) -> str:
    unit = f", {measure.unit}" if measure.unit else ""
    lines = [
        f"| Condition | kbps | {measure.title}{unit} | 95 % interval | Answers |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for row in records(findings.summary):
        condition = Condition(row["system"], row["num_codebooks"], row["setting"])
        kbps = "" if row["kbps"] is None else f"{row['kbps']:.2f}"
        mean, low, high = (row[f"{measure.name}_{e}"] for e in ("mean", "low", "high"))
        ends = "n/a" if low is None or np.isnan(low) else f"{low:.1f} to {high:.1f}"
        lines.append(
            f"| {condition} | {kbps} | {mean:.1f} | {ends} | {row['answers']} |"
        )
    lines += ["", f"{measure.definition} {measure.source}.", ""]
    if findings.key["test"] != "mushra":
        (row,) = records(findings.pairs)
        p = "n/a" if row["p"] is None else f"{row['p']:.3g}"
        lines += [f"Exact binomial test over {row['n']} answers: p = {p}.", ""]
    lines += [f"{name} is left out: {why}." for name, why in findings.excluded.items()]
    return "\n".join([*lines, "", f"`{signature}`"]) + "\n"
