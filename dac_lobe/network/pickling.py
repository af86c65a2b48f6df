"""Codecs as objects that travel: pickle, copy, torch.save, worker processes.

torch puts each weight-normed layer into a class made for it alone, which no pickle
can name, and refuses. But the class follows from the layer's own class and the names
of the normed tensors: these, and the layer's attributes as those of any other module,
are what travels. So hooks travel too, and must be functions of a module.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable
from functools import partial
from multiprocessing.reduction import ForkingPickler
from typing import Any, TypeVar, cast

import torch
from torch import nn
from torch.nn.utils import parametrize

__all__ = ["FORMAT", "Portable", "picklable"]

# Of the attributes in a pickle; a change of what they mean makes it the next number.
FORMAT = 1

Module = TypeVar("Module", bound=nn.Module)


class Portable:
    """A base of modules: it reaches any process, and says so if it comes from another version."""

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**options)
        # torch's way of sending tensors is a file descriptor for each, and a
        # forkserver takes 256; it also moves the weights of the sender into shared
        # memory, where training would change them in the workers.
        ForkingPickler.register(cls, _send)

    def __getstate__(self) -> dict[str, Any]:
        """Name the format; all attributes travel, as those of any module."""
        # Layers that a subclass has normed are among its modules.
        picklable(cast(nn.Module, self))
        return {**self.__dict__, "format": FORMAT}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the attributes, if this version knows the format."""
        found = state.get("format")
        if found != FORMAT:
            raise ValueError(
                f"this pickle of a {type(self).__name__} has the format {found}; this "
                f"version reads {FORMAT}. Pickles are for processes of one version: "
                "keep a model with save(), and load it by from_pretrained()."
            )
        module = cast(Any, super())
        module.__setstate__({key: state[key] for key in state if key != "format"})


def _send(module: nn.Module) -> tuple[Callable[..., Any], tuple[bytes]]:
    """Send a module to another process as the bytes of a plain pickle."""
    return pickle.loads, (pickle.dumps(module, pickle.HIGHEST_PROTOCOL),)


def picklable(module: Module) -> Module:
    """Let a module's weight-normed layers be pickled, folded ones too.

    Arguments
    ---------
    module : nn.Module
        Changed in place; the classes of other modules are left alone.

    Returns
    -------
    nn.Module
        The same module.

    Example
    -------
    >>> from torch.nn.utils.parametrizations import weight_norm
    >>> layer = picklable(weight_norm(nn.Linear(2, 3)))
    >>> again = pickle.loads(pickle.dumps(layer))
    >>> torch.equal(again.weight, layer.weight)
    True
    """
    for layer in module.modules():
        if parametrize.is_parametrized(layer):
            setattr(type(layer), "__reduce_ex__", _reduce)  # noqa: B010
        held: Any
        for held in layer._load_state_dict_pre_hooks.values():
            # Weight norm's translation of old checkpoints is a local function.
            if getattr(held.hook, "__name__", "") == "_weight_norm_compat_hook":
                name = inspect.getclosurevars(held.hook).nonlocals["name"]
                held.hook = partial(_translate_old_names, name)
    return module


def _translate_old_names(
    name: str, state: dict[str, torch.Tensor], prefix: str, *_: Any
) -> None:
    """Rename ``weight_g`` and ``weight_v`` to what the parametrization calls them."""
    old = [f"{prefix}{name}_{half}" for half in "gv"]
    if all(key in state for key in old):
        for number, key in enumerate(old):
            new = f"{prefix}parametrizations.{name}.original{number}"
            state[new] = state.pop(key)


def _reduce(layer: nn.Module, protocol: Any) -> tuple[Callable[..., Any], Any, Any]:
    """Take a parametrized layer apart: how to make one like it, and its attributes."""
    base = parametrize.type_before_parametrizations(layer)
    names = tuple(cast(nn.ModuleDict, layer.parametrizations))
    return _make, (base, names), dict(layer.__dict__)


def _make(base: type[nn.Module], names: tuple[str, ...]) -> nn.Module:
    """Make a layer with these tensors parametrized; its attributes come after."""
    layer = base.__new__(base)
    nn.Module.__init__(layer)
    for name in names:
        layer.register_parameter(name, nn.Parameter(torch.empty(0)))
        parametrize.register_parametrization(layer, name, nn.Identity())
    return picklable(layer)
