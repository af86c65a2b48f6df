"""What the fast path knows: layers that compute what their class says, and no more.

A subclass is known where it changes nothing of what the fast path computes itself: a
layer with a low-rank adapter in its forward is not. A class that gives the same in
another way says so: ``same_as = nn.Conv1d``.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from typing import TypeGuard, TypeVar

from torch import nn

from dac_lobe.execution.weight_watch import METHODS

__all__ = ["is_known"]

Layer = TypeVar("Layer", bound=nn.Module)


def is_known(layer: nn.Module, kind: type[Layer]) -> TypeGuard[Layer]:
    """Tell whether a layer is of a kind, and computes what that kind does.

    Arguments
    ---------
    layer : nn.Module
        The layer, with a parametrization or without. Methods of the object's own are
        for `WeightWatch`.
    kind : type
        A class of layers.

    Returns
    -------
    bool

    Example
    -------
    >>> class Louder(nn.Conv1d):
    ...     def forward(self, x):
    ...         return 2 * super().forward(x)
    >>> is_known(nn.Conv1d(1, 1, 1), nn.Conv1d), is_known(Louder(1, 1, 1), nn.Conv1d)
    (True, False)
    """
    if vars(type(layer)).get("same_as") is kind:
        return True
    # The class that torch makes for a parametrized layer inherits its methods.
    return isinstance(layer, kind) and all(
        getattr(type(layer), name, None) is getattr(kind, name, None)
        for name in ("__call__", *METHODS)
    )
