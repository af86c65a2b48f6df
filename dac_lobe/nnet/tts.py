"""A small autoregressive model of codec tokens, given a text and a speaker.

    text --TextEncoder--> memory, durations
    tokens of the steps before --embedding--> layers --heads--> tokens of this step
                                               ^ memory

Tokens follow the delay pattern (`dac_lobe.nnet.delay`). Beside the V codes an
input may be "absent" (V) or "masked" (V + 1), and codebook 0 may predict "stop"
(class V of its head); none of them ever reaches the codec.

In training an aligner (`dac_lobe.nnet.aligner`) finds the characters in the tokens,
and attention (`dac_lobe.nnet.speaking_layer`) lies where they are from the first
step; the text encoder learns these durations, and speaks by its own.

Some items are trained without their text. The difference that a text makes can
then be strengthened (`dac_lobe.nnet.sampling.guide`): what a small model has heard
of the words would else be lost among what it has heard of voices.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import nn

from dac_lobe.nnet.aligner import TokenAligner, best_durations, forward_sum_loss
from dac_lobe.nnet.delay import delay
from dac_lobe.nnet.embedding import TokenEmbedding
from dac_lobe.nnet.generation import Generated, generate
from dac_lobe.nnet.masks import valid_mask
from dac_lobe.nnet.speaking_layer import SpeakingLayer, TextMemory
from dac_lobe.nnet.text_encoder import TextEncoder
from dac_lobe.tokens.codebooks import Codebook, load_codebooks

__all__ = ["Predicted", "TokenSynthesizer"]


class Predicted(NamedTuple):
    """What the model says about a batch in training.

    Attributes
    ----------
    logits : torch.Tensor
        Of each codebook at each step, shape [B, S, K, V + 1].
    targets : torch.Tensor
        What they should predict, shape [B, S, K]; -100 where nothing is asked.
    durations : torch.Tensor
        Frames of each character as the model would speak it, shape [B, L].
    aligned : torch.Tensor
        Frames of each character as it was spoken, shape [B, L].
    alignment_loss : torch.Tensor
        Of finding them, a scalar; 0 where they were given.
    """

    logits: torch.Tensor
    targets: torch.Tensor
    durations: torch.Tensor
    aligned: torch.Tensor
    alignment_loss: torch.Tensor


class TokenSynthesizer(nn.Module):
    """Text to codec tokens.

    Arguments
    ---------
    num_codebooks : int
        Codebooks K to model.
    vocab_size : int
        Codes V of each.
    text_vocab_size : int
        Characters; 0 is padding.
    num_speakers : int
        Speakers.
    d_model, nhead, num_layers, d_ffn : int
        Size of the decoder.
    text_layers : int
        Convolutions of the text encoder.
    frames_per_character : float
        Duration to start from.
    dropout : float
        Everywhere.
    mask_probability : float
        Of a step's input being masked in training: the model learns to read
        the text instead of continuing the sound.
    unconditional_probability : float
        Of an item being trained without its text, which `generate` needs for a
        ``guidance_scale``.
    init_from : str, Path or list of Codebook, optional
        Token store to take the codebooks from; random if None.
    codebook_dim : int
        Size of a codebook row, without ``init_from``.
    latent_dim : int, optional
        Size of the codec's latent, without ``init_from``.

    Example
    -------
    >>> model = TokenSynthesizer(2, 16, 30, d_model=32, nhead=2, num_layers=1, d_ffn=64)
    >>> text, tokens = torch.randint(1, 30, (3, 8)), torch.randint(16, (3, 20, 2))
    >>> lengths = torch.tensor([1.0, 0.5, 0.7])
    >>> model(text, lengths, tokens, lengths).logits.shape
    torch.Size([3, 22, 2, 17])
    >>> generated = model.eval().generate(text, lengths, max_frames=10)
    >>> len(generated.tokens)
    3
    """

    def __init__(
        self,
        num_codebooks: int,
        vocab_size: int,
        text_vocab_size: int,
        num_speakers: int = 1,
        d_model: int = 192,
        nhead: int = 4,
        num_layers: int = 4,
        d_ffn: int = 768,
        text_layers: int = 3,
        frames_per_character: float = 6.0,
        dropout: float = 0.1,
        mask_probability: float = 0.0,
        unconditional_probability: float = 0.1,
        init_from: str | Path | Sequence[Codebook] | None = None,
        codebook_dim: int = 8,
        latent_dim: int | None = None,
    ):
        super().__init__()
        self.num_codebooks = num_codebooks
        self.vocab_size = vocab_size
        self.absent, self.masked, self.stop = vocab_size, vocab_size + 1, vocab_size
        self.mask_probability = mask_probability
        self.unconditional_probability = unconditional_probability
        self.speakers = nn.Embedding(num_speakers, d_model)
        nn.init.normal_(self.speakers.weight, std=0.1)
        self.text = TextEncoder(
            text_vocab_size, d_model, text_layers, frames_per_character, dropout
        )
        if isinstance(init_from, (str, Path)):
            init_from = load_codebooks(init_from)
        self.aligner = TokenAligner(
            num_codebooks,
            vocab_size,
            text_vocab_size,
            init_from=init_from,
            codebook_dim=codebook_dim,
            latent_dim=latent_dim,
        )
        self.no_text = nn.Parameter(0.1 * torch.randn(d_model))
        if init_from is not None:
            init_from = [_with_specials(book) for book in init_from[:num_codebooks]]
        self.embedding = TokenEmbedding(
            num_codebooks,
            vocab_size + 2,
            d_model,
            init_from=init_from,
            codebook_dim=codebook_dim,
            latent_dim=latent_dim,
        )
        self.scale = nn.LayerNorm(d_model)
        layers = (
            SpeakingLayer(d_model, nhead, d_ffn, dropout) for _ in range(num_layers)
        )
        # A ModuleList does not say what it holds.
        self.layers = cast("Sequence[SpeakingLayer]", nn.ModuleList(layers))
        self.norm = nn.LayerNorm(d_model)
        self.heads = nn.Linear(d_model, num_codebooks * (vocab_size + 1))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        text: torch.Tensor,
        text_lengths: torch.Tensor,
        tokens: torch.Tensor,
        token_lengths: torch.Tensor,
        speakers: torch.Tensor | None = None,
        durations: torch.Tensor | None = None,
    ) -> Predicted:
        """Predict every step of a batch from the steps before it.

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
        speakers : torch.Tensor, optional
            Numbers of the speakers, shape [B]; 0 by default.
        durations : torch.Tensor, optional
            Frames of each character, from an aligner of your own, shape [B, L];
            found here by default.

        Returns
        -------
        Predicted
            Logits and targets; durations, and how well they were found.
        """
        frames = (token_lengths * tokens.shape[1]).round().long().clamp(min=1)
        # One step more: where codebook 0 says "stop".
        padded = F.pad(tokens, (0, 0, 0, 1))
        delayed = delay(padded, frames, self.absent)
        targets = delayed.masked_fill(delayed == self.absent, -100)
        targets[torch.arange(len(targets)), frames, 0] = self.stop
        aligned, alignment_loss = durations, torch.zeros((), device=text.device)
        if aligned is None:
            characters = (text_lengths * text.shape[1]).round().long()
            chances = self.aligner(text, text_lengths, tokens, token_lengths)
            alignment_loss = forward_sum_loss(chances, characters, frames)
            aligned = best_durations(chances, characters, frames)
        memory, predicted = self.read_text(text, text_lengths, speakers, aligned)
        if self.training and self.unconditional_probability:
            chance = torch.rand(len(text), 1, 1, device=text.device)
            without = chance < self.unconditional_probability
            memory = memory._replace(
                features=torch.where(without, self.no_text, memory.features)
            )
        inputs = F.pad(delayed[:, :-1], (0, 0, 1, 0), value=self.absent)
        if self.training and self.mask_probability:
            hidden = torch.rand(inputs.shape[:2], device=inputs.device)
            hidden = (hidden < self.mask_probability)[..., None]
            inputs = inputs.masked_fill(hidden, self.masked)
        positions = torch.arange(inputs.shape[1], device=inputs.device)
        x = self.embed_steps(inputs, positions, speakers)
        for layer in self.layers:
            x, _ = layer(x, memory, layer.read(memory), positions)
        logits = self.score_steps(x)
        return Predicted(logits, targets, predicted, aligned, alignment_loss)

    def generate(
        self,
        text: torch.Tensor,
        text_lengths: torch.Tensor,
        speakers: torch.Tensor | None = None,
        *,
        temperature: float = 0.8,
        top_k: int = 20,
        guidance_scale: float = 1.0,
        max_frames: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Generated:
        """Speak: tokens of texts [B, L], drawn step by step.

        See `dac_lobe.nnet.generation.generate`.
        """
        return generate(
            self,
            text,
            text_lengths,
            speakers,
            temperature=temperature,
            top_k=top_k,
            guidance_scale=guidance_scale,
            max_frames=max_frames,
            generator=generator,
        )

    def read_text(
        self,
        text: torch.Tensor,
        lengths: torch.Tensor,
        speakers: torch.Tensor | None,
        aligned: torch.Tensor | None = None,
    ) -> tuple[TextMemory, torch.Tensor]:
        """Encode the text, and place its characters by their durations or others."""
        speaker = self._speaker(speakers, len(text))
        features, durations = self.text(text, lengths, speaker)
        placed = durations if aligned is None else aligned
        centres = placed.cumsum(1) - placed / 2
        valid = valid_mask(text.shape[1], lengths)
        return TextMemory(features, centres, valid), durations

    def _speaker(self, speakers: torch.Tensor | None, batch: int) -> torch.Tensor:
        if speakers is None:
            device = self.speakers.weight.device
            speakers = torch.zeros(batch, dtype=torch.long, device=device)
        return self.speakers(speakers)

    def embed_steps(
        self,
        inputs: torch.Tensor,
        positions: torch.Tensor,
        speakers: torch.Tensor | None,
    ) -> torch.Tensor:
        """Embed the tokens of the steps before, where they are, and who speaks."""
        x = self.scale(self.embedding(inputs))
        x = x + _sinusoids(positions, x.shape[-1]).to(x.dtype)
        return self.dropout(x + self._speaker(speakers, len(inputs))[:, None])

    def score_steps(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of each codebook's codes; only codebook 0 may stop."""
        logits = self.heads(self.norm(x)).unflatten(-1, (self.num_codebooks, -1))
        forbidden = torch.zeros_like(logits[0, 0], dtype=torch.bool)
        forbidden[1:, self.stop] = True
        return logits.masked_fill(forbidden, float("-inf"))


def _with_specials(codebook: Codebook) -> Codebook:
    """Add rows for "absent" and "masked" to a codebook."""
    return codebook._replace(rows=F.pad(codebook.rows, (0, 0, 0, 2)))


def _sinusoids(positions: torch.Tensor, size: int) -> torch.Tensor:
    """Sines and cosines of positions [S], shape [S, size]."""
    rates = torch.exp(
        torch.arange(0, size, 2, device=positions.device) * (-math.log(1e4) / size)
    )
    angles = positions[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)[:, :size]
