"""Find out, while training, which frames speak which character of a text.

For T frames and L characters the aligner gives a chance to every pair,

    p(l | t) = softmax over l of  q_t . k_l / sqrt(d) - (t/T - l/L)^2 / (2 s^2)

q from the sound, k from the text; the last term is a prior along the diagonal.
Speech goes through its text in order, without leaving anything out:

    character  A | x x . . . . .       a path: one step right at a time,
               B | . . x . . . .       and down by at most one
               C | . . . x x x x
                   t = 0 ...   6

The sum over all such paths is trained (`forward_sum_loss`), the best of them gives
the durations (`best_durations`): 2, 1 and 4 here. The loss is that of "One TTS
Alignment To Rule Them All" (https://arxiv.org/abs/2108.10447), the search that of
Glow-TTS (https://arxiv.org/abs/2005.11129).

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from dac_lobe.nnet.embedding import TokenEmbedding
from dac_lobe.nnet.masks import valid_mask
from dac_lobe.tokens.codebooks import Codebook

__all__ = ["TokenAligner", "best_durations", "forward_sum_loss"]

# Log chance of a frame that speaks no character, before normalising; the paper's.
BLANK = -1.0
# Log chance of what cannot be, the padding.
FLOOR = -1e4
# Standard deviation s of the prior, as a share of the utterance.
PRIOR_WIDTH = 0.15


class TokenAligner(nn.Module):
    """Chances of each character at each frame.

    Arguments
    ---------
    num_codebooks : int
        Codebooks K of the tokens.
    vocab_size : int
        Codes V of each.
    text_vocab_size : int
        Characters; 0 is padding.
    d_model : int
        Size of the convolutions over the sound.
    d_key : int
        Size d of keys and queries.
    dropout : float
        After each convolution.
    init_from : sequence of Codebook, optional
        Codebooks of the codec; random if None.
    codebook_dim, latent_dim : int, optional
        See `TokenEmbedding`.

    Example
    -------
    >>> aligner = TokenAligner(2, vocab_size=16, text_vocab_size=30)
    >>> text, tokens = torch.randint(1, 30, (1, 5)), torch.randint(16, (1, 20, 2))
    >>> log_chances = aligner(text, torch.ones(1), tokens, torch.ones(1))
    >>> log_chances.shape
    torch.Size([1, 20, 5])
    >>> int(best_durations(log_chances, torch.tensor([5]), torch.tensor([20])).sum())
    20
    """

    def __init__(
        self,
        num_codebooks: int,
        vocab_size: int,
        text_vocab_size: int,
        d_model: int = 128,
        d_key: int = 64,
        dropout: float = 0.1,
        init_from: Sequence[Codebook] | None = None,
        codebook_dim: int = 8,
        latent_dim: int | None = None,
    ):
        super().__init__()
        self.embedding = TokenEmbedding(
            num_codebooks,
            vocab_size,
            d_model,
            init_from=init_from,
            codebook_dim=codebook_dim,
            latent_dim=latent_dim,
        )
        # Two characters on both sides of a key, six frames of a query.
        self.characters = nn.Embedding(text_vocab_size, d_key, padding_idx=0)
        self.neighbours = nn.Conv1d(d_key, d_key, kernel_size=3, padding=1)
        self.scale = nn.LayerNorm(d_model)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(d_model, d_model, kernel_size=5, padding=2) for _ in range(2)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(d_model) for _ in range(2))
        self.query = nn.Conv1d(d_model, d_key, kernel_size=5, padding=2)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        text: torch.Tensor,
        text_lengths: torch.Tensor,
        tokens: torch.Tensor,
        token_lengths: torch.Tensor,
    ) -> torch.Tensor:
        """Compare text and sound.

        Arguments
        ---------
        text : torch.Tensor
            Characters of shape [B, L].
        text_lengths : torch.Tensor
            Relative lengths, shape [B].
        tokens : torch.Tensor
            Tokens of shape [B, F, K].
        token_lengths : torch.Tensor
            Relative lengths, shape [B].

        Returns
        -------
        torch.Tensor
            Log chances of the characters at each frame, shape [B, F, L].
        """
        keys = self.characters(text)
        keys = keys + self.neighbours(keys.transpose(1, 2)).transpose(1, 2)
        heard = valid_mask(tokens.shape[1], token_lengths)[..., None]
        x = self.scale(self.embedding(tokens)) * heard
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            y = norm(convolution(x.transpose(1, 2)).transpose(1, 2))
            x = self.dropout(y.relu()) * heard
        queries = self.query(x.transpose(1, 2)).transpose(1, 2)
        scores = (queries @ keys.transpose(1, 2)).float() / keys.shape[-1] ** 0.5
        away = _places(tokens, token_lengths)[..., None]
        away = (away - _places(text, text_lengths)[:, None]) / PRIOR_WIDTH
        written = valid_mask(text.shape[1], text_lengths)[:, None]
        scores = (scores - away.square() / 2).masked_fill(~written, float("-inf"))
        return scores.log_softmax(-1)


def _places(sequence: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Where each position of [B, N, ...] lies in its item, from 0 to 1."""
    size = sequence.shape[1]
    steps = torch.arange(size, device=sequence.device) + 0.5
    return steps / (lengths[:, None] * size).round().clamp(min=1)


def forward_sum_loss(
    log_chances: torch.Tensor, characters: torch.Tensor, frames: torch.Tensor
) -> torch.Tensor:
    """Negative log chance of all paths together, a frame may speak nothing.

    Arguments
    ---------
    log_chances : torch.Tensor
        Shape [B, F, L].
    characters : torch.Tensor
        Characters of each item, shape [B].
    frames : torch.Tensor
        Frames of each item, shape [B].

    Returns
    -------
    torch.Tensor
        Mean over the items of the loss per character; 0 for an item with fewer
        frames than characters.

    Example
    -------
    >>> certain = torch.tensor([[[0.0, -99.0], [-99.0, 0.0]]])
    >>> two = torch.tensor([2])
    >>> round(float(forward_sum_loss(certain, two, two)), 4)  # ln(1 + exp(BLANK))
    0.3133
    """
    # A text is its own alphabet: character l of it is class l + 1, blank is 0.
    # The gradient of ctc_loss is no number where a score is -inf.
    scores = F.pad(log_chances.clamp(min=FLOOR), (1, 0), value=BLANK).log_softmax(-1)
    classes = torch.arange(1, scores.shape[-1], device=scores.device)
    return F.ctc_loss(
        scores.transpose(0, 1).float(),
        classes.expand(len(scores), -1),
        frames,
        characters,
        zero_infinity=True,
    )


@torch.no_grad()
def best_durations(
    log_chances: torch.Tensor, characters: torch.Tensor, frames: torch.Tensor
) -> torch.Tensor:
    """Frames of each character on the likeliest path.

    Arguments
    ---------
    log_chances : torch.Tensor
        Shape [B, F, L].
    characters : torch.Tensor
        Characters of each item, shape [B].
    frames : torch.Tensor
        Frames of each item, shape [B].

    Returns
    -------
    torch.Tensor
        Durations of shape [B, L]: whole numbers as floats, at least 1 where there
        are as many frames as characters, 0 in the padding.

    Example
    -------
    >>> scores = torch.tensor([[[0.0, -9.0], [-5.0, -1.0], [-9.0, 0.0]]])
    >>> best_durations(scores, torch.tensor([2]), torch.tensor([3]))
    tensor([[1., 2.]])
    """
    scores = log_chances.float().clamp(min=FLOOR)
    batch, steps, length = scores.shape
    # best[l]: of the paths that are at l now. entered[t][l]: whether it came from
    # l - 1. All items walk together, one frame a step.
    best = torch.full_like(scores[:, 0], float("-inf"))
    best[:, 0] = scores[:, 0, 0]
    entered = []
    for t in range(1, steps):
        above = F.pad(best[:, :-1], (1, 0), value=float("-inf"))
        entered.append(above > best)
        best = torch.maximum(above, best) + scores[:, t]
    durations = torch.zeros_like(best)
    here = (characters - 1).to(scores.device)[:, None]
    for t in range(steps - 1, -1, -1):
        inside = (t < frames.to(scores.device))[:, None]
        durations.scatter_add_(1, here, inside.float())
        if t:
            here = here - (entered[t - 1].gather(1, here) & inside).long()
    return durations
