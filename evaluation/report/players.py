"""What the report plays: the median and the worst clips, in every version.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import base64
import logging
from dataclasses import dataclass

import numpy as np

from evaluation.recordings.clips import Clip, read_clip
from evaluation.report.plots import spectrogram
from evaluation.report.rendering import number, sound
from evaluation.results.rates import overall_kbps
from evaluation.results.tables import worst_first
from evaluation.running.cache import Cache
from evaluation.running.codes import encode
from evaluation.running.jobs import FACTS
from evaluation.running.run import Cell, Run, codes_path
from evaluation.running.scoring import FAILURES, describe
from evaluation.systems import Point, System
from evaluation.systems.controls import Reference

__all__ = ["Case", "Take", "choose_cases", "nearest_baseline", "render_cases"]

logger = logging.getLogger(__name__)

SECONDS = 6.0


@dataclass(frozen=True)
class Take:
    """One version of a clip, ready for a page.

    Attributes
    ----------
    title : str
        Which version.
    caption : str
        Its own rate and scores.
    audio : str
        Data URI of a FLAC file.
    picture : str
        Data URI of a spectrogram.
    """

    title: str
    caption: str
    audio: str
    picture: str


@dataclass(frozen=True)
class Case:
    """A clip to listen to.

    Attributes
    ----------
    title : str
        Why this one.
    utterance : str
        Its name.
    main : list of Take
        Reference, first system at its highest rate, and the baseline.
    others : list of Take
        The first system at its other rates; for the median only, so that the page
        stays small.
    """

    title: str
    utterance: str
    main: list[Take]
    others: list[Take]


def choose_cases(run: Run) -> list[tuple[str, Clip]]:
    """Choose the median and the two worst clips of the first metric that has scores.

    Arguments
    ---------
    run : Run
        Executed.

    Returns
    -------
    list of tuple
        Pairs of a reason and a clip.
    """
    system = run.systems[0]
    point = run.points[system.name][-1]
    for metric in run.metrics:
        order = worst_first(run, system, point, metric)
        if order:
            break
    else:
        return []
    chosen = [(f"Median {metric.title}", order[len(order) // 2])]
    for rank, place in enumerate(("Worst", "Second worst")):
        if rank < len(order) and order[rank] != chosen[0][1]:
            chosen.append((f"{place} {metric.title}", order[rank]))
    return [(title, run.clips[index]) for title, index in chosen]


def nearest_baseline(run: Run, metric: str = FACTS) -> tuple[System, Point] | None:
    """Find the rate of the first other codec that is nearest to the first one's top.

    Without another codec of several known rates it is the highest of another codec's,
    and without another codec a control, which is no rival but worth hearing.

    Arguments
    ---------
    run : Run
        Executed.
    metric : str
        Rates are over the clips that both have a score of; over those that both have
        an output of by default.

    Returns
    -------
    tuple of System and Point, or None
        None without another system.
    """
    codecs = [system for system in run.systems[1:] if not system.control]
    for system in codecs:
        points = run.points[system.name]
        if len(points) > 1 and all(_ratio(run, system, p, FACTS) for p in points):
            ratios = {p: _ratio(run, system, p, metric) for p in points}
            far = {p: abs(np.log(one)) if one else np.inf for p, one in ratios.items()}
            return system, min(far, key=far.__getitem__)
    for system in (*codecs, *run.systems[1:]):
        if not isinstance(system, Reference):  # it is played anyway
            return system, run.points[system.name][-1]
    return None


def _ratio(run: Run, system: System, point: Point, metric: str) -> float | None:
    """Divide a rate by the first system's highest, on the clips that both have."""
    first = run.systems[0]
    pair = ((first, run.points[first.name][-1]), (system, point))
    known = [
        [run.outcomes[Cell(clip.name, one.name, at, metric)].value is not None
         for clip in run.clips]
        for one, at in pair
    ]  # fmt: skip
    both = np.all(known, axis=0)
    ours, theirs = (overall_kbps(run, one, at, both) for one, at in pair)
    return theirs / ours if ours and theirs else None


def render_cases(run: Run, cache: Cache) -> list[Case]:
    """Decode the chosen clips once more, and make sounds and pictures of them.

    Arguments
    ---------
    run : Run
        Executed.
    cache : Cache
        With the codes.

    Returns
    -------
    list of Case
        Clips that cannot be decoded are left out.
    """
    first = run.systems[0]
    *lower, top = run.points[first.name]
    baseline = nearest_baseline(run)
    cases: list[Case] = []
    for title, clip in choose_cases(run):
        points = [top] if cases else [*lower, top]
        try:
            wav = read_clip(clip, run.sample_rate)
            ours = _decode(run, cache, clip, first, wav, points)
            main = [_take("Reference", clip.domain, wav, run.sample_rate), ours.pop()]
            if baseline is not None:
                main += _decode(run, cache, clip, baseline[0], wav, [baseline[1]])
        except FAILURES as error:
            logger.warning("%s is not in the report: %s", clip.name, describe(error))
            continue
        cases.append(Case(title, clip.name, main, ours))
    return cases


def _decode(
    run: Run,
    cache: Cache,
    clip: Clip,
    system: System,
    wav: np.ndarray,
    points: list[Point],
) -> list[Take]:
    kept = codes_path(run, cache, clip, system)
    coded = encode(system, clip, wav, run.sample_rate, kept)
    only = np.array([one is clip for one in run.clips])
    takes = []
    for point in points:
        output = system.reconstruct(coded, point, len(wav), run.sample_rate)
        parts = []
        kbps = overall_kbps(run, system, point, only)
        if kbps is not None:
            parts.append(f"{kbps:.2f} kbps")
        for metric in run.metrics[:4]:
            value = run.outcomes[Cell(clip.name, system.name, point, metric.name)].value
            if value is not None:
                unit = f" {metric.unit}" if metric.unit else ""
                parts.append(f"{metric.title} {number(value, metric.decimals)}{unit}")
        title = f"{system.name} {point}".strip()
        takes.append(_take(title, " · ".join(parts), output, run.sample_rate))
    return takes


def _take(title: str, caption: str, wav: np.ndarray, sample_rate: int) -> Take:
    excerpt = np.clip(wav[: round(SECONDS * sample_rate)], -1, 1)
    picture = base64.b64encode(spectrogram(excerpt, sample_rate)).decode()
    return Take(
        title,
        caption,
        f"data:audio/flac;base64,{sound(excerpt, sample_rate)}",
        f"data:image/webp;base64,{picture}",
    )
