"""transformers' DAC as a model, with masks, stereo and removable weight norm.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
import torch.nn.functional as F
import transformers
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm
from transformers.models.dac.modeling_dac import (
    DacDecoderOutput,
    DacEncoderOutput,
    DacOutput,
)

from dac_lobe.hf.config import DacConfig
from dac_lobe.network.autoencoder import Autoencoder
from dac_lobe.network.code_checks import CodeChecks
from dac_lobe.network.layers import MaskedSequential, fold_weight_norm
from dac_lobe.network.names import codebooks_by_any_name
from dac_lobe.network.pickling import picklable
from dac_lobe.network.receptive_field import convolutions
from dac_lobe.weights import layouts
from dac_lobe.weights.pretrained import transformers_config

__all__ = ["DacModel"]


class DacModel(CodeChecks, transformers.DacModel):
    """The codec as a transformers model; arguments as there.

    Example
    -------
    >>> import numpy as np
    >>> from dac_lobe import DAC
    >>> from dac_lobe.hf import DacFeatureExtractor
    >>> model = DacModel.from_codec(DAC.from_pretrained("16khz-small"))
    >>> extractor = DacFeatureExtractor(hop_length=model.config.hop_length)
    >>> clips = [np.zeros(900), np.zeros(500)]
    >>> inputs = extractor(clips, sampling_rate=16000, return_tensors="pt")
    >>> model(**inputs, n_quantizers=4).audio_codes.shape
    torch.Size([2, 4, 3])
    """

    config_class = DacConfig

    def __init__(self, config: DacConfig):
        super().__init__(config)
        self.n_codebooks = config.n_codebooks
        self.codebook_size = config.codebook_size

    @classmethod
    def from_codec(cls, codec: Autoencoder) -> DacModel:
        """Make a model, in eval mode, with a copy of the weights of a codec."""
        config = DacConfig.from_dict(transformers_config(codec))
        state = {
            layouts.official_key(key): tensor.detach().clone()
            for key, tensor in codec.state_dict().items()
        }
        with torch.device("meta"):
            model = cls(config)
        folded = layouts.transformers_names(layouts.folded(state))
        model.load_state_dict(folded, assign=True)
        model.eval()
        return model

    def apply_weight_norm(self) -> None:
        """Split each convolution's weight into gain and direction, for training.

        `from_pretrained` reads plain weights: call `remove_weight_norm` before
        `save_pretrained`.
        """
        for layer in convolutions(self):
            if not parametrize.is_parametrized(layer, "weight"):
                picklable(weight_norm(layer))

    def remove_weight_norm(self) -> None:
        """Fold weight norm into plain weights; where there is none, do nothing."""
        fold_weight_norm(self)

    @codebooks_by_any_name
    def encode(
        self,
        input_values: torch.Tensor,
        n_quantizers: int | None = None,
        return_dict: bool | None = None,
        padding_mask: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, ...] | DacEncoderOutput:
        """Encode waveforms.

        Arguments
        ---------
        input_values : torch.Tensor
            Waveforms, [B, 1, T], or [B, C, T]: then B * C items come back.
        n_quantizers : int, optional
            Number of codebooks; all by default.
        return_dict : bool, optional
            Whether to return a named output rather than a tuple.
        padding_mask : torch.Tensor, optional
            1 for samples, 0 for padding at the end, [B, T]. Past the end of an
            item, codes and latents are 0. The loss is transformers' mean over
            all frames.

        Returns
        -------
        DacEncoderOutput
            loss, quantized_representation, audio_codes, projected_latents.

        Raises
        ------
        ValueError
            If an argument is out of range.
        """
        n_quantizers = self.check_n_quantizers(n_quantizers)
        input_values, lengths = self._items(input_values, padding_mask)
        if lengths is None:
            return super().encode(input_values, n_quantizers, return_dict)
        hop = self.config.hop_length
        frames = -(-lengths // hop)
        samples = torch.arange(input_values.shape[-1], device=lengths.device)
        audio = input_values.masked_fill(samples >= lengths[:, None, None], 0.0)
        audio = F.pad(audio, (0, -audio.shape[-1] % hop))
        # The last frame of an item alone ends where its hop ends, not its samples.
        latents = MaskedSequential(*_layers(self.encoder))(audio, frames * hop)
        quantized, codes, projected, commitment, codebook = self.quantizer(
            latents, n_quantizers
        )
        outside = torch.arange(codes.shape[-1], device=frames.device)
        outside = outside >= frames[:, None, None]
        config = self.config
        result = DacEncoderOutput(
            config.commitment_loss_weight * commitment
            + config.codebook_loss_weight * codebook,
            quantized.masked_fill(outside, 0.0),
            codes.masked_fill(outside, 0),
            projected.masked_fill(outside, 0.0),
        )
        return result if self._named(return_dict) else result.to_tuple()

    def decode(
        self,
        quantized_representation: torch.Tensor | None = None,
        audio_codes: torch.Tensor | None = None,
        return_dict: bool | None = None,
        padding_mask: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, ...] | DacDecoderOutput:
        """Decode latents or codes.

        Arguments
        ---------
        quantized_representation : torch.Tensor, optional
            Latents, [B, D, F].
        audio_codes : torch.Tensor, optional
            Codes, [B, K, F]; taken rather than latents if both are given.
        return_dict : bool, optional
            Whether to return a named output rather than a tuple.
        padding_mask : torch.Tensor, optional
            As for `encode`, for as many items as there are here or one per
            recording. The waveforms are then as long as the mask, aligned with
            the input, and 0 past the end of each item.

        Returns
        -------
        DacDecoderOutput
            audio_values, [B, T].

        Raises
        ------
        ValueError
            If an argument is out of range.
        """
        if audio_codes is not None:
            audio_codes = self.check_codes(audio_codes)
        if padding_mask is None:
            return super().decode(quantized_representation, audio_codes, return_dict)
        if audio_codes is not None:
            quantized_representation = self.quantizer.from_codes(audio_codes)[0]
        if quantized_representation is None:
            raise ValueError("give decode() quantized_representation or audio_codes.")
        items, rows = len(quantized_representation), len(padding_mask)
        if padding_mask.dim() != 2 or not rows or items % rows:
            raise ValueError(
                f"padding_mask is {tuple(padding_mask.shape)} for {items} items; [B, T] "
                "is needed, with a row for each item or for each recording."
            )
        padding_mask = padding_mask.repeat_interleave(items // rows, 0)
        lengths = _lengths(padding_mask)
        frames = -(-lengths // self.config.hop_length)
        raw = MaskedSequential(*_layers(self.decoder))(quantized_representation, frames)
        total, delay = padding_mask.shape[-1], self.config.delay
        audio = F.pad(raw.squeeze(1), (delay, total - raw.shape[-1] - delay))
        outside = torch.arange(total, device=lengths.device) >= lengths[:, None]
        result = DacDecoderOutput(audio.masked_fill(outside, 0.0))
        return result if self._named(return_dict) else result.to_tuple()

    @codebooks_by_any_name
    def forward(
        self,
        input_values: torch.Tensor,
        n_quantizers: int | None = None,
        return_dict: bool | None = None,
        padding_mask: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, ...] | DacOutput:
        """Encode and decode; see `encode` and `decode`."""
        total = input_values.shape[-1]
        encoded = cast(
            DacEncoderOutput,
            self.encode(input_values, n_quantizers, True, padding_mask),
        )
        latents = encoded.quantized_representation
        audio = cast(
            DacDecoderOutput,
            self.decode(latents, return_dict=True, padding_mask=padding_mask),
        )
        result = DacOutput(
            encoded.loss,
            audio.audio_values[..., :total],
            latents,
            encoded.audio_codes,
            encoded.projected_latents,
        )
        return result if self._named(return_dict) else result.to_tuple()

    def _named(self, return_dict: bool | None) -> bool:
        """Whether outputs are named: as asked, or else as configured."""
        return self.config.return_dict if return_dict is None else return_dict

    def _items(
        self, input_values: torch.Tensor, padding_mask: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Make channels items; return [B * C, 1, T] and their lengths."""
        if input_values.dim() != 3:
            raise ValueError(
                f"input_values are {tuple(input_values.shape)}; [B, C, T] is needed, "
                "as the feature extractor returns it."
            )
        batch, channels, samples = input_values.shape
        items = input_values.reshape(batch * channels, 1, samples)
        if padding_mask is None:
            return items, None
        if padding_mask.shape != (batch, samples):
            raise ValueError(
                f"padding_mask is {tuple(padding_mask.shape)} for input_values "
                f"{tuple(input_values.shape)}; {(batch, samples)} is needed."
            )
        return items, _lengths(padding_mask.repeat_interleave(channels, 0))


def _layers(part: Any) -> Iterator[nn.Module]:
    """Yield the layers of transformers' encoder or decoder in order of execution."""
    yield part.conv1
    for block in part.block:
        units = (block.res_unit1, block.res_unit2, block.res_unit3)
        if hasattr(block, "conv_t1"):
            yield from (block.snake1, block.conv_t1, *units)
        else:
            yield from (*units, block.snake1, block.conv1)
    yield from (part.snake1, part.conv2)
    if hasattr(part, "tanh"):
        yield part.tanh


def _lengths(padding_mask: torch.Tensor) -> torch.Tensor:
    """Count the samples of each item, all of them before its padding."""
    mask = padding_mask.bool()
    if bool((mask[:, 1:] & ~mask[:, :-1]).any()) or not bool(mask.any(-1).all()):
        raise ValueError(
            "padding_mask must be 1 for the samples of each item, at least one, then 0."
        )
    return mask.sum(-1)
