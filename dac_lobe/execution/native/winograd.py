"""The filters' side of Winograd's minimal filtering, for the native kernel.

F(m, r) makes m outputs of a filter of r taps from m + r - 1 products: those of
two polynomials' values at as many points, of which one is infinity. The inputs'
and the outputs' side is in dac_lobe/execution/native/winograd.h and strided.h.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import functools
from fractions import Fraction
from math import prod
from typing import NamedTuple

import torch

__all__ = [
    "F32",
    "F47",
    "Filtering",
    "filter_transform",
]

_PAIRS = (Fraction(2, 5), Fraction(4, 5), Fraction(5, 4), Fraction(5, 2))


class Filtering(NamedTuple):
    """One F(m, r).

    Attributes
    ----------
    outputs : int
        m.
    taps : int
        r.
    finite : tuple of Fraction
        The m + r - 2 finite points, in the kernel's order; infinity comes last.
    """

    outputs: int
    taps: int
    finite: tuple[Fraction, ...]

    @property
    def points(self) -> int:
        """Number of points, and of products."""
        return len(self.finite) + 1


F47 = Filtering(
    4, 7, (Fraction(0), *(sign * pair for pair in _PAIRS for sign in (1, -1)))
)
F32 = Filtering(3, 2, (Fraction(0), Fraction(1), Fraction(-1)))


@functools.cache
def filter_transform(filtering: Filtering) -> torch.Tensor:
    """Matrix that takes a filter's taps to its values at the points.

    Row p holds the powers of point p, divided by the product of its distances
    from the other finite points (the normalisation of Lagrange's interpolation,
    which belongs to the outputs but costs nothing here). The last row is the
    point at infinity: the leading tap.

    Arguments
    ---------
    filtering : Filtering
        `F47` or `F32`.

    Returns
    -------
    torch.Tensor
        Shape [points, taps], float64.

    Example
    -------
    >>> filter_transform(F32)
    tensor([[-1.0000,  0.0000],
            [ 0.5000,  0.5000],
            [ 0.5000, -0.5000],
            [ 0.0000,  1.0000]], dtype=torch.float64)
    """
    rows = []
    for point in filtering.finite:
        scale = prod(point - other for other in filtering.finite if other != point)
        rows.append([float(point**power / scale) for power in range(filtering.taps)])
    rows.append([0.0] * (filtering.taps - 1) + [1.0])
    return torch.tensor(rows, dtype=torch.float64, device="cpu")
