"""Trained recipes at work, in SpeechBrain's style.

    asr = TokenASR.from_hparams(source="exported")      # a folder, or a hub id
    asr.transcribe_file("question.wav")
    tts = TokenTTS.from_hparams(source="exported")
    wav = tts.synthesize("ENTER FIFTY ONE")

The folders are made by ``dac-lobe export``.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from speechbrain.decoders import ctc_greedy_decode
from speechbrain.inference.interfaces import Pretrained

from dac_lobe.audio import read_audio, write_audio
from dac_lobe.data.text import normalise_all, to_ids
from dac_lobe.execution import attach
from dac_lobe.network.checks import check_audio
from dac_lobe.network.lengths import sample_lengths
from dac_lobe.network.pickling import Portable
from dac_lobe.weights.fingerprint import fingerprint

__all__ = ["Synthesis", "TokenASR", "TokenTTS"]


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


class TokenASR(Portable, Pretrained):
    """A recogniser trained by recipes/asr, on tokens or on waveforms.

    Arguments
    ---------
    *args, **kwargs
        See ``speechbrain.inference.interfaces.Pretrained``; use `from_hparams`.

    Raises
    ------
    ValueError
        If the codec in the folder is not the one that the model has learned.
    """

    HPARAMS_NEEDED = ["input", "sample_rate", "blank_index", "labels"]
    MODULES_NEEDED = ["frontend", "encoder", "output"]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.codec = _codec(self) if self.hparams.input == "tokens" else None

    def transcribe_file(self, path: str | Path) -> str:
        """Transcribe an audio file of any rate and any number of channels.

        Arguments
        ---------
        path : str or Path
            The file.

        Returns
        -------
        str
            The words.
        """
        wav = torch.from_numpy(read_audio(path, self.hparams.sample_rate).mean(0))[None]
        if self.codec is None:
            return self.transcribe_batch(wav)[0]
        # Of any length: the codec sees two seconds at a time.
        codes = self.codec.encode_chunked(wav, num_codebooks=self.hparams.num_codebooks)
        return self.transcribe_tokens(codes.transpose(1, 2))[0]

    @torch.no_grad()
    def transcribe_batch(
        self, wavs: torch.Tensor, lengths: torch.Tensor | None = None
    ) -> list[str]:
        """Transcribe waveforms.

        Arguments
        ---------
        wavs : torch.Tensor
            At the model's rate, shape [B, T].
        lengths : torch.Tensor, optional
            Relative lengths, shape [B].

        Returns
        -------
        list of str
            The words of each.

        Raises
        ------
        ValueError
            If the waveforms' shape, type or values, or the lengths are not allowed.
        """
        wavs = wavs.to(self.device)
        if lengths is None:
            lengths = torch.ones(len(wavs))
        lengths = lengths.to(self.device)
        if self.codec is None:
            # What a codec refuses, filterbanks would make an empty text of.
            wavs = check_audio(wavs, torch.float32).squeeze(1)
            batch, samples = wavs.shape
            return self._decode(wavs, sample_lengths(lengths, batch, samples) / samples)
        encoded = self.codec.encode(wavs, self.hparams.num_codebooks, lengths=lengths)
        tokens = encoded.codes.transpose(1, 2)
        return self._decode(tokens, encoded.frame_lengths / tokens.shape[1])

    @torch.no_grad()
    def transcribe_tokens(
        self,
        tokens: torch.Tensor,
        lengths: torch.Tensor | None = None,
        num_codebooks: int | None = None,
    ) -> list[str]:
        """Transcribe tokens, as a token store holds them.

        Arguments
        ---------
        tokens : torch.Tensor
            Shape [B, F, K].
        lengths : torch.Tensor, optional
            Relative lengths, shape [B].
        num_codebooks : int, optional
            Look at this prefix of the codebooks.

        Returns
        -------
        list of str
            The words of each.

        Raises
        ------
        ValueError
            If the model was trained on waveforms.
        """
        if self.hparams.input != "tokens":
            raise ValueError(
                "this model was trained on waveforms. Use transcribe_batch, or a "
                "model that was trained on tokens."
            )
        if lengths is None:
            lengths = torch.ones(len(tokens))
        tokens, lengths = tokens.to(self.device), lengths.to(self.device)
        return self._decode(tokens, lengths, num_codebooks)

    def _decode(
        self,
        inputs: torch.Tensor,
        lengths: torch.Tensor,
        num_codebooks: int | None = None,
    ) -> list[str]:
        features = self.mods.frontend(inputs, lengths, num_codebooks)
        logits = self.mods.output(self.mods.encoder(features, lengths))
        blank = self.hparams.blank_index
        paths = ctc_greedy_decode(logits.log_softmax(-1), lengths, blank)
        return ["".join(self.hparams.labels[i] for i in path) for path in paths]


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
        self.codec = _codec(self)

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
            If a text has nothing to speak, or a speaker is unknown.
        """
        names = list(speakers or [self.hparams.speakers[0]] * len(texts))
        unknown = [name for name in names if name not in self.hparams.speakers]
        if unknown or len(names) != len(texts):
            raise ValueError(
                f"{len(texts)} texts, {len(names)} speakers, unknown: {unknown}. Give "
                f"each text one of {', '.join(self.hparams.speakers[:8])}, ..."
            )
        numbers = [self.hparams.speakers.index(name) for name in names]
        named = {f"texts[{number}]": text for number, text in enumerate(texts)}
        ids = [torch.tensor(to_ids(text)) for text in normalise_all(named)]
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


def _codec(model: Pretrained) -> Any:
    """Take the codec of an exported folder, and make sure that it is the right one."""
    codec = model.mods.codec
    if fingerprint(codec) != model.hparams.codec_fingerprint:
        raise ValueError(
            f"the folder's codec is {fingerprint(codec)[:12]}, the model has learned "
            f"the tokens of {model.hparams.codec_fingerprint[:12]}. Export it again."
        )
    return attach(codec)
