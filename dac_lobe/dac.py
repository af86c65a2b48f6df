"""The Descript Audio Codec as a lobe: the network, and all that one does with it.

A drop-in for ``speechbrain.lobes.models.discrete.dac.DAC``: same constructor,
same tuples, same state-dict keys. What differs is listed in docs/drop-in.md.

This is the top of the house: nothing that `DAC` is made of imports it.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

import torch

from dac_lobe.network.autoencoder import Autoencoder
from dac_lobe.network.checks import reconcile
from dac_lobe.network.layers import init_weights
from dac_lobe.network.names import codebooks_by_any_name
from dac_lobe.network.outputs import Encoded, Forwarded

if TYPE_CHECKING:
    from dac_lobe.audio import Source
    from dac_lobe.container import Packed
    from dac_lobe.execution.streaming import StreamingDecoder, StreamingEncoder
    from dac_lobe.weights.checkpoint import Checkpoint

__all__ = ["DAC", "Encoded", "Forwarded"]


class DAC(Autoencoder):
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

    @codebooks_by_any_name
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
        checkpoint: Checkpoint | None = None
        if load_pretrained or load_path:
            from dac_lobe.execution import attach
            from dac_lobe.weights.checkpoint import read_checkpoint
            from dac_lobe.weights.fetch import download, released_variant
            from dac_lobe.weights.pretrained import source_name

            checkpoint = read_checkpoint(
                load_path or download(model_type, model_bitrate, tag)
            )
            config = reconcile(config, _DEFAULTS, checkpoint.config)
        if checkpoint is None:
            super().__init__(config)
            self.apply(init_weights)
            return
        # Nothing is allocated, or drawn at random, only to be overwritten.
        with torch.device("meta"):
            super().__init__(config)
        checkpoint.load_into(self)
        self.metadata = checkpoint.metadata
        self.source = (
            source_name(Path(load_path))
            if load_path
            else released_variant(model_type, model_bitrate, tag).name
        )
        self.eval()
        attach(self)

    @classmethod
    def from_pretrained(
        cls,
        source: str | os.PathLike[str] = "16khz-small",
        *,
        device: str | torch.device = "cpu",
        cache_dir: str | os.PathLike[str] | None = None,
        backend: str = "auto",
        precision: str = "exact",
        encoder_precision: str = "exact",
        compile: bool = False,
    ) -> Self:
        """Load a codec, in eval mode.

        Arguments
        ---------
        source : str or Path
            A name ('16khz', '24khz', '44khz', '44khz-16kbps', '16khz-small'), a
            file (.pth, .safetensors), a folder (transformers layout), or a hub id.
        device : str or torch.device
            Where to put the model; 'auto' takes a GPU if there is one.
        cache_dir : str or Path, optional
            Where fetched weights are kept; '~/.cache/descript/dac' by default.
        backend : str
            What executes inference: 'native' (the C++ kernel), 'torch', or 'auto':
            native where it is built. DAC_LOBE_BACKEND in the environment wins.
        precision : str
            Of the decoder: 'exact', 'tf32' (exact on a CPU), 'bf16' or 'fp16', for
            which a CPU must have instructions; encoding and codes are not touched.
        encoder_precision : str
            Of the encoder on a GPU; codes may change with it. 'exact' on a CPU.
        compile : bool
            Whether to fuse what a GPU runs by ``torch.compile`` (seconds, once per
            process).

        Returns
        -------
        DAC
            The codec.

        Raises
        ------
        ValueError
            If the name is unknown, the file is not a DAC checkpoint, there is no
            such device, or an option is not for it.

        Example
        -------
        >>> DAC.from_pretrained("16khz-small").n_codebooks
        12
        """
        from dac_lobe.execution import attach, check_options
        from dac_lobe.execution.devices import check_device
        from dac_lobe.weights.pretrained import load_model

        place = check_device(device)
        check_options(
            place, backend, precision, compile, encoder_precision=encoder_precision
        )
        codec = load_model(cls, source, cache_dir=cache_dir).to(place)
        return attach(
            codec, backend, precision, compile, encoder_precision=encoder_precision
        )

    @codebooks_by_any_name
    def encode_chunked(
        self,
        audio: torch.Tensor,
        chunk_frames: int | None = None,
        num_codebooks: int | None = None,
        *,
        lengths: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Encode a waveform of any length in bounded memory, code for code as `encode`.

        See `dac_lobe.execution.chunked.encode_chunked`.
        """
        from dac_lobe.execution.chunked import encode_chunked

        return encode_chunked(self, audio, chunk_frames, num_codebooks, lengths=lengths)

    def decode_chunked(
        self,
        codes: torch.Tensor,
        chunk_frames: int | None = None,
        length: int | torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Decode codes of any length in bounded memory, as `decode_codes` does.

        See `dac_lobe.execution.chunked.decode_chunked`.
        """
        from dac_lobe.execution.chunked import decode_chunked

        return decode_chunked(self, codes, chunk_frames, length)

    @codebooks_by_any_name
    def streaming_encoder(
        self, num_codebooks: int | None = None, *, block_frames: int | None = None
    ) -> StreamingEncoder:
        """Make a `dac_lobe.execution.streaming.StreamingEncoder` of this codec."""
        from dac_lobe.execution.streaming import StreamingEncoder

        return StreamingEncoder(self, num_codebooks, block_frames=block_frames)

    def streaming_decoder(self, *, block_frames: int | None = None) -> StreamingDecoder:
        """Make a `dac_lobe.execution.streaming.StreamingDecoder` of this codec."""
        from dac_lobe.execution.streaming import StreamingDecoder

        return StreamingDecoder(self, block_frames=block_frames)

    @codebooks_by_any_name
    def encode_file(
        self,
        path: Source,
        *,
        num_codebooks: int | None = None,
        normalize_db: float | None = None,
        progress: Callable[[float, float], object] | None = None,
    ) -> Packed:
        """Encode audio of any rate and channel count into a `Packed`.

        See `dac_lobe.files.encode_file`.
        """
        from dac_lobe.files import encode_file

        return encode_file(
            self,
            path,
            num_codebooks=num_codebooks,
            normalize_db=normalize_db,
            progress=progress,
        )

    @codebooks_by_any_name
    def decode_file(
        self,
        source: Packed | str | os.PathLike[str] | BinaryIO | bytes,
        output: str | os.PathLike[str],
        *,
        num_codebooks: int | None = None,
        start: float = 0.0,
        duration: float | None = None,
        sample_rate: int | None = None,
        subtype: str | None = None,
        partial: bool = False,
        progress: Callable[[float, float], object] | None = None,
    ) -> Path:
        """Decode a packed file, or a `Packed`, into an audio file.

        See `dac_lobe.files.decode_file`.
        """
        from dac_lobe.files import decode_file

        return decode_file(
            self,
            source,
            output,
            num_codebooks=num_codebooks,
            start=start,
            duration=duration,
            sample_rate=sample_rate,
            subtype=subtype,
            partial=partial,
            progress=progress,
        )

    def save(self, path: str | os.PathLike[str], *, half: bool = False) -> Path:
        """Write a checkpoint: official (.pth), safetensors, or a transformers folder.

        See `dac_lobe.weights.pretrained.save_model`.
        """
        from dac_lobe.weights.pretrained import save_model

        return save_model(self, path, half=half)


_DEFAULTS = {
    name: parameter.default
    for name, parameter in inspect.signature(DAC.__init__).parameters.items()
}
