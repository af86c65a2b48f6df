"""A trained voice at work, in SpeechBrain's style.

    tts = TokenTTS.from_hparams(source="exported")      # a folder, or a hub id
    wav = tts.synthesize("ENTER FIFTY ONE")

The folder is made by ``dac-lobe export``.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from speechbrain.inference.interfaces import Pretrained

from dac_lobe.audio import write_audio
from dac_lobe.data.text import normalise_all, to_ids
from dac_lobe.inference.codec import codec_of
from dac_lobe.network.pickling import Portable

__all__ = ["Synthesis", "TokenTTS"]


class Synthesis(NamedTuple):
    """Spoken sentences.

    Attributes
    ----------
    wavs : list of torch.Tensor
        Waveforms, shape [T].
    tokens : list of torch.Tensor
        Their tokens, shape [F, K].
    stopped : list of bool
        Whether the model stopped by itself.
    """

    wavs: list[torch.Tensor]
    tokens: list[torch.Tensor]
    stopped: list[bool]


class TokenTTS(Portable, Pretrained):
    """A speaker trained by recipes/tts, with the codec that makes its tokens sound.

    Arguments
    ---------
    *args, **kwargs
        See ``speechbrain.inference.interfaces.Pretrained``; use `from_hparams`.

    Raises
    ------
    ValueError
        If the codec in the folder is not the one that the model has learned.
    """

    HPARAMS_NEEDED = ["speakers", "sample_rate", "num_codebooks"]
    MODULES_NEEDED = ["synthesizer", "codec"]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.codec = codec_of(self)

    def synthesize(
        self,
        text: str,
        speaker: str | None = None,
        *,
        seed: int = 0,
        temperature: float = 0.8,
        top_k: int = 20,
        guidance_scale: float = 3.0,
        max_frames: int | None = None,
    ) -> torch.Tensor:
        """Speak a sentence.

        Arguments
        ---------
        text : str
            English, numbers written out.
        speaker : str, optional
            One of ``self.hparams.speakers``; the first by default.
        seed, temperature, top_k, guidance_scale, max_frames
            See `synthesize_batch`.

        Returns
        -------
        torch.Tensor
            Waveform of shape [T] at ``self.hparams.sample_rate``.
        """
        speakers = None if speaker is None else [speaker]
        made = self.synthesize_batch(
            [text],
            speakers,
            seed=seed,
            temperature=temperature,
            top_k=top_k,
            guidance_scale=guidance_scale,
            max_frames=max_frames,
        )
        return made.wavs[0]

    def synthesize_file(
        self,
        text: str,
        path: str | Path,
        speaker: str | None = None,
        *,
        seed: int = 0,
        temperature: float = 0.8,
        top_k: int = 20,
        guidance_scale: float = 3.0,
        max_frames: int | None = None,
    ) -> Path:
        """Speak a sentence into an audio file; see `synthesize`."""
        wav = self.synthesize(
            text,
            speaker,
            seed=seed,
            temperature=temperature,
            top_k=top_k,
            guidance_scale=guidance_scale,
            max_frames=max_frames,
        )
        return write_audio(path, wav.cpu().numpy(), self.hparams.sample_rate)

    @torch.no_grad()
    def synthesize_batch(
        self,
        texts: Sequence[str],
        speakers: Sequence[str] | None = None,
        *,
        seed: int = 0,
        temperature: float = 0.8,
        top_k: int = 20,
        guidance_scale: float = 3.0,
        max_frames: int | None = None,
    ) -> Synthesis:
        """Speak sentences.

        Arguments
        ---------
        texts : sequence of str
            English, numbers written out.
        speakers : sequence of str, optional
            One for each text; the first speaker by default.
        seed : int
            Of the random draws.
        temperature : float
            0 takes the likeliest token.
        top_k : int
            Tokens to draw from.
        guidance_scale : float
            How much to strengthen what the text changes; 1 leaves the model as
            it was trained, and is twice as fast.
        max_frames : int, optional
            Where to end what does not stop; see `TokenSynthesizer.generate`.

        Returns
        -------
        Synthesis
            Waveforms, tokens, and whether each stopped by itself.

        Raises
        ------
        ValueError
            If there is no text, it is one alone, one has nothing to speak, or a speaker is
            unknown.
        """
        if isinstance(texts, str):
            raise ValueError(
                f"texts={texts!r} is one text. Give a list of texts, or call synthesize."
            )
        names = list(speakers or [self.hparams.speakers[0]] * len(texts))
        unknown = [name for name in names if name not in self.hparams.speakers]
        if unknown or len(names) != len(texts):
            raise ValueError(
                f"{len(texts)} texts, {len(names)} speakers, unknown: {unknown}. Give "
                f"each text one of {', '.join(self.hparams.speakers[:8])}, ..."
            )
        if not texts:
            raise ValueError("no text given. Give at least one.")
        numbers = [self.hparams.speakers.index(name) for name in names]
        named = {f"texts[{number}]": text for number, text in enumerate(texts)}
        ids = [torch.tensor(to_ids(text)) for text in normalise_all(named).values()]
        longest = max(len(item) for item in ids)
        lengths = torch.tensor([len(item) / longest for item in ids])
        generated = self.mods.synthesizer.generate(
            torch.nn.utils.rnn.pad_sequence(ids, batch_first=True).to(self.device),
            lengths.to(self.device),
            torch.tensor(numbers, device=self.device),
            temperature=temperature,
            top_k=top_k,
            guidance_scale=guidance_scale,
            max_frames=max_frames,
            generator=torch.Generator(self.device).manual_seed(seed),
        )
        wavs = [
            self.codec.decode_chunked(tokens.T[None])[0, 0]
            if len(tokens)
            else tokens.new_zeros(0, dtype=torch.float32)
            for tokens in generated.tokens
        ]
        return Synthesis(wavs, generated.tokens, generated.stopped)
