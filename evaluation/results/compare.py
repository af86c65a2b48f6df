"""Two evaluations side by side, if their numbers mean the same.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from evaluation.results.labels import disputed, join_speakers
from evaluation.results.statistics import holm, paired_difference

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Evaluation", "compare", "load", "other_meaning"]

KEY = ["num_codebooks", "setting"]
MEANING = ("definition", "version", "unit", "higher_is_better", "fingerprint")
NAMES = ("utterance", "system", "setting", "speaker")


class Evaluation(NamedTuple):
    """An evaluation read from its folder.

    Attributes
    ----------
    folder : Path
        Where.
    content : dict
        Of results.json.
    utterances : pandas.DataFrame
        Of utterances.csv.
    """

    folder: Path
    content: dict[str, Any]
    utterances: pd.DataFrame

    @property
    def transcripts(self) -> dict[str, str]:
        """Digests of the transcripts; none in results of version 0.2 and before."""
        digests: dict[str, str] = self.content.get("transcripts", {})
        return digests

    def told(self, column: str) -> dict[str, str]:
        """What it was told of its recordings: their speaker or domain, by name."""
        table = self.utterances.drop_duplicates("utterance")
        return dict(zip(table["utterance"], table[column].fillna(""), strict=True))


def load(folder: str | Path) -> Evaluation:
    """Read what `evaluation.evaluate` wrote.

    Raises
    ------
    ValueError
        If the folder holds no evaluation.
    """
    import pandas as pd

    folder = Path(folder)
    try:
        content = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        table = folder / "utterances.csv"
        others = set(pd.read_csv(table, nrows=0).columns) - set(NAMES)
        utterances = pd.read_csv(
            table,
            # Recordings may be called by a number, and speakers NA.
            dtype=dict.fromkeys(NAMES, str) | {"num_codebooks": "Int64"},
            na_values={column: [""] for column in others},
            keep_default_na=False,
        )
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{folder} holds no evaluation that can be read ({error}). Give the "
            "--output folder of dac-lobe-evaluate."
        ) from error
    return Evaluation(folder, content, utterances)


def other_meaning(one: dict[str, Any], two: dict[str, Any]) -> list[str]:
    """Name what makes two definitions of a metric differ.

    Results of version 0.2 and before have no fingerprints of your own metrics, nor do
    listening tests: what one of the two does not say is no difference.

    Example
    -------
    >>> other_meaning({"version": "1", "fingerprint": "ab"}, {"version": "2"})
    ['version']
    """
    keys = [key for key in MEANING if key != "fingerprint" or key in one.keys() & two]
    return [key for key in keys if one.get(key) != two.get(key)]


def _refuse_differences(first: Evaluation, second: Evaluation) -> list[str]:
    """Return the common metrics, or say what makes the two incomparable."""
    a, b = first.content["definitions"], second.content["definitions"]
    problems = [
        f"scoring.{key} is {a['scoring'].get(key)!r} and {b['scoring'].get(key)!r}"
        for key in sorted({*a["scoring"], *b["scoring"]})
        if a["scoring"].get(key) != b["scoring"].get(key)
    ]
    common = [name for name in a["metrics"] if name in b["metrics"]]
    for name in common:
        x, y = a["metrics"][name], b["metrics"][name]
        problems += [
            f"{name}: {key} is {x.get(key)!r} and {y.get(key)!r}"
            for key in other_meaning(x, y)
        ]
    clips, others = first.content["clips"], second.content["clips"]
    changed = sorted(n for n in clips if n in others and clips[n] != others[n])
    if changed:
        problems.append(f"{len(changed)} recordings differ, as {changed[0]!r}")
    wanting = [name for name in common if a["metrics"][name].get("wants_transcript")]
    reworded = disputed([first.transcripts, second.transcripts])
    if wanting and reworded:
        problems.append(
            f"{', '.join(wanting)}: {len(reworded)} transcripts differ, as that of "
            f"{min(reworded)!r}"
        )
    if not set(clips) & set(others):
        problems.append("they have no recording in common")
    if not common:
        problems.append("they have no metric in common")
    if problems:
        raise ValueError(
            f"{first.folder} and {second.folder} cannot be compared: "
            f"{'; '.join(problems)}. Evaluate both with the same version and options."
        )
    return common


def compare(first: str | Path, second: str | Path, seed: int = 0) -> pd.DataFrame:
    """Compare two evaluations on the recordings that both have.

    Systems of the same name are paired; beyond that the first system of one
    with the first of the other, as for two checkpoints. Points are paired by
    their number of codebooks and setting. Each recording counts once, in word error
    rates too. Speakers are those that either run knows.

    Arguments
    ---------
    first : str or Path
        Output folder of an evaluation.
    second : str or Path
        Another.
    seed : int
        Of intervals and permutations.

    Returns
    -------
    pandas.DataFrame
        One row per metric, pair of systems and point: both means, the mean
        difference second - first with its interval, p-values before and after
        Holm's correction within the metric, how many clips were paired, and a
        ``reason`` to take the row with care or to have no p-value. One system with
        the same scores in both is no comparison, and does not count in the correction.

    Raises
    ------
    ValueError
        If the definitions, the scoring rate or the recordings differ, or transcripts
        that a metric wants.
    """
    import pandas as pd

    one, two = load(first), load(second)
    metrics = _refuse_differences(one, two)
    told = [one.told("speaker"), two.told("speaker")]
    speakers, renamed = join_speakers(told), disputed(told)
    rows = []
    for metric in metrics:
        family = []
        for name, other in _pairs(one, two):
            joined = one.utterances[one.utterances["system"] == name].merge(
                two.utterances[two.utterances["system"] == other],
                on=["utterance", *KEY],
                suffixes=("_1", "_2"),
            )
            for point, part in joined.groupby(KEY, dropna=False, sort=False):
                row = _row(metric, name, other, point, part, speakers, seed)
                _judge(row, part, one, two)
                if apart := len(renamed.intersection(part["utterance"])):
                    said = f"{apart} recordings have two speakers, who count as one"
                    row["reason"] = "; ".join(filter(None, [row["reason"], said]))
                family.append(row)
        for row, corrected in zip(family, holm([r["p"] for r in family]), strict=True):
            row["p_holm"] = corrected
        rows += family
    if not rows:
        raise ValueError(
            f"{first} and {second} have no operating point in common. Evaluate both "
            "with the same --codebooks."
        )
    return pd.DataFrame(rows).astype({"num_codebooks": "Int64"})


def _pairs(one: Evaluation, two: Evaluation) -> list[tuple[str, str]]:
    names, others = list(one.content["systems"]), list(two.content["systems"])
    # The recordings are the same ones: they are no system that could differ.
    pairs = [(name, name) for name in names if name in others and name != "reference"]
    if (names[0], others[0]) not in pairs:
        pairs.insert(0, (names[0], others[0]))
    return pairs


def _row(
    metric: str,
    name: str,
    other: str,
    point: Sequence[Any],
    part: pd.DataFrame,
    speakers: dict[str, str],
    seed: int,
) -> dict[str, Any]:
    """Compare two systems at a point; ``part`` has the scores of both side by side."""
    first, second = part[f"{metric}_1"], part[f"{metric}_2"]
    label = f"compare {name} {other} {tuple(point)} {metric}"
    clusters = [speakers[clip] for clip in part["utterance"]]
    result = paired_difference(second, first, clusters, seed, label)
    both = first.notna() & second.notna()
    return {
        "metric": metric,
        "first": name,
        "second": other,
        "num_codebooks": point[0],
        "setting": point[1],
        "mean_first": first[both].mean(),
        "mean_second": second[both].mean(),
        "difference": result.difference.mean,
        "low": result.difference.low,
        "high": result.difference.high,
        "p": result.p,
        "n_pairs": result.pairs,
        "n_first": int(first.notna().sum()),
        "n_second": int(second.notna().sum()),
        "reason": "",
    }


def _judge(
    row: dict[str, Any], part: pd.DataFrame, one: Evaluation, two: Evaluation
) -> None:
    """Say what is no comparison of systems, and take its p-value out of the family."""
    first = one.content["systems"][row["first"]]
    second = two.content["systems"][row["second"]]
    same = first["fingerprint"] == second["fingerprint"]
    delays = [about["delay_samples"] for about in (first, second)]
    metric = row["metric"]
    aligned = one.content["definitions"]["metrics"][metric]["aligned"]
    if aligned and delays[0] != delays[1]:
        row["reason"] = f"delays of {delays[0]} and {delays[1]} samples are taken out"
    elif (
        same
        and row["n_pairs"]
        and not (part[f"{metric}_2"] - part[f"{metric}_1"]).any()
    ):
        row["reason"] = "the same system and scores"
    if same and row["reason"]:
        row["p"] = math.nan
