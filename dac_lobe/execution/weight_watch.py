"""Notice that weights have changed since they were folded or packed.

Each way to change weights leaves its own trace, and all are looked for:

    optimizer.step(), load_state_dict      the version counter of autograd
    .to(), .half(), remove weight norm     another tensor, or its place in memory
    codec.decoder.model[0] = layer         another module
    layer.register_forward_hook(...)       whether a module has hooks
    layer.forward = ...                    one attribute more
    layer.dilation = (3,)                  the attribute's value
    parameter.data.copy_(...)              none but the values: a sample of them,
                                           and of codebooks all

Buffers count as parameters do: a parametrization may compute a weight from them.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from operator import itemgetter
from typing import Any
from weakref import ref

import numpy as np
import torch
from torch import nn
from torch.nn.modules import module as every_module
from torch.nn.modules.conv import _ConvNd

from dac_lobe.execution.fork_lock import fork_lock

__all__ = ["Derived", "WeightWatch"]

# Values looked at per parameter. Who writes to .data writes all of it, except where
# single codes are moved.
SAMPLES = 4

# What a layer computes, beside its weights: methods that an object may have of its own,
# and the geometry of convolutions.
METHODS = {
    *("forward", "_conv_forward"),
    *("from_codes", "decode_code", "embed_code", "decode_latents"),
}
_geometry = itemgetter(
    *("stride", "padding", "dilation", "padding_mode", "groups", "output_padding")
)


class WeightWatch:
    """Remembers the state of all weights of a module, without keeping it alive.

    Arguments
    ---------
    module : nn.Module
        The module to watch.

    Attributes
    ----------
    ordinary : bool
        Whether weights are float32, layers have the methods of their class, and nobody
        waits for one to be called.

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
        self._usual = not any(map(_unusual, module.modules())) and all(
            parameter.dtype == torch.float32 for parameter in module.parameters()
        )
        weights = [*module.parameters(), *module.buffers()]
        self._weights = [ref(each) for each in weights]
        codebooks = {
            id(each.weight)
            for each in module.modules()
            if isinstance(each, nn.Embedding)
        }
        self._views = [
            _values(each, every=id(each) in codebooks)
            for each in weights
            if _has_values(each)
        ]
        self._values = self._look()

    @property
    def ordinary(self) -> bool:
        """Whether a layer does nothing but what its class and its weights say."""
        return self._usual and not (
            every_module._global_forward_hooks or every_module._global_forward_pre_hooks
        )

    def fresh(self) -> bool:
        """Tell whether every weight is as it was."""
        for reference, children, state in self._modules:
            module = reference()
            if module is None or _trace(module) != (children, state):
                return False
        alive = all(weight() is not None for weight in self._weights)
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
    >>> derived.get("size", lambda: layer.weight.numel())
    4
    >>> layer.weight.data.add_(1.0).shape, derived.fresh()
    (torch.Size([2, 2]), False)
    """

    def __init__(self, module: nn.Module):
        # The watch first: a change while we make things shows next time.
        self._watch = WeightWatch(module)
        self.module = ref(module)
        self._lock = fork_lock()
        self._parts: dict[str, Any] = {}

    @property
    def ordinary(self) -> bool:
        """As `WeightWatch` says."""
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
    """List a module's children; its class, attributes, hooks, weights and versions."""
    # Read from the dictionary: this is done for each module at each call.
    own = module.__dict__
    # A method of the object's own is one attribute more.
    seen: list[Any] = [type(module), len(own), _hooked(own)]
    if "output_padding" in own and isinstance(module, _ConvNd):
        seen.append(_geometry(own))
    weights = own["_parameters"].values()
    if own["_buffers"]:
        weights = chain(weights, own["_buffers"].values())
    for weight in weights:
        if weight is not None:
            inference = weight.is_inference()  # has no version
            version = -1 if inference else weight._version
            seen += id(weight), weight.data_ptr(), version, weight.dtype
    children = own["_modules"]
    return [id(child) for child in children.values()] if children else [], seen


def _hooked(own: dict[str, Any]) -> bool:
    """Tell whether something is called with a module's forward."""
    return bool(own["_forward_hooks"] or own["_forward_pre_hooks"])


def _unusual(module: nn.Module) -> bool:
    """Tell whether a module does more than its class does."""
    own = vars(module)
    return _hooked(own) or not METHODS.isdisjoint(own)


def _has_values(parameter: torch.Tensor) -> bool:
    """Tell whether numpy can look at a parameter without copying it."""
    return (
        parameter.device.type == "cpu"
        and parameter.is_contiguous()
        and parameter.numel() > 0
        and parameter.element_size() in (1, 2, 4, 8)
    )


def _values(parameter: torch.Tensor, every: bool) -> np.ndarray:
    """View a few values of a parameter, or every one, as integers: NaN equals itself."""
    integers = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    flat = parameter.detach().reshape(-1).view(integers[parameter.element_size()])
    return flat.numpy()[:: 1 if every else max(1, flat.numel() // SAMPLES)]
