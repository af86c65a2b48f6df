"""The filter's side of Winograd's F(4, 7), for dac_lobe/native/winograd.h.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from fractions import Fraction
from math import prod

import torch

__all__ = ["POINTS", "TAPS", "filter_transform"]

TAPS = 7
_PAIRS = (Fraction(2, 5), Fraction(4, 5), Fraction(5, 4), Fraction(5, 2))
_FINITE = (Fraction(0), *(sign * pair for pair in _PAIRS for sign in (1, -1)))
POINTS = len(_FINITE) + 1


def filter_transform() -> torch.Tensor:
    """Matrix that takes a filter's 7 taps to its values at 10 points.

    Row p holds the powers of point p, divided by the product of its distances
    from the other finite points (the normalisation of Lagrange's interpolation,
    which belongs to the outputs but costs nothing here). The last row is the
    point at infinity: the leading tap.

    Returns
    -------
    torch.Tensor
        Shape [10, 7], float64.

    Example
    -------
    >>> filter_transform().shape
    torch.Size([10, 7])
    """
    rows = []
    for point in _FINITE:
        scale = prod(point - other for other in _FINITE if other != point)
        rows.append([float(point**power / scale) for power in range(TAPS)])
    rows.append([0.0] * (TAPS - 1) + [1.0])
    return torch.tensor(rows, dtype=torch.float64)
