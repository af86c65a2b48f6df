"""EnCodec behind the interface of `dac_lobe.DAC`: weights, files, any length.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import torch

from dac_lobe.audio import Source
from dac_lobe.encodec.network import EnCodecNetwork
from dac_lobe.encodec.packed import EnCodecPacked, decode_file, encode_file
from dac_lobe.encodec.source import load_encodec
from dac_lobe.execution.devices import check_device
from dac_lobe.network.names import codebooks_by_any_name

__all__ = ["EnCodec"]


class EnCodec(EnCodecNetwork):
    """EnCodec with the methods and words of `dac_lobe.DAC`.

    Arguments
    ---------
    model : EncodecModel
        transformers' model.
    scale : float, optional
        For models that normalise: the scale to decode with where none is given,
        so that codes alone make sound. It is the RMS of the result; 0.1 is
        speech of usual loudness.
    mono : bool
        For stereo models: take and give one channel, doubled on the way in,
        averaged on the way out.

    Example
    -------
    >>> from transformers import EncodecConfig, EncodecModel
    >>> config = EncodecConfig(
    ...     num_filters=4, hidden_size=8, codebook_size=16, upsampling_ratios=[4, 2]
    ... )
    >>> codec = EnCodec(EncodecModel(config))
    >>> codes = codec.encode(torch.randn(1, 1, 100), 2).codes
    >>> codes.shape
    torch.Size([1, 2, 13])
    >>> codec.decode_codes(codes, length=100).shape
    torch.Size([1, 1, 100])
    """

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path = "24khz",
        *,
        device: str | torch.device = "cpu",
        cache_dir: str | Path | None = None,
        scale: float | None = None,
        mono: bool = False,
    ) -> Self:
        """Load an EnCodec, in eval mode.

        Arguments
        ---------
        source : str or Path
            '24khz', '48khz', a folder of transformers, or a hub id.
        device : str or torch.device
            Where to put it.
        cache_dir : str or Path, optional
            Where fetched weights are kept.
        scale, mono
            Arguments of `EnCodec`.

        Returns
        -------
        EnCodec

        Raises
        ------
        ValueError
            If the source is not an EnCodec, or there is no such device.
        FetchError
            If it is neither here nor can be fetched.
        """
        place = check_device(device)
        codec = cls(load_encodec(source, cache_dir), scale=scale, mono=mono)
        codec.source = f"encodec-{Path(source).name}"
        return codec.to(place)

    @codebooks_by_any_name
    def encode_chunked(
        self,
        audio: torch.Tensor,
        chunk_frames: int | None = None,
        num_codebooks: int | None = None,
    ) -> torch.Tensor:
        """Do as `encode`, and return the codes.

        The 24 kHz model has a recurrent layer: its codes depend on all that
        came before, and no chunking of ours gives the same ones. The 48 kHz
        model has chunks of its own. ``chunk_frames`` is accepted and not used.
        """
        return self.encode(audio, num_codebooks).codes

    def decode_chunked(
        self,
        codes: torch.Tensor,
        chunk_frames: int | None = None,
        length: int | None = None,
    ) -> torch.Tensor:
        """Do as `decode_codes`; see `encode_chunked`."""
        return self.decode_codes(codes, length)

    @codebooks_by_any_name
    def encode_file(
        self, path: Source, *, num_codebooks: int | None = None
    ) -> EnCodecPacked:
        """Encode audio of any rate and channel count into an `EnCodecPacked`."""
        return encode_file(self, path, num_codebooks=num_codebooks)

    def decode_file(
        self, source: EnCodecPacked | str | Path, output: str | Path
    ) -> Path:
        """Decode a packed file, or an `EnCodecPacked`, into an audio file."""
        return decode_file(self, source, output)
