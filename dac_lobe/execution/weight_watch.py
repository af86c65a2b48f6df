"""Notice that weights have changed since they were folded or packed.

Each way to change weights leaves its own trace, and all are looked for:

    optimizer.step(), load_state_dict      the version counter of autograd
    .to(), .half(), remove weight norm     another tensor, or its place in memory
    codec.decoder.model[0] = layer         another module
    layer.register_forward_hook(...)       how many hooks a module has
    parameter.data.copy_(...)              none but the values: a sample of them,
                                           and of codebooks all

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

__all__ = ["Derived", "WeightWatch"]

# Values looked at per parameter. Who writes to .data writes all of it, except where
# single codes are moved.
SAMPLES = 4


class WeightWatch:
    """Remembers the state of all parameters of a module, without keeping it alive.

    Arguments
    ---------
    module : nn.Module
        The module to watch.

    Attributes
    ----------
    ordinary : bool
        Whether weights are float32 and nobody waits for a layer to be called.

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
        self.ordinary = not any(map(_hooks, module.modules())) and all(
            parameter.dtype == torch.float32 for parameter in parameters
        )
        self._parameters = [ref(each) for each in parameters]
        codebooks = {
            id(each.weight)
            for each in module.modules()
            if isinstance(each, nn.Embedding)
        }
        self._views = [
            _values(each, every=id(each) in codebooks)
            for each in parameters
            if _has_values(each)
        ]
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


class Derived:
    """What was made from a module's weights, for as long as they stay.

    Arguments
    ---------
    module : nn.Module
        The module.

    Attributes
    ----------
    module : weakref.ref
        Gives the module while it lives.

    Example
    -------
    >>> layer = nn.Linear(2, 2)
    >>> derived = Derived(layer)
    >>> derived.get("sum", lambda: float(layer.weight.sum())) == float(
    ...     layer.weight.sum()
    ... )
    True
    >>> layer.weight.data.add_(1.0).shape, derived.fresh()
    (torch.Size([2, 2]), False)
    """

    def __init__(self, module: nn.Module):
        # The watch first: a change while we make things shows next time.
        self._watch = WeightWatch(module)
        self.module = ref(module)
        self._lock = threading.Lock()
        self._parts: dict[str, Any] = {}

    @property
    def ordinary(self) -> bool:
        """Whether weights are float32 and nobody waits for a layer to be called."""
        return self._watch.ordinary

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
    """List a module's children and hooks; its parameters, places and versions."""
    seen: list[Any] = []
    for parameter in module._parameters.values():
        if parameter is not None:
            inference = parameter.is_inference()  # has no version
            version = -1 if inference else parameter._version
            seen += id(parameter), parameter.data_ptr(), version, parameter.dtype
    children = module._modules
    seen.append(_hooks(module))
    return [id(child) for child in children.values()] if children else [], seen


def _hooks(module: nn.Module) -> int:
    """Count what is called with a module's forward."""
    return len(module._forward_hooks) + len(module._forward_pre_hooks)


def _has_values(parameter: torch.Tensor) -> bool:
    """Tell whether numpy can look at a parameter without copying it."""
    return (
        parameter.device.type == "cpu"
        and parameter.is_contiguous()
        and parameter.numel() > 0
        and parameter.element_size() in (2, 4, 8)
    )


def _values(parameter: torch.Tensor, every: bool) -> np.ndarray:
    """View a few values of a parameter, or every one, as integers: NaN equals itself."""
    integers = {2: torch.int16, 4: torch.int32, 8: torch.int64}
    flat = parameter.detach().reshape(-1).view(integers[parameter.element_size()])
    return flat.numpy()[:: 1 if every else max(1, flat.numel() // SAMPLES)]
