"""EnCodec as a network: rates, codes, scales and chunks.

The network is transformers' ``EncodecModel``; paper: https://arxiv.org/abs/2210.13438

The 24 kHz model codes a clip as a whole. The 48 kHz model codes chunks of 1 s,
each divided by its loudness, of which 1 % overlaps the next:

    samples  |----------------------|        chunk 0, 150 frames, one scale
                                  |----------------------|        chunk 1
    frames   |0 1 2 ........... 149|150 ........... 299|

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import nn
from transformers import EncodecConfig, EncodecModel

from dac_lobe.encodec.checks import check_scales, check_waveforms
from dac_lobe.encodec.clips import decode_clips, encode_clips
from dac_lobe.encodec.codebooks import Codebooks
from dac_lobe.encodec.grid import Grid
from dac_lobe.network.lengths import sample_lengths, wanted_lengths
from dac_lobe.network.names import codebooks_by_any_name
from dac_lobe.network.pickling import Portable

__all__ = ["EnCodecEncoded", "EnCodecNetwork"]


class EnCodecEncoded(NamedTuple):
    """What `EnCodec.encode` returns.

    Attributes
    ----------
    codes : torch.Tensor
        Codes, shape [B, K, F]; those of a chunked model chunk after chunk.
    scales : torch.Tensor or None
        What each chunk was divided by, shape [B, chunks]; None where the model
        does not normalise.
    frame_lengths : torch.Tensor
        Valid frames per item, shape [B].
    """

    codes: torch.Tensor
    scales: torch.Tensor | None
    frame_lengths: torch.Tensor


class EnCodecNetwork(Portable, nn.Module):
    """EnCodec without weights and files of its own; arguments as there."""

    delay = 0

    def __init__(
        self, model: EncodecModel, *, scale: float | None = None, mono: bool = False
    ):
        super().__init__()
        self.model = model.eval()
        self.quantizer = Codebooks(model)
        self.grid = Grid.of(model.config)
        self.scale = scale
        self.mono = mono
        self.source: str | None = None

    @property
    def config(self) -> EncodecConfig:
        """The configuration of the model."""
        return self.model.config

    @property
    def sample_rate(self) -> int:
        """Samples per second of the audio that the model codes."""
        return self.config.sampling_rate

    @property
    def channels(self) -> int:
        """Channels of the audio that comes back."""
        return 1 if self.mono else self.config.audio_channels

    def __repr__(self) -> str:
        """Say in a line what it codes; ``repr(codec.model)`` shows the layers."""
        return (
            f"{type(self).__name__}({self.source or 'unnamed'}: {self.sample_rate} Hz, "
            f"{self.num_codebooks} codebooks of {self.codebook_size} at "
            f"{self.frame_rate:g} Hz = {self.bitrate():g} kbps, on {self.device})"
        )

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return self.config.hop_length

    @property
    def frame_rate(self) -> float:
        """Frames that a second of audio takes, in Hz, overlaps of chunks included."""
        return self.grid.frame_rate(self.sample_rate)

    @property
    def num_codebooks(self) -> int:
        """Number of codebooks K."""
        return self.quantizer.n_codebooks

    @property
    def codebook_size(self) -> int:
        """Codes per codebook."""
        return self.config.codebook_size

    @property
    def latent_dim(self) -> int:
        """Channels of the latents."""
        return self.config.codebook_dim

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.quantizer.vectors[0].device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights."""
        return self.quantizer.vectors[0].dtype

    @codebooks_by_any_name
    def bitrate(self, num_codebooks: int | None = None) -> float:
        """Compute the bitrate in kbps: frame_rate * K * log2(codebook_size) / 1000.

        The scales of a model that normalises are beyond it: 32 bits a second.
        """
        bits = self.quantizer.check_n_quantizers(
            num_codebooks, "num_codebooks"
        ) * math.log2(self.codebook_size)
        return self.frame_rate * bits / 1000

    def codebooks_for(self, bandwidth: float) -> int:
        """Return the number of codebooks behind one of EnCodec's nominal kbps.

        Raises
        ------
        ValueError
            If the model has no such bandwidth.
        """
        allowed = self.config.target_bandwidths
        if bandwidth not in allowed:
            raise ValueError(
                f"bandwidth={bandwidth} kbps; choose one of "
                f"{', '.join(map(str, allowed))}, or give num_codebooks."
            )
        return self.quantizer.behind(bandwidth)

    @torch.no_grad()
    @codebooks_by_any_name
    def encode(
        self,
        audio_data: torch.Tensor,
        n_quantizers: int | None = None,
        *,
        lengths: torch.Tensor | None = None,
    ) -> EnCodecEncoded:
        """Encode waveforms into codes.

        Arguments
        ---------
        audio_data : torch.Tensor
            Waveforms, [B, C, T], or [B, T] for mono. A stereo model doubles mono.
        n_quantizers : int, optional
            Number of codebooks to use, 1 to K; all by default.
        lengths : torch.Tensor, optional
            Valid lengths per item, shape [B]: relative in (0, 1] if floating
            point, else in samples. Each item then gets the codes that it would
            get alone, because it is coded alone (with those of its length).

        Returns
        -------
        EnCodecEncoded
            Codes, scales, frame lengths.

        Raises
        ------
        ValueError
            If the audio or ``n_quantizers`` are not allowed.
        """
        audio = check_waveforms(audio_data, self.config.audio_channels, self.dtype)
        used = self.quantizer.check_n_quantizers(n_quantizers)
        batch, _, samples = audio.shape
        if lengths is None:
            valid = torch.full((batch,), samples)
        else:
            valid = sample_lengths(lengths, batch, samples).cpu()
        frame_lengths = torch.tensor([self.grid.frames(int(n)) for n in valid]).long()
        longest = self.grid.frames(samples)
        codes = audio.new_zeros((batch, used, longest), dtype=torch.long)
        scales = None
        if self.config.normalize:
            scales = audio.new_ones(batch, self.grid.chunks(samples))
        for length in valid.unique().tolist():
            alike = (valid == length).to(audio.device)
            part = encode_clips(self.model, audio[alike, :, :length], used)
            codes[alike, :, : part.codes.shape[-1]] = part.codes
            if scales is not None and part.scales is not None:
                scales[alike, : part.scales.shape[1]] = part.scales
        return EnCodecEncoded(codes, scales, frame_lengths.to(audio.device))

    def decode_codes(
        self,
        codes: torch.Tensor,
        length: int | torch.Tensor | None = None,
        *,
        scales: torch.Tensor | float | None = None,
    ) -> torch.Tensor:
        """Decode codes into a waveform.

        Arguments
        ---------
        codes : torch.Tensor
            Integers of shape [B, K', F]; any prefix of the codebooks.
        length : int or torch.Tensor, optional
            Samples wanted, one number or one per item [B]; all by default.
        scales : torch.Tensor or float, optional
            What `encode` returned, for models that normalise; or one number.

        Returns
        -------
        torch.Tensor
            Waveform of shape [B, C, length], aligned with the encoded audio.

        Raises
        ------
        ValueError
            If the codes, the length or the scales are not allowed.
        """
        codes = self.quantizer.check_codes(codes).to(self.device)
        batch, _, frames = codes.shape
        if self.config.normalize:
            scales = self.scale if scales is None else scales
            scales = check_scales(scales, batch, self.grid.chunks_of(frames))
            scales = scales.to(self.device, self.dtype)
        else:
            scales = None
        if length is None:
            length = self.grid.covered(frames)
        wanted = wanted_lengths(length, batch, frames, self.hop_length)
        wav = self.quantizer.vectors[0].new_zeros(batch, self.channels, wanted.longest)
        for samples in wanted.samples.unique().tolist():
            if samples == 0:
                continue
            alike = (wanted.samples == samples).to(codes.device)
            need = min(self.grid.frames(samples), frames)
            some = None if scales is None else scales[alike]
            part = decode_clips(self.model, codes[alike, :, :need], some)
            part = part.mean(1, keepdim=True) if self.mono else part
            part = part[..., :samples]
            wav[alike, :, : part.shape[-1]] = part.to(wav.dtype)
        return wav
