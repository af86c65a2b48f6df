"""The three networks of the codec, and how each of them is run.

    wav [B, 1, T] --encoder--> latents [B, D, F] --quantizer--> codes [B, K, F]

In inference an executor may run them in place of their modules; which one, if any,
is decided here and nowhere else.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.amp.autocast_mode import is_autocast_available
from torch.autograd import forward_ad

from dac_lobe.network.checks import check_config
from dac_lobe.network.decoder import Decoder
from dac_lobe.network.encoder import Encoder
from dac_lobe.network.executor import Executor
from dac_lobe.network.names import codebooks_by_any_name
from dac_lobe.network.outputs import FromCodes, ResidualQuantized
from dac_lobe.network.pickling import Portable
from dac_lobe.network.quantizer import ResidualVectorQuantize

__all__ = ["Parts"]


class Parts(Portable, nn.Module):
    """Encoder, residual quantizer and decoder.

    Arguments
    ---------
    config : dict
        Arguments of `dac_lobe.DAC` that decide the shape; see `config`.

    Attributes
    ----------
    executor : Executor or None
        What runs inference; the modules themselves if None. Set by
        `dac_lobe.execution.attach`.
    source : str or None
        Name of what the weights were loaded from, for messages.
    metadata : dict
        Of the checkpoint: name, licence, training.
    """

    encoder_dim: int
    encoder_rates: list[int]
    latent_dim: int
    decoder_dim: int
    decoder_rates: list[int]
    n_codebooks: int
    codebook_size: int
    codebook_dim: int | list[int]
    quantizer_dropout: float
    sample_rate: int
    delay: int
    hop_length: int
    encoder: Encoder
    quantizer: ResidualVectorQuantize
    decoder: Decoder

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        self.executor: Executor | None = None
        self.source: str | None = None
        self.metadata: dict[str, Any] = {}
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

    def __repr__(self) -> str:
        """Say in two lines what it codes; ``repr(codec.encoder)`` shows the layers."""
        weights = sum(parameter.numel() for parameter in self.parameters())
        return (
            f"{type(self).__name__}({self.source or 'unnamed'}: {self.sample_rate} Hz, "
            f"{self.num_codebooks} codebooks of {self.codebook_size} at "
            f"{self.frame_rate:g} Hz = {self.bitrate():g} kbps,\n"
            f"    {weights / 1e6:.1f} M parameters on {self.device}, run by "
            f"{self.backend}, precision {self.precision})"
        )

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
        """What executes inference: 'modules', or the executor's name."""
        return "modules" if self.executor is None else self.executor.backend

    @property
    def precision(self) -> str:
        """Precision of the decoder: 'exact', 'tf32', 'bf16' or 'fp16'."""
        return "exact" if self.executor is None else self.executor.precision

    @property
    def frame_rate(self) -> float:
        """Frames per second, in Hz."""
        return self.sample_rate / self.hop_length

    @codebooks_by_any_name
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

    def encode_span(
        self,
        audio: torch.Tensor,
        used: int | None,
        frame_lengths: torch.Tensor | None = None,
        keep: slice = slice(None),
    ) -> ResidualQuantized:
        """Encode a span of whole hops, and keep some of its frames.

        Autocast is for training: where no graph is recorded, codes are those without it.

        Arguments
        ---------
        audio : torch.Tensor
            Samples of shape [B, 1, F * hop], zero past each item's end.
        used : int or None
            Number of codebooks; None leaves the choice to training's dropout.
        frame_lengths : torch.Tensor, optional
            Frames of each item, shape [B], if they differ.
        keep : slice
            Frames to keep; the others are context.

        Returns
        -------
        ResidualQuantized
            Zero past each item's end.
        """
        executor = self._executor_of(self.encoder, audio)
        graph = self.encoder.training or (executor is None and torch.is_grad_enabled())
        device = audio.device.type
        if not graph and is_autocast_available(device):
            if torch.is_autocast_enabled(device):
                # Half precision would choose other codes, with nothing to be gained.
                with torch.autocast(device, enabled=False):
                    return self.encode_span(audio, used, frame_lengths, keep)
        hop, first = self.hop_length, keep.start or 0
        lengths = None if frame_lengths is None else frame_lengths * hop
        z = self.encode_frames(audio, lengths)[..., keep]
        if used is None or executor is None or self.quantizer.training:
            quantized = self.quantize(z, used)
        else:
            quantized = executor.quantize_span(
                self, audio, frame_lengths, z, used, first
            )
        if frame_lengths is None:
            return quantized
        return quantized.keep_valid(frame_lengths - first)

    def encode_frames(
        self, audio: torch.Tensor, lengths: torch.Tensor | None
    ) -> torch.Tensor:
        """Run the encoder on whole hops."""
        executor = self._executor_of(self.encoder, audio)
        if executor is not None:
            return executor.encode_frames(self, audio, lengths)
        z: torch.Tensor = self.encoder(audio, lengths)
        return z

    def quantize(self, z: torch.Tensor, used: int | None) -> ResidualQuantized:
        """Run the quantizer on latents; None codebooks is training's choice."""
        executor = self._executor_of(self.quantizer, z)
        if used is not None and executor is not None:
            return executor.quantize(self, z, used)
        quantized: ResidualQuantized = self.quantizer(z, used)
        return quantized

    def dequantize(self, codes: torch.Tensor) -> FromCodes:
        """Rebuild latents from codes."""
        executor = self._executor_of(self.quantizer, codes)
        if executor is not None and codes.numel():
            return executor.dequantize(self, codes)
        return self.quantizer.from_codes(codes)

    def decode_frames(
        self, z: torch.Tensor, frame_lengths: torch.Tensor | None
    ) -> torch.Tensor:
        """Run the decoder; the result is raw."""
        executor = self._executor_of(self.decoder, z)
        if executor is not None:
            return executor.decode_frames(self, z, frame_lengths)
        raw: torch.Tensor = self.decoder(z, frame_lengths)
        return raw

    def _executor_of(self, part: nn.Module, x: torch.Tensor) -> Executor | None:
        """Return the executor if ``part`` is run in inference, without a gradient."""
        if part.training or not torch.is_tensor(x) or _differentiated(x):
            return None
        # What lies elsewhere is for torch's own message.
        if self.executor is None or next(part.parameters()).device != x.device:
            return None
        return self.executor


def _differentiated(x: torch.Tensor) -> bool:
    """Tell whether somebody may wait for a derivative, by ``x`` or by weights.

    Backward it must be by ``x``. In a transform of `torch.func`, or in forward mode, it
    may be by weights too: they are not looked at one by one.
    """
    if x.requires_grad and torch.is_grad_enabled():
        return True
    if torch.compiler.is_compiling():  # which runs modules anyway
        return False
    transformed = torch._C._functorch.maybe_current_level() is not None
    return transformed or forward_ad._current_level >= 0
