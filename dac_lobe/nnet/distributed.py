"""Several processes that train one model: what they average, and agree upon.

Each function does the same, or nothing, where there is one process alone.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

__all__ = [
    "average_gradients",
    "broadcast",
    "check_equal",
    "finite_everywhere",
    "unwrap",
]


def unwrap(module: nn.Module) -> nn.Module:
    """Return the module inside a DDP wrapper, or one that has none."""
    inner: nn.Module = (
        module.module if isinstance(module, DistributedDataParallel) else module
    )
    return inner


def average_gradients(module: nn.Module) -> None:
    """Average gradients, for what is trained outside DDP's forward."""
    if dist.is_initialized():
        for parameter in module.parameters():
            if parameter.grad is not None:
                dist.all_reduce(parameter.grad)
                parameter.grad /= dist.get_world_size()


@torch.no_grad()
def broadcast(tensors: Iterable[torch.Tensor]) -> None:
    """Give all processes the first one's values, in place."""
    if dist.is_initialized():
        for tensor in tensors:
            dist.broadcast(tensor, 0)


def finite_everywhere(loss: torch.Tensor) -> bool:
    """Whether a loss is a number in every process.

    Who leaves out a batch alone lets the others wait for its gradients.

    Arguments
    ---------
    loss : torch.Tensor
        A scalar.

    Returns
    -------
    bool
        The same in all processes.

    Example
    -------
    >>> finite_everywhere(torch.tensor(1.0)), finite_everywhere(torch.tensor(1e39))
    (True, False)
    """
    number = torch.isfinite(loss.detach()).float()
    if dist.is_initialized():
        dist.all_reduce(number, dist.ReduceOp.MIN)
    return bool(number)


def check_equal(module: nn.Module) -> int:
    """Make sure that all processes hold the same parameters.

    Arguments
    ---------
    module : nn.Module
        What holds them.

    Returns
    -------
    int
        How many processes there are; 0 without a group of them.

    Raises
    ------
    RuntimeError
        If they do not.
    """
    if not dist.is_initialized():
        return 0
    for name, parameter in module.named_parameters():
        theirs = parameter.detach().clone()
        dist.broadcast(theirs, 0)
        if not torch.equal(theirs, parameter):
            raise RuntimeError(f"{name} differs between processes")
    return dist.get_world_size()
