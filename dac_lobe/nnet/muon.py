"""Muon: momentum whose every matrix update is made orthogonal.

Idea and constants: Keller Jordan et al., "Muon: An optimizer for hidden layers
in neural networks" (2024), with the update size of "Muon is Scalable for LLM
Training" (https://arxiv.org/abs/2502.16982). ``torch.optim.Muon`` takes
matrices only; convolutions have three axes, which are flattened to
[first axis, the rest] here.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim.optimizer import ParamsT

__all__ = ["Muon", "orthogonalise"]

# Quintic Newton-Schulz: drives singular values into about [0.7, 1.2].
QUINTIC = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrix: torch.Tensor, iterations: int = 5) -> torch.Tensor:
    """Replace all singular values of a matrix by about 1.

    Each step is ``X <- (a I + b A + c A^2) X`` with ``A = X X^T``. The
    polynomials of A commute, so the steps are taken on the small Gram matrix
    and multiplied into X once: a convolution flattened to [256, 2560] costs a
    quarter of the usual form.

    Arguments
    ---------
    matrix : torch.Tensor
        Shape [M, N].
    iterations : int
        Number of steps.

    Returns
    -------
    torch.Tensor
        Shape [M, N].

    Example
    -------
    >>> values = torch.linalg.svdvals(orthogonalise(torch.randn(4, 9)))
    >>> bool((values > 0.5).all() and (values < 1.5).all())
    True
    """
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonalise(matrix.T, iterations).T
    a, b, c = QUINTIC
    matrix = matrix / (matrix.norm() + 1e-7)
    gram = matrix @ matrix.T
    identity = torch.eye(len(gram), device=gram.device, dtype=gram.dtype)
    product = None
    for left in reversed(range(iterations)):
        step = a * identity + b * gram + c * (gram @ gram)
        product = step if product is None else step @ product
        if left:
            gram = step @ gram @ step
    return matrix if product is None else product @ matrix


class Muon(torch.optim.Optimizer):
    """Muon for a module's convolutions, AdamW for everything else in it.

    Arguments
    ---------
    params : iterable
        Parameters or parameter groups. Tensors with three or more axes and
        more than one row and column go to Muon, the rest to AdamW. A group
        with ``muon=False`` goes to AdamW whole.
    lr : float
        Learning rate of both; Muon's updates are scaled to the size of Adam's.
    momentum : float
        Of Muon.
    betas : (float, float)
        Of AdamW.
    weight_decay : float
        Decoupled, of both.
    eps : float
        Added to AdamW's denominator.

    Example
    -------
    >>> layer = nn.Conv1d(4, 4, 3)
    >>> optimizer = Muon(layer.parameters(), lr=0.01)
    >>> layer(torch.ones(1, 4, 8)).sum().backward()
    >>> optimizer.step()
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.8, 0.99),
        weight_decay: float = 0.01,
        eps: float = 1e-8,
    ):
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "betas": betas,
            "weight_decay": weight_decay,
            "eps": eps,
            "muon": True,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(  # type: ignore[override]  # torch overloads it
        self, closure: Callable[[], float] | None = None
    ) -> float | None:
        """Update all parameters that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                matrix = parameter.dim() > 2 and min(parameter.shape[:2]) > 1
                update = self._muon if group["muon"] and matrix else self._adam
                gradient = parameter.grad
                parameter.add_(update(parameter, gradient, group), alpha=-group["lr"])
        return loss

    def _muon(
        self, parameter: nn.Parameter, gradient: torch.Tensor, group: dict[str, Any]
    ) -> torch.Tensor:
        """Orthogonal update, root mean square about 0.2 as AdamW's."""
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum = state["momentum"].mul_(group["momentum"]).add_(gradient)
        ahead = gradient.add(momentum, alpha=group["momentum"]).flatten(1)
        size = 0.2 * max(ahead.shape) ** 0.5
        return (orthogonalise(ahead) * size).view_as(parameter)

    def _adam(
        self, parameter: nn.Parameter, gradient: torch.Tensor, group: dict[str, Any]
    ) -> torch.Tensor:
        """Adam update with bias correction."""
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state["mean"] = torch.zeros_like(parameter)
            state["square"] = torch.zeros_like(parameter)
        state["step"] += 1
        step = float(state["step"])
        first, second = group["betas"]
        mean = state["mean"].lerp_(gradient, 1 - first)
        square = state["square"].lerp_(gradient.square(), 1 - second)
        scale = (square / (1 - second**step)).sqrt_().add_(group["eps"])
        return (mean / (1 - first**step)).div_(scale)
