"""The network of the codec: waveforms to codes and back.

Same attributes, tuples and state-dict keys as
``speechbrain.lobes.models.discrete.dac.DAC``. `dac_lobe.DAC` is this network with
weights, files and streams.

Adapted from https://github.com/descriptinc/descript-audio-codec
(MIT License, Copyright (c) 2023-present, Descript) and its port in SpeechBrain
(Apache License 2.0); see NOTICE. Paper: https://arxiv.org/abs/2306.06546

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from dac_lobe.network.checks import check_audio, check_latents
from dac_lobe.network.layers import keep_valid
from dac_lobe.network.lengths import align, sample_lengths, wanted_lengths
from dac_lobe.network.names import codebooks_by_any_name
from dac_lobe.network.outputs import Encoded, Forwarded
from dac_lobe.network.parts import Parts
from dac_lobe.network.threads import one_thread

__all__ = ["Autoencoder"]


class Autoencoder(Parts):
    """Encoder, residual quantizer and decoder as one model; arguments of `Parts`."""

    @codebooks_by_any_name
    def encode(
        self,
        audio_data: torch.Tensor,
        n_quantizers: int | None = None,
        *,
        lengths: torch.Tensor | None = None,
    ) -> Encoded:
        """Encode waveforms into codes.

        Arguments
        ---------
        audio_data : torch.Tensor
            Waveforms of shape [B, 1, T] or [B, T], at the model's sample rate.
            Padded with zeros on the right to a whole number of hops.
        n_quantizers : int, optional
            Number of codebooks to use, 1 to K; all by default.
        lengths : torch.Tensor, optional
            Valid lengths per item, shape [B]: relative in (0, 1] if floating
            point, else in samples. Each item then gets the codes that it would
            get alone; frames past its own length hold code 0.

        Returns
        -------
        Encoded
            ``z, codes, latents, commitment_loss, codebook_loss`` with ``.frame_lengths``.

        Raises
        ------
        ValueError
            If the audio's shape, type or values, or ``n_quantizers`` are not allowed.
        """
        audio_data = check_audio(audio_data, self.dtype, finite=not self.training)
        used: int | None = self.quantizer.check_n_quantizers(n_quantizers)
        if n_quantizers is None and self.training:
            used = None
        batch, _, samples = audio_data.shape
        hop = self.hop_length
        if samples % hop:
            with one_thread():
                audio_data = F.pad(audio_data, (0, -samples % hop))
        if lengths is None:
            quantized = self.encode_span(audio_data, used)
            frame_lengths = torch.full(
                (batch,), -(-samples // hop), device=audio_data.device
            )
        else:
            valid = sample_lengths(lengths, batch, samples).to(audio_data.device)
            frame_lengths = -(-valid // hop)
            with one_thread():
                audio_data = keep_valid(audio_data, valid)
            quantized = self.encode_span(audio_data, used, frame_lengths)
        return Encoded(*quantized, frame_lengths=frame_lengths)

    def decode(
        self, z: torch.Tensor, *, length: int | torch.Tensor | None = None
    ) -> torch.Tensor:
        """Decode quantized latents into a waveform.

        Arguments
        ---------
        z : torch.Tensor
            Quantized latents of shape [B, D, F].
        length : int or torch.Tensor, optional
            Samples wanted, one number or one per item [B]. If None the output
            is upstream's: raw, and 8 samples short of F hops for 16 and 24 kHz.

        Returns
        -------
        torch.Tensor
            Waveform of shape [B, 1, T]: ``length`` samples aligned with the
            audio that was encoded; past an item's own length it is zero.

        Raises
        ------
        ValueError
            If the shape of ``z`` or the length is not allowed.
        """
        check_latents(z, self.latent_dim)
        batch, _, frames = z.shape
        if length is not None:
            wanted = wanted_lengths(length, batch, frames, self.hop_length)
            frames = wanted.frames(self.hop_length)
        if frames == 0:
            return z.new_zeros(batch, 1, 0)
        if length is None:
            return self.decode_frames(z, None)
        frame_lengths = wanted.frame_lengths(self.hop_length)
        if frame_lengths is not None:
            frame_lengths = frame_lengths.to(z.device)
        raw = self.decode_frames(z[..., :frames], frame_lengths)
        return wanted.zero_past_ends(align(raw, self.delay, wanted.longest))

    def decode_codes(
        self, codes: torch.Tensor, length: int | torch.Tensor | None = None
    ) -> torch.Tensor:
        """Decode codes into a waveform.

        Arguments
        ---------
        codes : torch.Tensor
            Integers of shape [B, K', F]; any prefix of the codebooks.
        length : int or torch.Tensor, optional
            Samples wanted, one number or one per item [B]; all F hops by default.

        Returns
        -------
        torch.Tensor
            Waveform of shape [B, 1, length], aligned with the encoded audio.

        Raises
        ------
        ValueError
            If the codes or the length are not allowed.

        Example
        -------
        >>> from dac_lobe import DAC
        >>> codec = DAC.from_pretrained("16khz-small")
        >>> codec.decode_codes(torch.zeros(1, 4, 5, dtype=torch.long)).shape
        torch.Size([1, 1, 1600])
        """
        z = self.dequantize(codes).z
        if length is None:
            length = codes.shape[-1] * self.hop_length
        return self.decode(z, length=length)

    @codebooks_by_any_name
    def forward(
        self,
        audio_data: torch.Tensor,
        sample_rate: int | None = None,
        n_quantizers: int | None = None,
        *,
        reconstruct: bool = False,
    ) -> Forwarded:
        """Encode waveforms, and decode them again if asked to.

        Arguments
        ---------
        audio_data : torch.Tensor
            Waveforms of shape [B, 1, T].
        sample_rate : int, optional
            Their rate in Hz; checked against the model's.
        n_quantizers : int, optional
            Number of codebooks to use.
        reconstruct : bool
            Whether to decode too, as training does: the reconstruction then
            starts where the input starts, and is padded or cut to its length.

        Returns
        -------
        Forwarded
            ``codes, z``, with ``.audio`` and the losses as attributes.

        Raises
        ------
        ValueError
            If the sample rate is another than the model's.
        """
        if sample_rate is not None and sample_rate != self.sample_rate:
            raise ValueError(
                f"the audio has {sample_rate} Hz, this codec codes {self.sample_rate} "
                "Hz. Resample it first, or use encode_file, which does."
            )
        encoded = self.encode(audio_data, n_quantizers)
        if not reconstruct:
            return Forwarded(encoded.codes, encoded.z, encoded)
        raw = self.decode_frames(encoded.z, None)
        audio = align(raw, self.delay, audio_data.shape[-1])
        return Forwarded(encoded.codes, encoded.z, encoded, audio)
