"""Rate-distortion curves, and what lies between two of them in one number.

G. Bjøntegaard, VCEG-M33, 2001, with monotone cubic interpolation (PCHIP) as in
JCTVC-N1003 instead of a polynomial, which overshoots. Only the range that both
curves cover counts; where there is none, there is no number.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Bjontegaard", "Curve", "bd_metric", "bd_rate"]


class Curve(NamedTuple):
    """A system's scores at its rates.

    Attributes
    ----------
    kbps : sequence of float
        Rates; None where one is not known.
    score : sequence of float
        Scores at these rates.
    """

    kbps: Sequence[float | None]
    score: Sequence[float]


class Bjontegaard(NamedTuple):
    """A difference between two curves over what both cover.

    Attributes
    ----------
    value : float or None
        Percent of rate (below 0: fewer bits), or units of the metric.
    low : float or None
        Where the common range begins: score for BD-rate, kbps for BD-metric.
    high : float or None
        Where it ends.
    reason : str
        Why there is no value.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str = ""


def bd_rate(test: Curve, anchor: Curve) -> Bjontegaard:
    """Mean difference in rate at equal score, in percent of the anchor's.

    Arguments
    ---------
    test : Curve
        The curve in question.
    anchor : Curve
        What it is compared to.

    Returns
    -------
    Bjontegaard
        Below 0 if ``test`` needs less.

    Example
    -------
    >>> anchor = Curve([1, 2, 4, 8], [1.0, 2.0, 3.0, 3.5])
    >>> half = Curve([0.5, 1, 2, 4], anchor.score)
    >>> round(bd_rate(half, anchor).value, 6)
    -50.0
    """
    curves, rising = [], set()
    for curve in (test, anchor):
        rate, score = _sorted(curve)
        steps = np.diff(score)
        if len(rate) < 2:
            return Bjontegaard(None, reason="fewer than two rates")
        if not (np.all(steps > 0) or np.all(steps < 0)):
            return Bjontegaard(None, reason="scores do not rise or fall with the rate")
        rising.add(bool(steps[0] > 0))
        order = np.argsort(score)
        curves.append((score[order], np.log10(rate)[order]))
    if len(rising) > 1:
        return Bjontegaard(None, reason="one curve rises with the rate, one falls")
    ours, theirs = curves
    result = _between(ours, theirs, what="scores")
    if result.value is None:
        return result
    return result._replace(value=(10**result.value - 1) * 100)


def bd_metric(test: Curve, anchor: Curve) -> Bjontegaard:
    """Mean difference in score at equal rate, over the common log-rate range.

    Arguments
    ---------
    test : Curve
        The curve in question.
    anchor : Curve
        What it is compared to.

    Returns
    -------
    Bjontegaard
        ``test`` minus ``anchor`` in the metric's unit; the range is in kbps.

    Example
    -------
    >>> anchor = Curve([1, 2, 4, 8], [1.0, 2.0, 3.0, 3.5])
    >>> better = Curve(anchor.kbps, [1.5, 2.5, 3.5, 4.0])
    >>> round(bd_metric(better, anchor).value, 6)
    0.5
    """
    curves = []
    for curve in (test, anchor):
        rate, score = _sorted(curve)
        if len(rate) < 2:
            return Bjontegaard(None, reason="fewer than two rates")
        curves.append((np.log10(rate), score))
    ours, theirs = curves
    result = _between(ours, theirs, what="rates")
    if result.low is None or result.high is None:
        return result
    return result._replace(low=10**result.low, high=10**result.high)


def _sorted(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """Rates and scores by rising rate, without missing ones; equal rates averaged."""
    rate = np.array([np.nan if x is None else x for x in curve.kbps], float)
    score = np.array([np.nan if x is None else x for x in curve.score], float)
    known = np.isfinite(rate) & np.isfinite(score) & (rate > 0)
    rates, index = np.unique(rate[known], return_inverse=True)
    if not len(rates):
        return rates, rates
    return rates, np.bincount(index, score[known]) / np.bincount(index)


def _between(
    test: tuple[np.ndarray, np.ndarray],
    anchor: tuple[np.ndarray, np.ndarray],
    what: str,
) -> Bjontegaard:
    """Mean vertical distance of two curves y(x), both by rising x."""
    from scipy.interpolate import PchipInterpolator

    low = max(test[0][0], anchor[0][0])
    high = min(test[0][-1], anchor[0][-1])
    if not low < high:
        return Bjontegaard(None, reason=f"the curves share no {what}")
    areas = [PchipInterpolator(x, y).integrate(low, high) for x, y in (test, anchor)]
    value = float((areas[0] - areas[1]) / (high - low))
    return Bjontegaard(value, float(low), float(high))
