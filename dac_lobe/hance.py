"""The face of hance-ai's model card: files in, files out, two tensors between.

For programs written against ``hance-ai/descript-audio-codec-{16,24,44}khz``. The
names and shapes are theirs. What differs: chunks have the context they need, so
their size changes nothing but memory; tensors are saved as safetensors.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
import os
import pickle
import re
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from dac_lobe.audio import AudioReader, write_audio
from dac_lobe.audio.resampling import Resampler
from dac_lobe.dac import DAC
from dac_lobe.disk.atomic import replacing
from dac_lobe.execution.chunked import decode_chunked, decode_latents_chunked
from dac_lobe.execution.windows import default_chunk_frames

__all__ = ["HanceCodec", "HanceEncoded"]

_CARD = re.compile(r"hance-ai/descript-audio-codec-(16|24|44)khz")


class HanceEncoded(NamedTuple):
    """What `HanceCodec.encode` returns.

    Attributes
    ----------
    zq : torch.Tensor
        Quantized latents, shape [1, D, F].
    s : torch.Tensor
        Codes, shape [1, K, F].
    """

    zq: torch.Tensor
    s: torch.Tensor


class HanceCodec(nn.Module):
    """A codec with the methods of hance-ai's model card.

    Arguments
    ---------
    codec : DAC
        The codec.
    encoding_chunk_size_in_sec : float
        Seconds to encode at once.
    decoding_chunk_rate : float
        Share of the recording to decode at once, in (0, 1]; at most two seconds.
    decoding_overlap_rate : float
        Accepted for compatibility. The card's chunks overlap by guess and are
        averaged; here each has the context that makes it exact.

    Raises
    ------
    ValueError
        If a chunk size is not allowed.

    Example
    -------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> model = HanceCodec.from_pretrained("16khz-small")
    >>> with TemporaryDirectory() as folder:
    ...     path = write_audio(Path(folder) / "a.wav", torch.zeros(2, 16000), 16000)
    ...     zq, s = model.encode(path)
    >>> zq.shape, s.shape, model.decode(s=s).shape
    (torch.Size([1, 256, 50]), torch.Size([1, 12, 50]), torch.Size([1, 1, 16000]))
    """

    def __init__(
        self,
        codec: DAC,
        encoding_chunk_size_in_sec: float = 1,
        decoding_chunk_rate: float = 0.1,
        decoding_overlap_rate: float = 0.1,
    ):
        super().__init__()
        if not encoding_chunk_size_in_sec > 0 or not 0 < decoding_chunk_rate <= 1:
            raise ValueError(
                f"encoding_chunk_size_in_sec={encoding_chunk_size_in_sec} must be "
                f"above 0, and decoding_chunk_rate={decoding_chunk_rate} in (0, 1]."
            )
        self.dac = codec
        self.encoding_chunk_size_in_sec = encoding_chunk_size_in_sec
        self.decoding_chunk_rate = decoding_chunk_rate
        self.decoding_overlap_rate = decoding_overlap_rate

    @classmethod
    def from_pretrained(
        cls,
        source: str | os.PathLike[str],
        *,
        trust_remote_code: bool = True,
        cache_dir: str | os.PathLike[str] | None = None,
        **chunking: Any,
    ) -> HanceCodec:
        """Load a codec.

        Arguments
        ---------
        source : str or Path
            A name of the card, 'hance-ai/descript-audio-codec-44khz', or anything
            that `DAC.from_pretrained` takes. No code is fetched.
        trust_remote_code : bool
            Accepted for compatibility: there is no remote code to trust.
        cache_dir : str or Path, optional
            Where fetched weights are kept.
        **chunking
            The chunking parameters of the constructor.

        Returns
        -------
        HanceCodec
            The codec, in eval mode.
        """
        card = _CARD.fullmatch(source) if isinstance(source, str) else None
        if card is not None:
            source = f"{card[1]}khz"
        return cls(DAC.from_pretrained(source, cache_dir=cache_dir), **chunking).eval()

    @torch.no_grad()
    def encode(self, audio_fname: str | os.PathLike[str]) -> HanceEncoded:
        """Encode an audio file of any rate; channels are averaged.

        Arguments
        ---------
        audio_fname : str or Path
            The audio.

        Returns
        -------
        HanceEncoded
            ``zq, s``.

        Raises
        ------
        AudioError
            If the file cannot be read, is empty, or holds NaN or infinite samples.
        """
        frames = round(self.encoding_chunk_size_in_sec * self.dac.frame_rate)
        encoder = self.dac.streaming_encoder(block_frames=max(1, frames))
        parts = []
        with AudioReader(audio_fname) as reader:
            resampler = Resampler(reader.sample_rate, self.dac.sample_rate, 1)
            for block in reader.blocks():
                wav = resampler.push(block.mean(axis=0, keepdims=True))
                parts.append(encoder.push(torch.from_numpy(wav.copy())))
            rest = torch.from_numpy(resampler.flush().copy())
            parts += [encoder.push(rest), encoder.flush()]
        codes = torch.cat(parts, dim=-1).to(self.dac.device)
        return HanceEncoded(self.code_to_zq(codes), codes)

    @torch.no_grad()
    def code_to_zq(self, s: torch.Tensor) -> torch.Tensor:
        """Rebuild the latents [B, D, F] of codes [B, K, F]."""
        return self.dac.quantizer.from_codes(s.to(self.dac.device)).z

    @torch.no_grad()
    def decode(
        self, *, zq: torch.Tensor | None = None, s: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Decode latents or codes.

        Arguments
        ---------
        zq : torch.Tensor, optional
            Latents of shape [B, D, F].
        s : torch.Tensor, optional
            Codes of shape [B, K, F]; any prefix of the codebooks.

        Returns
        -------
        torch.Tensor
            Waveform of shape [B, 1, F * hop_length].

        Raises
        ------
        ValueError
            If neither or both are given, or they are out of range.
        """
        given = s if zq is None else zq
        if given is None or (zq is None) == (s is None):
            raise ValueError("give decode() either zq=latents or s=codes.")
        frames = given.shape[-1]
        chunk = math.ceil(self.decoding_chunk_rate * frames)
        chunk = max(1, min(chunk, default_chunk_frames(self.dac)))
        given = given.to(self.dac.device)
        if zq is None:
            return decode_chunked(self.dac, given, chunk)
        return decode_latents_chunked(self.dac, given, chunk)

    def waveform_to_audiofile(
        self, waveform: torch.Tensor, fname: str | os.PathLike[str]
    ) -> None:
        """Write a waveform [1, 1, T] as an audio file at the model's rate."""
        wav = waveform.detach().float().cpu().reshape(-1, waveform.shape[-1])
        write_audio(fname, wav.numpy(), self.dac.sample_rate)

    def save_tensor(self, tensor: torch.Tensor, fname: str | os.PathLike[str]) -> None:
        """Write a tensor, as safetensors whatever the ending of the name."""
        with replacing(fname) as file:
            file.write(save({"tensor": tensor.detach().cpu().contiguous()}))

    def load_tensor(self, fname: str | os.PathLike[str]) -> torch.Tensor:
        """Read a tensor that `save_tensor` wrote, here or on the card.

        The card's own files are pickles; only plain tensors are taken from them.

        Raises
        ------
        ValueError
            If the file is damaged or holds anything but one tensor.
        """
        with open(fname, "rb") as file:
            is_zip = file.read(2) == b"PK"
        try:
            if is_zip:
                tensor = torch.load(fname, map_location="cpu", weights_only=True)
            else:
                tensor = load_file(fname).get("tensor")
        except (SafetensorError, RuntimeError, pickle.UnpicklingError) as error:
            raise ValueError(f"{fname} holds no tensor that can be read.") from error
        if not torch.is_tensor(tensor):
            raise ValueError(f"{fname} holds something else than one tensor.")
        return tensor
