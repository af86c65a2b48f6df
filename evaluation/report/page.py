"""One HTML file with everything in it: opens offline, on a laptop and on a phone.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from evaluation.metrics import Metric, kind_of
from evaluation.report.colours import assign_colours
from evaluation.report.disagreement import disagreement
from evaluation.report.groups import group
from evaluation.report.players import SECONDS, render_cases
from evaluation.report.plots import (
    DECIBELS,
    Line,
    codebook_bars,
    colour_scale,
    rate_distortion,
)
from evaluation.report.rendering import published, render
from evaluation.report.verdict import headline, verdict
from evaluation.results.definitions import environment
from evaluation.results.rates import overall_kbps
from evaluation.results.results import Results
from evaluation.results.statistics import LEAST_CLUSTERS
from evaluation.results.tables import scores
from evaluation.results.writers import records, write_text
from evaluation.running.cache import Cache
from evaluation.systems import Point

__all__ = ["Failure", "write_report"]

MAX_FAILURE_ROWS = 200


class Failure(NamedTuple):
    """A row of the table of failures.

    Attributes
    ----------
    utterance : str
        The recording.
    systems : str
        Systems and points that it failed in, or 'all'.
    reason : str
        Why.
    """

    utterance: str
    systems: str
    reason: str


def write_report(results: Results, cache: Cache, command: str = "") -> None:
    """Write ``report.html`` into the output folder.

    Arguments
    ---------
    results : Results
        With an output folder.
    cache : Cache
        With the codes of what is played.
    command : str
        How the run was started, for the record.
    """
    run = results.run
    names = [system.name for system in run.systems]
    controls = {system.name for system in run.systems if system.control}
    colours = assign_colours(names, controls)
    curves = [(metric, _lines(results, metric, colours)) for metric in run.metrics]
    drawn = {line.name for _, lines in curves for line in lines}
    text = render(
        "report.html.j2",
        results=results,
        run=run,
        colours=colours,
        headline=headline(results),
        verdict=verdict(results),
        groups=group(run.metrics, kind_of),
        contrasts=disagreement(results),
        scale=colour_scale(),
        decibels=DECIBELS,
        least=LEAST_CLUSTERS,
        excerpt=SECONDS,
        summary=records(results.summary),
        plots=[rate_distortion(metric, lines) for metric, lines in curves if lines],
        drawn=drawn,
        undrawn=[name for name in names if name not in {*drawn, "identity"}],
        cases=render_cases(run, cache),
        bd=records(results.bd),
        paired=records(results.paired),
        worst=records(results.worst),
        codebooks=records(results.codebooks),
        codebook_plots=_codebook_plots(results, colours),
        failed_rows=int((results.utterances["status"] == "failed").sum()),
        failures=_failures(results),
        most_failures=MAX_FAILURE_ROWS,
        titles={metric.name: metric.title for metric in run.metrics},
        decimals={metric.name: metric.decimals for metric in run.metrics},
        environment=environment(),
        command=command,
        published=published(),
        speakers=len({clip.speaker for clip in run.clips if clip.speaker}),
        unknown=sum(not clip.speaker for clip in run.clips),
        domains=sorted({clip.domain for clip in run.clips}),
        seconds=_seconds(results),
    )
    write_text(results.folder / "report.html", text)


def _lines(results: Results, metric: Metric, colours: dict[str, str]) -> list[Line]:
    run, lines = results.run, []
    for system in run.systems:
        part = results.summary[results.summary["system"] == system.name]
        # Of the clips that have a score: others may cost other bits.
        rates = [
            overall_kbps(run, system, point, scores(run, system, point, metric).known)
            for point in run.points[system.name]
        ]
        part = part.assign(kbps=np.array(rates, float))
        part = part[part[f"{metric.name}_mean"].notna() & part["kbps"].notna()]
        part = part.sort_values("kbps")
        # Controls are limits, not codecs: they would only squeeze the curves.
        if not len(part) or system.name == "identity":
            continue
        ends = ("mean", "low", "high")
        columns = [list(part[f"{metric.name}_{end}"]) for end in ends]
        lines.append(
            Line(system.name, colours[system.name], list(part["kbps"]), *columns)
        )
    return lines


def _codebook_plots(results: Results, colours: dict[str, str]) -> list[str]:
    plots = []
    for name, part in results.codebooks.groupby("system", sort=False):
        size = int(part["size"].iloc[0])
        bits = part["held_out_bits"].fillna(part["plug_in_bits"])
        plots.append(
            codebook_bars(
                name,
                colours[name],
                list(bits),
                math.log2(size),
                list(part["dead"] / size),
            )
        )
    return plots


def _failures(results: Results) -> list[Failure]:
    """List each reason of each recording once, with the points that it befell."""
    table = results.utterances
    found: dict[tuple[str, str], list[str]] = {}
    for row in records(table[table["status"] == "failed"]):
        point = Point(row["num_codebooks"], row["setting"] or "")
        where = f"{row['system']} {point}".strip()
        found.setdefault((row["utterance"], row["reason"]), []).append(where)
    everywhere = sum(map(len, results.run.points.values()))
    return [
        Failure(name, "all" if len(at) == everywhere else ", ".join(at), reason)
        for (name, reason), at in found.items()
    ]


def _seconds(results: Results) -> float:
    return float(results.utterances.groupby("utterance")["seconds"].max().sum())
