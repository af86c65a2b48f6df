"""What codes cost: nominal, emitted and entropy rates are three different things.

The entropy is held out: each fifth of the recordings is coded with code
frequencies counted on the other four. The usual plug-in entropy counts and
codes the same data, and is too low wherever codes are many and data few.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.running.jobs import FACTS
from evaluation.running.run import Cell, Run
from evaluation.systems import Point, System

__all__ = [
    "CodebookUse",
    "codebook_use",
    "counted_kbps",
    "held_out_bits",
    "overall_kbps",
    "plug_in_bits",
]

FOLDS = 5


@dataclass(frozen=True)
class CodebookUse:
    """How one codebook is used by a set of recordings.

    Attributes
    ----------
    codebook : int
        From 1.
    size : int
        Codes in it.
    tokens : int
        How many tokens were counted; below 20 per code, take the rest with care.
    held_out_bits : float
        Bits per token, from frequencies of other recordings.
    plug_in_bits : float
        Bits per token, from the frequencies of the same; biased low.
    perplexity : float
        ``2 ** plug_in_bits``: how many equally likely codes this is worth.
    dead : int
        Codes that never occur.
    """

    codebook: int
    size: int
    tokens: int
    held_out_bits: float
    plug_in_bits: float
    perplexity: float
    dead: int


def codebook_use(codes: Sequence[np.ndarray], codebook_size: int) -> list[CodebookUse]:
    """Describe the use of every codebook.

    Arguments
    ---------
    codes : sequence of np.ndarray
        Of each recording, shape [K, F].
    codebook_size : int
        Codes per codebook.

    Returns
    -------
    list of CodebookUse
        One per codebook.

    Example
    -------
    >>> use = codebook_use([np.array([[0, 1, 0, 1]]), np.array([[1, 0, 1, 0]])], 4)
    >>> use[0].perplexity, use[0].dead, use[0].tokens
    (2.0, 2, 8)
    """
    used = []
    for stage in range(codes[0].shape[0] if codes else 0):
        counts = np.stack(
            [np.bincount(item[stage], minlength=codebook_size) for item in codes]
        )
        total = counts.sum(axis=0)
        plug_in = plug_in_bits(total)
        used.append(
            CodebookUse(
                codebook=stage + 1,
                size=codebook_size,
                tokens=int(total.sum()),
                held_out_bits=held_out_bits(counts),
                plug_in_bits=plug_in,
                perplexity=2**plug_in,
                dead=int((total == 0).sum()),
            )
        )
    return used


def plug_in_bits(counts: np.ndarray) -> float:
    """Entropy in bits of the frequencies ``counts`` [C].

    Example
    -------
    >>> plug_in_bits(np.array([2, 2, 2, 2, 0]))
    2.0
    """
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log2(share)).sum())


def held_out_bits(counts: np.ndarray) -> float:
    """Bits per token with frequencies from other recordings.

    Every code starts with half a count (Krichevsky and Trofimov, 1981), so an
    unseen one has a finite price, and no data at all gives log2(C) bits.

    Arguments
    ---------
    counts : np.ndarray
        Counts of each recording, shape [N, C].

    Returns
    -------
    float
        Mean over all tokens; ``nan`` for fewer than two recordings.

    Example
    -------
    >>> held_out_bits(np.array([[1000, 1000, 0, 0]] * 4))
    1.00...
    """
    if len(counts) < 2:
        return math.nan
    folds = min(FOLDS, len(counts))
    total = counts.sum(axis=0)
    bits = 0.0
    for fold in range(folds):
        coded = counts[fold::folds].sum(axis=0)
        learned = total - coded + 0.5
        bits -= (coded * np.log2(learned / learned.sum())).sum()
    return float(bits / total.sum())


def overall_kbps(
    run: Run, system: System, point: Point, among: np.ndarray | None = None
) -> float | None:
    """Compute the rate of a system: nominal, or what it emitted.

    Arguments
    ---------
    run : Run
        Executed.
    system : System
        Of the run.
    point : Point
        One of its points.
    among : np.ndarray, optional
        Shape [C]: which clips the rate is of, as a score's own; all by default.

    Returns
    -------
    float or None
        In kbps; None where it is not known.
    """
    nominal = system.kbps(point, run.sample_rate)
    if nominal is not None:
        return nominal
    return counted_kbps(run, system, point, "emitted_bits", among)


def counted_kbps(
    run: Run, system: System, point: Point, key: str, among: np.ndarray | None = None
) -> float | None:
    """Compute bits in all over seconds in all, in kbps, of the clips that have both.

    Arguments
    ---------
    run : Run
        Executed.
    system : System
        Of the run.
    point : Point
        One of its points.
    key : str
        Which bits: 'emitted_bits' or 'file_bits'.
    among : np.ndarray, optional
        Shape [C]: which clips count; all by default.

    Returns
    -------
    float or None
        None where no clip has both.
    """
    counted = np.ones(len(run.clips), bool) if among is None else among
    facts = [
        run.outcomes[Cell(clip.name, system.name, point, FACTS)].value
        for clip, taken in zip(run.clips, counted, strict=True)
        if taken
    ]
    known = [item for item in facts if item and item[key] is not None]
    seconds = sum(item["seconds"] for item in known)
    return sum(item[key] for item in known) / seconds / 1000 if seconds else None
