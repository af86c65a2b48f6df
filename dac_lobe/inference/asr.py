"""A trained recogniser at work, in SpeechBrain's style.

    asr = TokenASR.from_hparams(source="exported")      # a folder, or a hub id
    asr.transcribe_file("question.wav")

The folder is made by ``dac-lobe export``.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from speechbrain.decoders import ctc_greedy_decode
from speechbrain.inference.interfaces import Pretrained

from dac_lobe.audio import read_audio
from dac_lobe.inference.codec import codec_of
from dac_lobe.network.checks import check_audio
from dac_lobe.network.lengths import sample_lengths
from dac_lobe.network.pickling import Portable

__all__ = ["TokenASR"]


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
        self.codec = codec_of(self) if self.hparams.input == "tokens" else None

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
            If there are none, or their shape, type or values, or the lengths are not
            allowed.
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
        assert encoded.frame_lengths is not None  # as lengths were given
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
            If the model was trained on waveforms, or there are no tokens.
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
        if not len(inputs):
            raise ValueError("nothing to transcribe. Give at least one recording.")
        features = self.mods.frontend(inputs, lengths, num_codebooks)
        logits = self.mods.output(self.mods.encoder(features, lengths))
        blank = self.hparams.blank_index
        paths = ctc_greedy_decode(logits.log_softmax(-1), lengths, blank)
        return ["".join(self.hparams.labels[i] for i in path) for path in paths]
