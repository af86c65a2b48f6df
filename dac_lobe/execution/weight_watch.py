"""Notice that weights have changed since they were folded or packed.

Each way to change weights leaves its own trace, and all are looked for:

    optimizer.step(), load_state_dict      the version counter of autograd
    .to(), .half(), remove weight norm     another tensor, or its place in memory
    codec.decoder.model[0] = layer         another module
    parameter.data.copy_(...)              none but the values: a sample of them

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from weakref import ref

import numpy as np
import torch
from torch import nn

__all__ = ["Made", "WeightWatch"]

# Values looked at per parameter; whoever writes to .data writes all of it.
SAMPLES = 4


class WeightWatch:
    """Remembers the state of all parameters of a module, without keeping it alive.

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
        # Ids tell objects apart while all of them live.
        self._modules = [(ref(each), *_trace(each)) for each in module.modules()]
        parameters = list(module.parameters())
        self._parameters = [ref(each) for each in parameters]
        self._views = [_sample(p) for p in parameters if _has_sample(p)]
        self._values = self._look()

    def fresh(self) -> bool:
        """Tell whether every parameter is as it was."""
        for reference, children, parameters in self._modules:
            module = reference()
            if module is None or _trace(module) != (children, parameters):
                return False
        alive = all(parameter() is not None for parameter in self._parameters)
        return alive and self._look() == self._values

    def _look(self) -> bytes:
        """Read the sampled values. The views stay valid while the traces agree."""
        return b"".join([view.tobytes() for view in self._views])


class Made:
    """What was made from a module's weights, for as long as they stay.

    Arguments
    ---------
    module : nn.Module
        The module.

    Example
    -------
    >>> layer = nn.Linear(2, 2)
    >>> made = Made(layer)
    >>> made.get("sum", lambda: float(layer.weight.sum())) == float(layer.weight.sum())
    True
    >>> layer.weight.data.add_(1.0).shape, made.fresh()
    (torch.Size([2, 2]), False)
    """

    def __init__(self, module: nn.Module):
        # The watch first: a change while we make things shows next time.
        self._watch = WeightWatch(module)
        self._lock = threading.Lock()
        self._parts: dict[str, Any] = {}

    def fresh(self) -> bool:
        """Tell whether the weights are what they were."""
        return self._watch.fresh()

    def get(self, name: str, make: Callable[[], Any]) -> Any:
        """Return a part, made on first use."""
        with self._lock:
            if name not in self._parts:
                self._parts[name] = make()
            return self._parts[name]


def _trace(module: nn.Module) -> tuple[list[int], list[Any]]:
    """List a module's children; its parameters, their places and what autograd saw."""
    seen: list[Any] = []
    for parameter in module._parameters.values():
        if parameter is not None:
            inference = parameter.is_inference()  # has no version
            version = -1 if inference else parameter._version
            seen += id(parameter), parameter.data_ptr(), version, parameter.dtype
    children = module._modules
    return [id(child) for child in children.values()] if children else [], seen


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
