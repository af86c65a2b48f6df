"""The three names that the field has for the number of codebooks.

The paper's own code says ``n_quantizers`` where it encodes and ``n_codebooks`` where it
builds; everybody else says ``num_codebooks``. A function spells the one that its
drop-in signature has, and takes the others as well.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["NAMES", "codebooks_by_any_name"]

NAMES = ("num_codebooks", "n_codebooks", "n_quantizers")

P = ParamSpec("P")
R = TypeVar("R")


def codebooks_by_any_name(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function take its number of codebooks under each of `NAMES`.

    Arguments
    ---------
    function : callable
        Has one parameter of these names. Its signature, and what a type checker knows
        of it, stay.

    Returns
    -------
    callable
        Raises ValueError where two of the names are given.

    Example
    -------
    >>> @codebooks_by_any_name
    ... def bitrate(num_codebooks: int = 12) -> int:
    ...     return 500 * num_codebooks
    >>> bitrate(n_quantizers=4)
    2000
    """
    (own,) = set(NAMES) & set(inspect.signature(function).parameters)
    place = list(inspect.signature(function).parameters).index(own)
    others = [name for name in NAMES if name != own]

    @functools.wraps(function)
    def renamed(*args: P.args, **kwargs: P.kwargs) -> R:
        given = [name for name in others if name in kwargs]
        if given:
            twice = [own] if own in kwargs or len(args) > place else []
            if len(given) + len(twice) > 1:
                names = " and ".join(twice + given)
                raise ValueError(f"{names} are one argument. Give one of them.")
            kwargs[own] = kwargs.pop(given[0])
        return function(*args, **kwargs)

    return renamed
