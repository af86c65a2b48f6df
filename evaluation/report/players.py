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
from evaluation.results.tables import overall_kbps, worst_first
from evaluation.running.cache import Cache
from evaluation.running.codes import encode
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
        Its rate and scores.
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


def nearest_baseline(run: Run) -> tuple[System, Point] | None:
    """Find the rate of the first other codec that is nearest to the first one's top.

    Without another codec of several known rates it is the highest of another codec's,
    and without another codec a control, which is no rival but worth hearing.
    """
    first = run.systems[0]
    target = overall_kbps(run, first, run.points[first.name][-1])
    codecs = [system for system in run.systems[1:] if not system.control]
    for system in codecs:
        rates = {p: overall_kbps(run, system, p) for p in run.points[system.name]}
        known = {point: kbps for point, kbps in rates.items() if kbps}
        if len(rates) > 1 and target and len(known) == len(rates):
            distance = {p: abs(np.log(kbps / target)) for p, kbps in known.items()}
            return system, min(distance, key=distance.__getitem__)
    for system in (*codecs, *run.systems[1:]):
        if not isinstance(system, Reference):  # it is played anyway
            return system, run.points[system.name][-1]
    return None


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
    takes = []
    for point in points:
        output = system.reconstruct(coded, point, len(wav), run.sample_rate)
        parts = []
        kbps = overall_kbps(run, system, point)
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
