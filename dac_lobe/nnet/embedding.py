"""Token embeddings that can start from what the codes mean.

For a frame with codes t_1 ... t_K the residual quantizer's latent is

    z = sum over k of  W_k R_k[t_k] + b_k

R_k the rows of codebook k (8 numbers each), W_k and b_k its way into the latent
space. `TokenEmbedding` keeps that factorised form: its parameters are R, W and
b, a hundredth of K full tables, and initialised from a token store its output
*is* z, the codec's own continuous feature.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from dac_lobe.dac import DAC
from dac_lobe.tokens.codebooks import (
    CODEBOOKS_FILE,
    Codebook,
    codebooks_of,
    load_codebooks,
)

__all__ = ["POOLINGS", "TokenEmbedding", "draw_prefixes"]

POOLINGS = ("sum", "attention", "concat")


def _read_codebooks(source: str | Path) -> list[Codebook]:
    """Read the codebooks of a store, or of a codec."""
    if (Path(source) / CODEBOOKS_FILE).is_file():
        return load_codebooks(source)
    return codebooks_of(DAC.from_pretrained(source))


def draw_prefixes(
    batch: int, num_codebooks: int, probability: float = 1.0
) -> torch.Tensor:
    """Draw how many codebooks each item of a training batch keeps.

    A model that has seen every prefix works at every bitrate.

    Arguments
    ---------
    batch : int
        Number of items B.
    num_codebooks : int
        All codebooks K.
    probability : float
        Of an item keeping 1 to K of them, drawn evenly; the others keep all.

    Returns
    -------
    torch.Tensor
        Codebooks to keep, shape [B].

    Example
    -------
    >>> draw_prefixes(3, num_codebooks=12, probability=0.0)
    tensor([12, 12, 12])
    """
    drawn = torch.randint(1, num_codebooks + 1, (batch,))
    return torch.where(torch.rand(batch) < probability, drawn, num_codebooks)


class TokenEmbedding(nn.Module):
    """Embed tokens [B, F, K] as features [B, F, D].

    Arguments
    ---------
    num_codebooks : int
        Codebooks K of the tokens; shorter prefixes are accepted too.
    vocab_size : int
        Codes V of each codebook.
    emb_dim : int, optional
        Size D of the features. If None it is the codec's latent dimension, or
        256 without a codec; another size is reached by a linear layer.
    pooling : str
        'sum' over codebooks (with ``init_from``: the quantised latent),
        'attention' (a learned weighting of the same summands), or 'concat' (the
        codebook rows side by side).
    init_from : str, Path or list of Codebook, optional
        Token store, or codec as for `DAC.from_pretrained`, to take the codebooks
        from; random if None.
    codebook_dim : int
        Size of a row where it is random.
    latent_dim : int, optional
        Size of the summed latent where it is random; ``emb_dim`` if None. With
        both sizes, the module has the shape of one made from a codec.

    Raises
    ------
    ValueError
        If an argument is not allowed, or the codebooks are others.

    Example
    -------
    >>> embedding = TokenEmbedding(num_codebooks=4, vocab_size=16, emb_dim=32)
    >>> tokens = torch.randint(16, (2, 10, 4))
    >>> embedding(tokens).shape
    torch.Size([2, 10, 32])
    >>> embedding(tokens, keep=torch.tensor([1, 4])).shape  # codebooks of each item
    torch.Size([2, 10, 32])
    """

    def __init__(
        self,
        num_codebooks: int,
        vocab_size: int,
        emb_dim: int | None = None,
        pooling: str = "sum",
        init_from: str | Path | Sequence[Codebook] | None = None,
        codebook_dim: int = 8,
        latent_dim: int | None = None,
    ):
        super().__init__()
        if pooling not in POOLINGS:
            raise ValueError(
                f"pooling={pooling!r}; choose one of {', '.join(POOLINGS)}."
            )
        self.num_codebooks = num_codebooks
        self.vocab_size = vocab_size
        self.pooling = pooling
        if init_from is None:
            rows, weight, bias = self._random(
                codebook_dim, latent_dim or emb_dim or 256
            )
        else:
            rows, weight, bias = self._from_codebooks(init_from)
        self.codebook_dim, latent_dim = rows.shape[1], weight.shape[1]
        self.rows = nn.Embedding.from_pretrained(rows, freeze=False)
        if pooling == "concat":
            natural = num_codebooks * self.codebook_dim
        else:
            natural = latent_dim
            self.weight = nn.Parameter(weight)
            self.bias = nn.Parameter(bias)
        if pooling == "attention":
            self.score = nn.Sequential(
                nn.Linear(natural, natural), nn.ReLU(), nn.Linear(natural, 1)
            )
        self.emb_dim = emb_dim or natural
        self.project = (
            nn.Identity()
            if self.emb_dim == natural
            else nn.Linear(natural, self.emb_dim)
        )
        self.offsets: torch.Tensor
        self.register_buffer(
            "offsets", vocab_size * torch.arange(num_codebooks), persistent=False
        )

    def forward(
        self, tokens: torch.Tensor, keep: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Embed tokens.

        Arguments
        ---------
        tokens : torch.Tensor
            Integers of shape [B, F, K'], K' from 1 to K.
        keep : torch.Tensor, optional
            How many codebooks of each item to look at, shape [B]; all by default.

        Returns
        -------
        torch.Tensor
            Features of shape [B, F, emb_dim].

        Raises
        ------
        ValueError
            If the shape or a value of ``tokens`` is not allowed.
        """
        self._check(tokens)
        used = tokens.shape[-1]
        rows = self.rows(tokens + self.offsets[:used])  # [B, F, K', d]
        kept = torch.ones(len(tokens), used, dtype=rows.dtype, device=rows.device)
        if keep is not None:
            stages = torch.arange(used, device=rows.device)
            kept = (stages < keep.to(rows.device)[:, None]).to(rows.dtype)
        if self.pooling == "attention":
            return self.project(self._attend(rows, kept))
        flat = (rows * kept[:, None, :, None]).flatten(2)  # [B, F, K' d]
        if self.pooling == "concat":
            missing = (self.num_codebooks - used) * self.codebook_dim
            return self.project(nn.functional.pad(flat, (0, missing)))
        # [W_1 ... W_K'] [R_1; ...; R_K']: the sum over codebooks as one product.
        weight = self.weight[:used].transpose(0, 1).flatten(1)
        return self.project(flat @ weight.T + (kept @ self.bias[:used])[:, None])

    def _attend(self, rows: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        """Weigh the summands of the kept codebooks against each other."""
        used = rows.shape[2]
        summands = torch.einsum("bfkd,kDd->bfkD", rows, self.weight[:used])
        summands = summands + self.bias[:used]
        scores = self.score(summands).squeeze(-1)
        scores = scores.masked_fill(kept[:, None] == 0, float("-inf"))
        return torch.einsum("bfk,bfkD->bfD", scores.softmax(-1), summands)

    def _check(self, tokens: torch.Tensor) -> None:
        """Raise a ValueError for tokens of another shape or codec."""
        if tokens.dim() != 3 or not 1 <= tokens.shape[-1] <= self.num_codebooks:
            raise ValueError(
                f"tokens have shape {tuple(tokens.shape)}; [B, F, K] with 1 to "
                f"{self.num_codebooks} codebooks is needed. Codes [B, K, F] become "
                "tokens by .transpose(1, 2)."
            )
        # On an accelerator the look would wait for the device; there the token
        # store has looked already.
        if tokens.device.type == "cpu" and tokens.numel():
            low, high = (int(bound) for bound in torch.aminmax(tokens))
            if low < 0 or high >= self.vocab_size:
                raise ValueError(
                    f"tokens lie in [{low}, {high}]; the vocabulary is "
                    f"[0, {self.vocab_size - 1}]. Pad with 0, and remove special tokens."
                )

    def _random(
        self, codebook_dim: int, latent_dim: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Draw parameters that make features of unit variance."""
        codebooks = self.num_codebooks
        scale = (codebooks * codebook_dim) ** -0.5
        return (
            torch.randn(codebooks * self.vocab_size, codebook_dim),
            torch.randn(codebooks, latent_dim, codebook_dim) * scale,
            torch.zeros(codebooks, latent_dim),
        )

    def _from_codebooks(
        self, source: str | Path | Sequence[Codebook]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Take the parameters from a codec."""
        if isinstance(source, (str, Path)):
            source = _read_codebooks(source)
        if len(source) < self.num_codebooks:
            raise ValueError(
                f"num_codebooks={self.num_codebooks} but the codec has "
                f"{len(source)}. Choose 1 to {len(source)}."
            )
        codebooks = source[: self.num_codebooks]
        if any(len(codebook.rows) != self.vocab_size for codebook in codebooks):
            raise ValueError(
                f"vocab_size={self.vocab_size} but the store's codebooks have "
                f"{len(codebooks[0].rows)} codes. Read both from the store's meta."
            )
        widest = max(codebook.rows.shape[1] for codebook in codebooks)

        def widen(matrix: torch.Tensor) -> torch.Tensor:
            return nn.functional.pad(matrix, (0, widest - matrix.shape[1]))

        return (
            torch.cat([widen(codebook.rows) for codebook in codebooks]),
            torch.stack([widen(codebook.weight) for codebook in codebooks]),
            torch.stack([codebook.bias for codebook in codebooks]),
        )
