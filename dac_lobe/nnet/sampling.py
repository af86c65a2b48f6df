"""Choose tokens from scores: guidance, temperature, the best few.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import torch

__all__ = ["draw", "guide"]


def guide(given: torch.Tensor, free: torch.Tensor, scale: float) -> torch.Tensor:
    """Strengthen what a condition changes: classifier-free guidance.

    ``log p(x) + scale * (log p(x | text) - log p(x))``; 1 is the model as trained,
    more keeps closer to the text (https://arxiv.org/abs/2207.12598; for tokens of
    audio, https://arxiv.org/abs/2209.15352).

    Arguments
    ---------
    given : torch.Tensor
        Scores with the condition, shape [..., V]; -inf for what is not allowed.
    free : torch.Tensor
        Scores without it, -inf at the same places.
    scale : float
        Strength.

    Returns
    -------
    torch.Tensor
        Scores of the same shape.

    Example
    -------
    >>> free, given = torch.zeros(2), torch.tensor([0.0, 1.0])
    >>> guide(given, free, 2.0).softmax(-1)[1] > given.softmax(-1)[1]
    tensor(True)
    """
    given, free = given.log_softmax(-1), free.log_softmax(-1)
    guided = free + scale * (given - free)
    return torch.where(given.isinf(), given, guided)  # -inf - -inf is no number


def draw(
    scores: torch.Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Draw a token from each row of scores.

    Arguments
    ---------
    scores : torch.Tensor
        Shape [..., V].
    temperature : float
        0 takes the likeliest; no less.
    top_k : int, optional
        Draw from this many of the likeliest; all by default.
    generator : torch.Generator, optional
        Source of the randomness.

    Returns
    -------
    torch.Tensor
        Tokens of shape [...].

    Raises
    ------
    ValueError
        If the temperature is below 0 or no number, or ``top_k`` below 1.

    Example
    -------
    >>> draw(torch.tensor([[0.0, 3.0], [2.0, 1.0]]), temperature=0)
    tensor([1, 0])
    """
    if not 0 <= temperature < float("inf"):
        raise ValueError(
            f"temperature={temperature}. Give 0, for the likeliest token, or more."
        )
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k={top_k}. Give a number of tokens to draw from.")
    if temperature == 0:
        return scores.argmax(-1)
    size = scores.shape[-1]
    best, tokens = scores.topk(min(size if top_k is None else top_k, size), dim=-1)
    chances = (best / temperature).softmax(-1).flatten(0, -2)
    drawn = torch.multinomial(chances, 1, generator=generator)
    return tokens.gather(-1, drawn.view(*tokens.shape[:-1], 1)).squeeze(-1)
