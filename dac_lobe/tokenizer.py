"""The codec as a tokenizer of speech, with SpeechBrain's conventions.

Signals are [B, T] with lengths relative to the longest, tokens are [B, F, K].
The methods are those of the tokenizers in SpeechBrain's discrete-audio
benchmark (DASB): ``sig_to_tokens``, ``tokens_to_sig`` and
``get_pretrained_embeddings``.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
from torch import nn

from dac_lobe.dac import DAC
from dac_lobe.network.codec import Codec
from dac_lobe.network.lengths import sample_lengths
from dac_lobe.network.names import codebooks_by_any_name

__all__ = ["DACTokenizer"]


class DACTokenizer(nn.Module):
    """Turn signals into discrete tokens and back, with weights that never change.

    The codec is held beside the module tree, not in it. Hence there is nothing
    that training could touch: ``parameters()`` and ``state_dict()`` are empty
    whatever is called, so optimizers, checkpoints and distributed wrappers
    pass by, and ``train()`` and ``requires_grad_()`` find nothing to change.
    ``to(device)`` moves the codec along but leaves its precision, and autocast
    is off inside, so that tokens do not depend on how a recipe trains.

    Arguments
    ---------
    source : str, Path or DAC
        A name ('16khz', '24khz', '44khz', '44khz-16kbps', '16khz-small'), a
        file, a folder or a hub id, as `DAC.from_pretrained` takes it; or a
        codec (an `EnCodec` too), which is then used as it is.
    num_codebooks : int, optional
        Codebooks to use unless a call says otherwise; all by default.
    sample_rate : int, optional
        Rate in Hz of the signals that will come; checked against the model's.
    device, cache_dir, backend, precision, encoder_precision, compile
        Of `DAC.from_pretrained`, where ``source`` is not a codec already.

    Raises
    ------
    ValueError
        If the source is unknown, the sample rate is another than the model's,
        or it has fewer codebooks.

    Example
    -------
    >>> codec = DAC(
    ...     encoder_dim=4,
    ...     encoder_rates=[2, 4],
    ...     decoder_dim=16,
    ...     decoder_rates=[4, 2],
    ...     n_codebooks=3,
    ...     codebook_size=16,
    ...     sample_rate=16000,
    ... )
    >>> tokenizer = DACTokenizer(codec, num_codebooks=2)
    >>> tokens = tokenizer.sig_to_tokens(torch.randn(2, 100), torch.tensor([1.0, 0.5]))
    >>> tokens.shape
    torch.Size([2, 13, 2])
    >>> tokenizer.tokens_to_sig(tokens).shape
    torch.Size([2, 104])
    """

    codec: Codec
    num_codebooks: int

    @codebooks_by_any_name
    def __init__(
        self,
        source: str | os.PathLike[str] | Codec,
        num_codebooks: int | None = None,
        sample_rate: int | None = None,
        *,
        device: str | torch.device = "cpu",
        cache_dir: str | os.PathLike[str] | None = None,
        backend: str = "auto",
        precision: str = "exact",
        encoder_precision: str = "exact",
        compile: bool = False,
    ):
        super().__init__()
        codec: Codec
        if isinstance(source, (str, os.PathLike)):
            codec = DAC.from_pretrained(
                source,
                device=device,
                cache_dir=cache_dir,
                backend=backend,
                precision=precision,
                encoder_precision=encoder_precision,
                compile=compile,
            ).requires_grad_(False)
        elif isinstance(source, nn.Module):
            codec = source
        else:
            raise ValueError(
                f"source={source!r} is no codec. Give a name like '16khz-small', a path, "
                "a hub id, or a DAC."
            )
        # Past nn.Module.__setattr__, which would make it a submodule.
        self.__dict__["codec"] = codec
        self.num_codebooks = codec.quantizer.check_n_quantizers(
            num_codebooks, "num_codebooks"
        )
        if sample_rate is not None and sample_rate != codec.sample_rate:
            raise ValueError(
                f"sample_rate={sample_rate} but this codec codes {codec.sample_rate} "
                "Hz. Resample the signals in the data pipeline, or choose another "
                "source."
            )

    @property
    def sample_rate(self) -> int:
        """Rate of the signals, in Hz."""
        return self.codec.sample_rate

    @property
    def frame_rate(self) -> float:
        """Frames per second, in Hz."""
        return self.codec.frame_rate

    @property
    def vocab_size(self) -> int:
        """Tokens per codebook V."""
        return self.codec.codebook_size

    @property
    def embedding_dim(self) -> int:
        """Dimension D of the pretrained embeddings."""
        return self.codec.latent_dim

    @codebooks_by_any_name
    def forward(
        self,
        sig: torch.Tensor,
        lengths: torch.Tensor | None = None,
        num_codebooks: int | None = None,
    ) -> torch.Tensor:
        """Do as `sig_to_tokens` does."""
        return self.sig_to_tokens(sig, lengths, num_codebooks)

    @torch.no_grad()
    @codebooks_by_any_name
    def sig_to_tokens(
        self,
        sig: torch.Tensor,
        lengths: torch.Tensor | None = None,
        num_codebooks: int | None = None,
    ) -> torch.Tensor:
        """Tokenize signals.

        Arguments
        ---------
        sig : torch.Tensor
            Padded batch of shape [B, T].
        lengths : torch.Tensor, optional
            Relative lengths in (0, 1], shape [B]; integers are samples. Each
            signal then gets the tokens that it would get alone, and 0 after them.
        num_codebooks : int, optional
            Codebooks to use; the constructor's by default.

        Returns
        -------
        torch.Tensor
            Tokens of shape [B, F, K], int64.

        Raises
        ------
        ValueError
            If the signal, the lengths or the number of codebooks are not allowed.
        """
        with torch.autocast(self.codec.device.type, enabled=False):
            encoded = self.codec.encode(sig, self._used(num_codebooks), lengths=lengths)
        return encoded.codes.transpose(1, 2)

    @torch.no_grad()
    def tokens_to_sig(
        self, tokens: torch.Tensor, lengths: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Turn tokens into signals.

        Arguments
        ---------
        tokens : torch.Tensor
            Tokens of shape [B, F, K'], any prefix of the codebooks.
        lengths : torch.Tensor, optional
            Shape [B]: relative to the F frames in (0, 1] if floating point, else
            in samples. Signals are zero after their length.

        Returns
        -------
        torch.Tensor
            Signals of shape [B, T]. T is F hops, or the greatest length in samples.

        Raises
        ------
        ValueError
            If the tokens or the lengths are not allowed.
        """
        if not torch.is_tensor(tokens) or tokens.dim() != 3:
            shape = tuple(tokens.shape) if torch.is_tensor(tokens) else type(tokens)
            raise ValueError(
                f"tokens are {shape}; a tensor [B, F, K] is needed. Codes [B, K, F] "
                "become tokens by .transpose(1, 2)."
            )
        codes = tokens.transpose(1, 2)
        batch, _, frames = codes.shape
        samples = frames * self.codec.hop_length
        if lengths is not None:
            relative = torch.is_floating_point(torch.as_tensor(lengths))
            lengths = sample_lengths(lengths, batch, samples)
        with torch.autocast(self.codec.device.type, enabled=False):
            sig = self.codec.decode_codes(codes, lengths).squeeze(1)
        if lengths is not None and relative:
            sig = nn.functional.pad(sig, (0, samples - sig.shape[-1]))
        return sig

    @torch.no_grad()
    @codebooks_by_any_name
    def get_pretrained_embeddings(
        self,
        vocab_size: int | None = None,
        num_codebooks: int | None = None,
        device: str | torch.device | None = None,
    ) -> torch.Tensor:
        """Return what each token adds to the latents that the decoder gets.

        Row ``k * V + v`` is the output projection of codebook ``k`` applied to
        its vector ``v``, its bias included; so the sum over the codebooks of a
        frame is that frame's quantized latent.

        Arguments
        ---------
        vocab_size : int, optional
            Tokens per codebook V; must be the model's, and is so by default.
        num_codebooks : int, optional
            Codebooks K; the constructor's by default.
        device : str or torch.device, optional
            Where to put them; where the codec is by default.

        Returns
        -------
        torch.Tensor
            Embeddings of shape [K * V, D], D being the codec's ``latent_dim``.

        Raises
        ------
        ValueError
            If ``vocab_size`` or ``num_codebooks`` is not the model's.
        """
        if vocab_size is not None and vocab_size != self.vocab_size:
            raise ValueError(
                f"vocab_size={vocab_size} but each codebook of this codec has "
                f"{self.vocab_size} entries. Add rows for special tokens afterwards."
            )
        quantizers = self.codec.quantizer.quantizers[: self._used(num_codebooks)]
        with torch.autocast(self.codec.device.type, enabled=False):
            table = torch.cat(
                [
                    stage.out_proj(stage.codebook.weight.t().unsqueeze(0))[0].t()
                    for stage in quantizers
                ]
            )
        return table if device is None else table.to(device)

    def extra_repr(self) -> str:
        """Say what the codec is, which the module tree does not show."""
        return (
            f"sample_rate={self.sample_rate}, frame_rate={self.frame_rate:g}, "
            f"num_codebooks={self.num_codebooks}, vocab_size={self.vocab_size}"
        )

    def _used(self, num_codebooks: int | None) -> int:
        """Return the number of codebooks of one call, checked."""
        if num_codebooks is None:
            return self.num_codebooks
        return self.codec.quantizer.check_n_quantizers(num_codebooks, "num_codebooks")

    def _apply(
        self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True
    ) -> DACTokenizer:
        """Follow ``to``, ``cuda`` and ``cpu`` to another device, not to another type."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch has none
        probe = fn(torch.empty(0, dtype=self.codec.dtype, device=self.codec.device))
        self.codec.to(probe.device)
        return self
