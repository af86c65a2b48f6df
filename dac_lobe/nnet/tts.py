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
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from dac_lobe.nnet.aligner import TokenAligner, best_durations, forward_sum_loss
from dac_lobe.nnet.delay import delay, undelay
from dac_lobe.nnet.embedding import TokenEmbedding
from dac_lobe.nnet.frontend import valid_mask
from dac_lobe.nnet.sampling import draw, guide
from dac_lobe.nnet.speaking_layer import SpeakingLayer, TextMemory
from dac_lobe.nnet.text_encoder import TextEncoder
from dac_lobe.tokens.codebooks import Codebook, load_codebooks

__all__ = ["Generated", "Predicted", "TokenSynthesizer"]


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


class Generated(NamedTuple):
    """Tokens that the model made.

    Attributes
    ----------
    tokens : list of torch.Tensor
        One per item, shape [F, K], codes only.
    stopped : list of bool
        Whether the model stopped by itself.
    """

    tokens: list[torch.Tensor]
    stopped: list[bool]


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
        sizes = {"codebook_dim": codebook_dim, "latent_dim": latent_dim}
        self.aligner = TokenAligner(
            num_codebooks, vocab_size, text_vocab_size, init_from=init_from, **sizes
        )
        self.no_text = nn.Parameter(0.1 * torch.randn(d_model))
        if init_from is not None:
            init_from = [_with_specials(book) for book in init_from[:num_codebooks]]
        self.embedding = TokenEmbedding(
            num_codebooks,
            vocab_size + 2,
            d_model,
            init_from=init_from,
            **sizes,
        )
        self.scale = nn.LayerNorm(d_model)
        self.layers = nn.ModuleList(
            SpeakingLayer(d_model, nhead, d_ffn, dropout) for _ in range(num_layers)
        )
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
        memory, predicted = self._read(text, text_lengths, speakers, aligned)
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
        x = self._embed(inputs, positions, speakers)
        for layer in self.layers:
            x, _ = layer(x, memory, layer.read(memory), positions)
        logits = self._logits(x)
        return Predicted(logits, targets, predicted, aligned, alignment_loss)

    @torch.no_grad()
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
        """Speak.

        Arguments
        ---------
        text : torch.Tensor
            Characters of shape [B, L].
        text_lengths : torch.Tensor
            Relative lengths, shape [B].
        speakers : torch.Tensor, optional
            Numbers of the speakers, shape [B].
        temperature : float
            0 takes the likeliest token.
        top_k : int
            Tokens to draw from.
        guidance_scale : float
            How much to strengthen what the text changes; more than 1 computes
            everything twice.
        max_frames : int, optional
            Where to end what does not stop; twice the predicted length, and 50
            frames, by default.
        generator : torch.Generator, optional
            Draws the tokens.

        Returns
        -------
        Generated
            Tokens of each item, and whether it stopped by itself.

        Raises
        ------
        ValueError
            If guidance is asked of a model that was always given its text.
        """
        guided = guidance_scale != 1
        if guided and not self.unconditional_probability:
            raise ValueError(
                f"guidance_scale={guidance_scale}, but the model was trained with "
                "unconditional_probability=0. Use guidance_scale=1."
            )
        memory, durations = self._read(text, text_lengths, speakers)
        if guided:
            memory, speakers = self._beside_no_text(memory, speakers)
        if max_frames is None:
            max_frames = int(2 * durations.sum(1).max()) + 50
        batch, lag = len(text), self.num_codebooks - 1
        caches = [(layer.read(memory), None) for layer in self.layers]
        # Frame at which each item stops; the codes of the delayed codebooks
        # follow for `lag` more steps.
        ends = torch.full((batch,), max_frames, device=text.device)
        stopped = torch.zeros(batch, dtype=torch.bool, device=text.device)
        history = torch.full(
            (batch, 1, self.num_codebooks), self.absent, device=text.device
        )
        for step in range(max_frames + lag):
            positions = torch.tensor([step], device=text.device)
            last = history[:, -1:].repeat(1 + guided, 1, 1)
            x = self._embed(last, positions, speakers)
            for number, layer in enumerate(self.layers):
                text_cache, past = caches[number]
                x, past = layer(x, memory, text_cache, positions, past)
                caches[number] = text_cache, past
            scores = self._logits(x)[:, 0]
            if guided:
                scores = guide(*scores.chunk(2), guidance_scale)
            tokens = draw(scores, temperature, top_k, generator)
            now = (tokens[:, 0] == self.stop) & ~stopped & (step < max_frames)
            ends = torch.where(now, step, ends)
            stopped |= now
            stages = torch.arange(self.num_codebooks, device=text.device)
            frame = step - stages
            present = (frame >= 0) & (frame < ends[:, None])
            tokens = tokens.masked_fill(~present, self.absent)
            history = torch.cat([history, tokens[:, None]], dim=1)
            if step >= int(ends.max()) + lag - 1:
                break
        tokens = undelay(history[:, 1:])
        return Generated(
            [item[:end] for item, end in zip(tokens, ends.tolist(), strict=True)],
            stopped.tolist(),
        )

    def _read(
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

    def _beside_no_text(
        self, memory: TextMemory, speakers: torch.Tensor | None
    ) -> tuple[TextMemory, torch.Tensor | None]:
        """Double the batch: every item with its text, then every item without."""
        nothing = self.no_text.expand_as(memory.features)
        return TextMemory(
            torch.cat([memory.features, nothing]),
            memory.centres.repeat(2, 1),
            memory.valid.repeat(2, 1),
        ), None if speakers is None else speakers.repeat(2)

    def _speaker(self, speakers: torch.Tensor | None, batch: int) -> torch.Tensor:
        if speakers is None:
            device = self.speakers.weight.device
            speakers = torch.zeros(batch, dtype=torch.long, device=device)
        return self.speakers(speakers)

    def _embed(
        self,
        inputs: torch.Tensor,
        positions: torch.Tensor,
        speakers: torch.Tensor | None,
    ) -> torch.Tensor:
        """Embed the tokens of the steps before, where they are, and who speaks."""
        x = self.scale(self.embedding(inputs))
        x = x + _sinusoids(positions, x.shape[-1]).to(x.dtype)
        return self.dropout(x + self._speaker(speakers, len(inputs))[:, None])

    def _logits(self, x: torch.Tensor) -> torch.Tensor:
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
