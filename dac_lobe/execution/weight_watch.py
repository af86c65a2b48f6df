"""Notice that weights have changed since they were folded or packed.

Three ways to change a parameter leave three traces, and all are looked for:

    optimizer.step(), load_state_dict      the version counter of autograd
    .to(), .half(), remove weight norm     another tensor, or its place in memory
    parameter.data.copy_(...)              none but the values: a sample of them

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

__all__ = ["WeightWatch"]

# Values looked at per parameter; whoever writes to .data writes all of it.
SAMPLES = 4


class WeightWatch:
    """Remembers the state of all parameters of a module.

    Arguments
    ---------
    module : nn.Module
        The module to watch.

    Example
    -------
    >>> layer = nn.Linear(2, 2)
    >>> watch = WeightWatch(layer)
    >>> watch.fresh()
    True
    >>> layer.weight.data.add_(1.0).shape
    torch.Size([2, 2])
    >>> watch.fresh()
    False
    """

    def __init__(self, module: nn.Module):
        self._modules = list(module.modules())
        parameters = list(self._parameters())
        self._traces = list(map(_trace, parameters))
        self._structure = self._count()
        self._views = [_sample(p) for p in parameters if _has_sample(p)]
        self._values = self._look()

    def fresh(self) -> bool:
        """Tell whether every parameter is as it was."""
        return (
            self._count() == self._structure
            and list(map(_trace, self._parameters())) == self._traces
            and self._look() == self._values
        )

    def _parameters(self) -> Iterator[torch.Tensor]:
        """Parameters of the watched modules, in order."""
        for module in self._modules:
            for parameter in module._parameters.values():
                if parameter is not None:
                    yield parameter

    def _count(self) -> list[tuple[int, int]]:
        """How many parameters and children each module has."""
        return [(len(m._parameters), len(m._modules)) for m in self._modules]

    def _look(self) -> bytes:
        """Read the sampled values. The views stay valid while the traces agree."""
        return b"".join([view.tobytes() for view in self._views])


def _trace(parameter: torch.Tensor) -> tuple[int, int, torch.dtype, bool]:
    """Where a parameter lies, and how often autograd saw it change."""
    inference = parameter.is_inference()
    version = -1 if inference else parameter._version
    return parameter.data_ptr(), version, parameter.dtype, inference


def _has_sample(parameter: torch.Tensor) -> bool:
    """Tell whether numpy can look at a parameter without copying it."""
    return (
        parameter.device.type == "cpu"
        and parameter.is_contiguous()
        and parameter.numel() > 0
        and parameter.element_size() in (2, 4, 8)
    )


def _sample(parameter: torch.Tensor) -> np.ndarray:
    """View a few values, spread over the parameter."""
    integers = {2: torch.int16, 4: torch.int32, 8: torch.int64}
    flat = parameter.detach().reshape(-1).view(integers[parameter.element_size()])
    return flat.numpy()[:: max(1, flat.numel() // SAMPLES)]
