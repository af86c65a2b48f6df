"""The Descript Audio Codec as a lobe: encoder, quantizer, decoder.

A drop-in for ``speechbrain.lobes.models.discrete.dac.DAC``: same constructor,
same tuples, same state-dict keys. What differs is listed in docs/drop-in.md.

Adapted from https://github.com/descriptinc/descript-audio-codec
(MIT License, Copyright (c) 2023-present, Descript) and its port in SpeechBrain
(Apache License 2.0); see NOTICE. Paper: https://arxiv.org/abs/2306.06546

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import nn

from dac_lobe.checks import check_audio, check_config, reconcile
from dac_lobe.decoder import Decoder
from dac_lobe.encoder import Encoder
from dac_lobe.layers import init_weights, keep_valid
from dac_lobe.lengths import align, sample_lengths, wanted_lengths
from dac_lobe.outputs import Encoded, Forwarded, FromCodes, ResidualQuantized
from dac_lobe.quantizer import ResidualVectorQuantize
from dac_lobe.ties import settle

if TYPE_CHECKING:
    from dac_lobe.fast.engine import Engine

__all__ = ["DAC", "Encoded", "Forwarded"]


class DAC(nn.Module):
    """Descript Audio Codec.

    `DAC.from_pretrained` is the usual way in; the constructor is SpeechBrain's.

    Arguments
    ---------
    encoder_dim : int
        Channels after the encoder's first convolution.
    encoder_rates : sequence of int
        Strides of the encoder; their product is the hop length.
    latent_dim : int, optional
        Channels of the latents; ``encoder_dim * 2 ** len(encoder_rates)`` if None.
    decoder_dim : int
        Channels after the decoder's first convolution.
    decoder_rates : sequence of int
        Strides of the decoder.
    n_codebooks : int
        Number of codebooks K.
    codebook_size : int
        Codes per codebook.
    codebook_dim : int or sequence of int
        Dimension of the look-up space.
    quantizer_dropout : float
        Share of each training batch with a random number of codebooks.
    sample_rate : int
        Samples per second of the audio that the model codes.
    model_type : str
        '16khz', '24khz' or '44khz'; which weights ``load_pretrained`` fetches.
    model_bitrate : str
        '8kbps' or '16kbps', upstream's labels (not true bitrates).
    tag : str
        Release of the weights.
    load_path : str or Path, optional
        Checkpoint to load instead of fetching one.
    strict : bool
        Kept for compatibility: loading is strict whatever it says, because a
        partial load leaves random weights that nobody notices.
    load_pretrained : bool
        Load weights, from ``load_path`` or fetched. The model is then in eval mode.
    delay : int, optional
        Samples by which the raw output is early; see docs/delay.md. None means
        the checkpoint's, or 0.

    Raises
    ------
    ValueError
        If no codec can have these arguments, the checkpoint is not usable, or
        it is another model than the arguments describe.

    Example
    -------
    >>> codec = DAC(
    ...     encoder_dim=4,
    ...     encoder_rates=[2, 4],
    ...     decoder_dim=16,
    ...     decoder_rates=[4, 2],
    ...     n_codebooks=2,
    ...     codebook_size=16,
    ...     sample_rate=16000,
    ... ).eval()
    >>> wav = torch.randn(1, 1, 100)
    >>> codes = codec.encode(wav).codes
    >>> codes.shape
    torch.Size([1, 2, 13])
    >>> codec.decode_codes(codes, length=100).shape
    torch.Size([1, 1, 100])
    """

    _engine: Engine | None = None  # set by dac_lobe.fast.attach

    def __init__(
        self,
        encoder_dim: int = 64,
        encoder_rates: Sequence[int] = (2, 4, 8, 8),
        latent_dim: int | None = None,
        decoder_dim: int = 1536,
        decoder_rates: Sequence[int] = (8, 8, 4, 2),
        n_codebooks: int = 9,
        codebook_size: int = 1024,
        codebook_dim: int | Sequence[int] = 8,
        quantizer_dropout: float = 0.0,
        sample_rate: int = 44100,
        model_type: str = "44khz",
        model_bitrate: str = "8kbps",
        tag: str = "latest",
        load_path: str | Path | None = None,
        strict: bool = True,
        load_pretrained: bool = False,
        *,
        delay: int | None = None,
    ):
        super().__init__()
        config = {
            "encoder_dim": encoder_dim,
            "encoder_rates": encoder_rates,
            "latent_dim": latent_dim,
            "decoder_dim": decoder_dim,
            "decoder_rates": decoder_rates,
            "n_codebooks": n_codebooks,
            "codebook_size": codebook_size,
            "codebook_dim": codebook_dim,
            "quantizer_dropout": quantizer_dropout,
            "sample_rate": sample_rate,
            "delay": delay,
        }
        checkpoint = None
        if load_pretrained or load_path:
            from dac_lobe.checkpoint import read_checkpoint
            from dac_lobe.fetch import download

            checkpoint = read_checkpoint(
                load_path or download(model_type, model_bitrate, tag)
            )
            config = reconcile(config, _DEFAULTS, checkpoint.config)
        if checkpoint is None:
            self._build(config)
            self.apply(init_weights)
        else:
            # Nothing is allocated, or drawn at random, only to be overwritten.
            with torch.device("meta"):
                self._build(config)
            checkpoint.load_into(self)
            self.metadata = checkpoint.metadata
            self.eval()

    def _build(self, config: dict[str, Any]) -> None:
        """Set the attributes and make the layers that ``config`` describes."""
        config = {**config, "delay": config["delay"] or 0}
        for name, value in check_config(config).items():
            setattr(self, name, value)
        self.hop_length = math.prod(self.encoder_rates)
        self.encoder = Encoder(self.encoder_dim, self.encoder_rates, self.latent_dim)
        self.quantizer = ResidualVectorQuantize(
            input_dim=self.latent_dim,
            n_codebooks=self.n_codebooks,
            codebook_size=self.codebook_size,
            codebook_dim=self.codebook_dim,
            quantizer_dropout=self.quantizer_dropout,
        )
        self.decoder = Decoder(self.latent_dim, self.decoder_dim, self.decoder_rates)

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path = "16khz-small",
        *,
        device: str | torch.device = "cpu",
        cache_dir: str | Path | None = None,
        **options: Any,
    ) -> DAC:
        """Load a codec, in eval mode.

        Arguments
        ---------
        source : str or Path
            A name ('16khz', '24khz', '44khz', '44khz-16kbps', '16khz-small'), a
            file (.pth, .safetensors), a folder (transformers layout), or a hub id.
        device : str or torch.device
            Where to put the model.
        cache_dir : str or Path, optional
            Where fetched weights are kept; '~/.cache/descript/dac' by default.
        **options
            Further options of `dac_lobe.pretrained.load_model`.

        Returns
        -------
        DAC
            The codec.

        Raises
        ------
        ValueError
            If the name is unknown, the file is not a DAC checkpoint, or there is no
            such device.

        Example
        -------
        >>> DAC.from_pretrained("16khz-small").n_codebooks
        12
        """
        from dac_lobe.pretrained import load_model

        if torch.device(device).type == "cuda" and not torch.cuda.is_available():
            raise ValueError(
                f"device={str(device)!r}, but torch finds no GPU here. Choose 'cpu', or "
                "install a torch with CUDA."
            )
        return load_model(cls, source, cache_dir=cache_dir, **options).to(device)

    @property
    def config(self) -> dict[str, Any]:
        """Constructor arguments that make a codec of the same shape."""
        return {
            "encoder_dim": self.encoder_dim,
            "encoder_rates": list(self.encoder_rates),
            "latent_dim": self.latent_dim,
            "decoder_dim": self.decoder_dim,
            "decoder_rates": list(self.decoder_rates),
            "n_codebooks": self.n_codebooks,
            "codebook_size": self.codebook_size,
            "codebook_dim": self.codebook_dim,
            "quantizer_dropout": self.quantizer_dropout,
            "sample_rate": self.sample_rate,
            "delay": self.delay,
        }

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.quantizer.quantizers[0].codebook.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights."""
        return self.quantizer.quantizers[0].codebook.weight.dtype

    @property
    def num_codebooks(self) -> int:
        """Number of codebooks K."""
        return self.n_codebooks

    @property
    def backend(self) -> str:
        """How inference is executed: 'modules', or 'torch' or 'native' (see `fast`)."""
        return "modules" if self._engine is None else self._engine.backend

    @property
    def precision(self) -> str:
        """Precision of the decoder where the codec is now; 'exact' on CPUs."""
        gpu = self._engine is not None and self.device.type == "cuda"
        return self._engine.precision if gpu else "exact"

    @property
    def frame_rate(self) -> float:
        """Frames per second, in Hz."""
        return self.sample_rate / self.hop_length

    def bitrate(self, num_codebooks: int | None = None) -> float:
        """Compute the true bitrate in kbps: frame_rate * K * log2(codebook_size) / 1000.

        Arguments
        ---------
        num_codebooks : int, optional
            Number of codebooks; all by default.

        Returns
        -------
        float
            Kilobits per second.
        """
        used = self.quantizer.check_n_quantizers(num_codebooks, "num_codebooks")
        return self.frame_rate * used * math.log2(self.codebook_size) / 1000

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
        used = self.quantizer.check_n_quantizers(n_quantizers)
        batch, _, samples = audio_data.shape
        hop = self.hop_length
        audio_data = F.pad(audio_data, (0, -samples % hop))
        if lengths is None:
            frame_lengths = torch.full(
                (batch,), -(-samples // hop), device=audio_data.device
            )
            z = self._encode_frames(audio_data, None)
        else:
            valid = sample_lengths(lengths, batch, samples).to(audio_data.device)
            frame_lengths = -(-valid // hop)
            audio_data = keep_valid(audio_data, valid)
            z = self._encode_frames(audio_data, frame_lengths * hop)
        quantized = self._quantize(
            z, used if n_quantizers is not None or not self.training else None
        )
        if self._settles(audio_data):
            quantized = settle(self, audio_data, frame_lengths, z, quantized)
        if lengths is not None:
            quantized = quantized.keep_valid(frame_lengths)
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
        if z.dim() != 3 or z.shape[1] != self.latent_dim:
            raise ValueError(
                f"latents have shape {tuple(z.shape)}; [B, {self.latent_dim}, F] is "
                "needed. To decode codes, use decode_codes(codes)."
            )
        batch, _, frames = z.shape
        if length is not None:
            wanted = wanted_lengths(length, batch, frames, self.hop_length)
            frames = wanted.frames(self.hop_length)
        if frames == 0:
            return z.new_zeros(batch, 1, 0)
        if length is None:
            return self._decode_frames(z, None)
        frame_lengths = wanted.frame_lengths(self.hop_length)
        if frame_lengths is not None:
            frame_lengths = frame_lengths.to(z.device)
        raw = self._decode_frames(z[..., :frames], frame_lengths)
        return wanted.end_each(align(raw, self.delay, wanted.longest))

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
        >>> codec = DAC.from_pretrained("16khz-small")
        >>> codec.decode_codes(torch.zeros(1, 4, 5, dtype=torch.long)).shape
        torch.Size([1, 1, 1600])
        """
        z = self._dequantize(codes).z
        if length is None:
            length = codes.shape[-1] * self.hop_length
        return self.decode(z, length=length)

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
        raw = self._decode_frames(encoded.z, None)
        audio = align(raw, self.delay, audio_data.shape[-1])
        return Forwarded(encoded.codes, encoded.z, encoded, audio)

    def encode_chunked(
        self,
        audio: torch.Tensor,
        chunk_frames: int | None = None,
        num_codebooks: int | None = None,
        *,
        lengths: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Encode a waveform of any length in bounded memory, code for code as `encode`.

        See `dac_lobe.chunked.encode_chunked`.
        """
        from dac_lobe.chunked import encode_chunked

        return encode_chunked(self, audio, chunk_frames, num_codebooks, lengths=lengths)

    def decode_chunked(
        self,
        codes: torch.Tensor,
        chunk_frames: int | None = None,
        length: int | torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Decode codes of any length in bounded memory, as `decode_codes` does.

        See `dac_lobe.chunked.decode_chunked`.
        """
        from dac_lobe.chunked import decode_chunked

        return decode_chunked(self, codes, chunk_frames, length)

    def streaming_encoder(self, num_codebooks: int | None = None, **options: Any):
        """Make a `dac_lobe.streaming.StreamingEncoder` of this codec."""
        from dac_lobe.streaming import StreamingEncoder

        return StreamingEncoder(self, num_codebooks, **options)

    def streaming_decoder(self, **options: Any):
        """Make a `dac_lobe.streaming.StreamingDecoder` of this codec."""
        from dac_lobe.streaming import StreamingDecoder

        return StreamingDecoder(self, **options)

    def encode_file(self, path: str | Path, **options: Any):
        """Encode an audio file of any rate and channel count into a `Packed`.

        See `dac_lobe.files.encode_file`.
        """
        from dac_lobe.files import encode_file

        return encode_file(self, path, **options)

    def decode_file(self, source: Any, output: str | Path, **options: Any):
        """Decode a packed file, or a `Packed`, into an audio file.

        See `dac_lobe.files.decode_file`.
        """
        from dac_lobe.files import decode_file

        return decode_file(self, source, output, **options)

    def save(self, path: str | Path, **options: Any) -> Path:
        """Write a checkpoint: official (.pth), safetensors, or a transformers folder.

        See `dac_lobe.pretrained.save_model`.
        """
        from dac_lobe.pretrained import save_model

        return save_model(self, path, **options)

    def _encode_frames(
        self, audio: torch.Tensor, lengths: torch.Tensor | None
    ) -> torch.Tensor:
        """Run the encoder on whole hops."""
        if self._use_engine(self.encoder, audio):
            return self._engine.encode_frames(self, audio, lengths)
        return self.encoder(audio, lengths)

    def _decode_frames(
        self, z: torch.Tensor, frame_lengths: torch.Tensor | None
    ) -> torch.Tensor:
        """Run the decoder; the result is raw."""
        if self._use_engine(self.decoder, z):
            return self._engine.decode_frames(self, z, frame_lengths)
        return self.decoder(z, frame_lengths)

    def _quantize(self, z: torch.Tensor, used: int | None) -> ResidualQuantized:
        """Run the quantizer on latents; None codebooks is training's choice."""
        if used is not None and self._use_engine(self.quantizer, z):
            return self._engine.quantize(self, z, used)
        return self.quantizer(z, used)

    def _dequantize(self, codes: torch.Tensor) -> FromCodes:
        """Rebuild latents from codes."""
        if self._use_engine(self.quantizer, codes):
            return self._engine.dequantize(self, codes)
        return self.quantizer.from_codes(codes)

    def _use_engine(self, part: nn.Module, x: torch.Tensor) -> bool:
        """Tell whether a fast engine is attached and ``part`` is run in inference."""
        if self._engine is None or part.training or not torch.is_tensor(x):
            return False
        return not (x.requires_grad and torch.is_grad_enabled())

    def _settles(self, audio: torch.Tensor) -> bool:
        """Tell whether near ties are settled: where fast kernels round freely.

        The modules themselves are left to choose as upstream's do, bit for bit.
        """
        return audio.device.type == "cpu" and self._use_engine(self.encoder, audio)


_DEFAULTS = {
    name: parameter.default
    for name, parameter in inspect.signature(DAC.__init__).parameters.items()
}
