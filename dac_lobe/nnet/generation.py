"""Make tokens from a text, step by step: the loop around a trained `TokenSynthesizer`.

    step       0    1    2    3    4
    codebook 0 a    b    c  stop
    codebook 1 -    a    b    c         each a step behind the one before
    codebook 2 -    -    a    b    c

Each step reads the tokens of the step before; what the layers computed of the steps
before that is kept in caches. With guidance every item runs twice, with its text and
without, and both draw the same token.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

import torch

from dac_lobe.nnet.delay import undelay
from dac_lobe.nnet.sampling import draw, guide
from dac_lobe.nnet.speaking_layer import SpeakingLayer, TextMemory

__all__ = ["Generated", "StepModel", "generate"]


class StepModel(Protocol):
    """What the loop needs of a model; `dac_lobe.nnet.tts.TokenSynthesizer` has it.

    Attributes
    ----------
    num_codebooks : int
        Codebooks K.
    absent, stop : int
        The special classes.
    unconditional_probability : float
        Share of the items that were trained without their text.
    """

    num_codebooks: int
    absent: int
    stop: int
    unconditional_probability: float

    @property
    def no_text(self) -> torch.Tensor:
        """Features that stand for no text, shape [d_model]."""

    @property
    def layers(self) -> Iterable[SpeakingLayer]:
        """The decoder's layers."""

    def read_text(
        self, text: torch.Tensor, lengths: torch.Tensor, speakers: torch.Tensor | None
    ) -> tuple[TextMemory, torch.Tensor]:
        """Encode characters [B, L]; also returns their durations in frames."""

    def embed_steps(
        self,
        inputs: torch.Tensor,
        positions: torch.Tensor,
        speakers: torch.Tensor | None,
    ) -> torch.Tensor:
        """Embed tokens [B, S, K] at their positions [S]."""

    def score_steps(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of each codebook's codes, [B, S, K, V + 1]."""


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


@torch.no_grad()
def generate(
    model: StepModel,
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
    """Speak: draw tokens step by step until the model stops.

    Arguments
    ---------
    model : StepModel
        The model, in eval mode.
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
        Where to end what does not stop; twice the predicted length of each item,
        and 50 frames, by default.
    generator : torch.Generator, optional
        Draws the tokens.

    Returns
    -------
    Generated
        Tokens of each item, and whether it stopped by itself.

    Raises
    ------
    ValueError
        If guidance is asked of a model that was always given its text, or tokens
        cannot be drawn so: see `dac_lobe.nnet.sampling.draw`.

    Example
    -------
    >>> from dac_lobe.nnet.tts import TokenSynthesizer
    >>> model = TokenSynthesizer(2, 16, 30, d_model=32, nhead=2, num_layers=1, d_ffn=64)
    >>> made = generate(
    ...     model.eval(),
    ...     torch.randint(1, 30, (1, 8)),
    ...     torch.ones(1),
    ...     temperature=0,
    ...     max_frames=10,
    ... )
    >>> made.tokens[0].shape[1], len(made.stopped)
    (2, 1)
    """
    guided = guidance_scale != 1
    if guided and not model.unconditional_probability:
        raise ValueError(
            f"guidance_scale={guidance_scale}, but the model was trained with "
            "unconditional_probability=0. Use guidance_scale=1."
        )
    memory, durations = model.read_text(text, text_lengths, speakers)
    if guided:
        memory, speakers = _beside_no_text(model, memory, speakers)
    batch, lag = len(text), model.num_codebooks - 1
    caches = [(layer.read(memory), None) for layer in model.layers]
    # Frame at which each item stops; the codes of the delayed codebooks
    # follow for `lag` more steps.
    if max_frames is None:
        ends = (2 * durations.sum(1)).long() + 50
    else:
        ends = torch.full((batch,), max_frames, device=text.device)
    stopped = torch.zeros(batch, dtype=torch.bool, device=text.device)
    history = torch.full(
        (batch, 1, model.num_codebooks), model.absent, device=text.device
    )
    for step in range(int(ends.max()) + lag):
        positions = torch.tensor([step], device=text.device)
        last = history[:, -1:].repeat(1 + guided, 1, 1)
        x = model.embed_steps(last, positions, speakers)
        for number, layer in enumerate(model.layers):
            text_cache, past = caches[number]
            x, past = layer(x, memory, text_cache, positions, past)
            caches[number] = text_cache, past
        scores = model.score_steps(x)[:, 0]
        if guided:
            given, free = scores.chunk(2)
            scores = guide(given, free, guidance_scale)
        tokens = draw(scores, temperature, top_k, generator)
        now = (tokens[:, 0] == model.stop) & (step < ends)
        ends = torch.where(now, step, ends)
        stopped |= now
        stages = torch.arange(model.num_codebooks, device=text.device)
        frame = step - stages
        present = (frame >= 0) & (frame < ends[:, None])
        tokens = tokens.masked_fill(~present, model.absent)
        history = torch.cat([history, tokens[:, None]], dim=1)
        if step >= int(ends.max()) + lag - 1:
            break
    tokens = undelay(history[:, 1:])
    return Generated(
        [item[:end] for item, end in zip(tokens, ends.tolist(), strict=True)],
        stopped.tolist(),
    )


def _beside_no_text(
    model: StepModel, memory: TextMemory, speakers: torch.Tensor | None
) -> tuple[TextMemory, torch.Tensor | None]:
    """Double the batch: every item with its text, then every item without."""
    nothing = model.no_text.expand_as(memory.features)
    return TextMemory(
        torch.cat([memory.features, nothing]),
        memory.centres.repeat(2, 1),
        memory.valid.repeat(2, 1),
    ), None if speakers is None else speakers.repeat(2)
