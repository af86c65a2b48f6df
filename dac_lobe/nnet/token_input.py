"""Where a recipe's tokens come from: a store, or the recordings of each batch.

    store       id   ------------------------> tokens, lengths
    codec inside    sig --augment--> codec ---> tokens, lengths

Both ways give the same batch bit for bit where nothing is augmented. A store
costs one pass over the corpus; the codec inside costs one every epoch, and hears
what a store cannot hold: another noise and another speed each time.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from dac_lobe.dac import DAC
from dac_lobe.network.lengths import sample_lengths
from dac_lobe.tokenizer import DACTokenizer
from dac_lobe.tokens import read_meta
from dac_lobe.weights.fingerprint import fingerprint

__all__ = ["INPUTS", "describe_tokens", "tokenise"]

INPUTS = ("tokens", "sig")


def describe_tokens(
    input: str, token_folder: str | Path | None = None, codec: str | Path | None = None
) -> dict[str, Any]:
    """Say what the tokens of a recipe are, for ``!applyref`` in its YAML.

    Arguments
    ---------
    input : str
        'tokens' (of a store) or 'sig' (recordings, through the codec).
    token_folder : str or Path, optional
        Folder of the store; needed for 'tokens'.
    codec : str or Path, optional
        The codec, as for `DAC.from_pretrained`; needed for 'sig'.

    Returns
    -------
    dict
        num_codebooks, codebook_size, sample_rate and frame_rate in Hz, the
        codec's fingerprint, and ``codebooks``: what `TokenEmbedding` can start
        from. With a store, all its other facts too.

    Raises
    ------
    ValueError
        If ``input`` is neither, or what it needs is not given.

    Example
    -------
    >>> facts = describe_tokens("sig", codec="16khz-small")
    >>> facts["num_codebooks"], facts["frame_rate"]
    (12, 50.0)
    """
    if input not in INPUTS:
        raise ValueError(f"input={input!r}; choose one of {', '.join(INPUTS)}.")
    if input == "tokens":
        if token_folder is None:
            raise ValueError(
                "input: tokens needs --token_folder, the store that "
                "recipes/tokens/extract.py makes. Or encode on the fly: --input sig."
            )
        return {**read_meta(token_folder), "codebooks": str(token_folder)}
    if codec is None:
        raise ValueError("input: sig needs --codec, a name like 16khz-small or a path.")
    made = DAC.from_pretrained(codec)
    return {
        "num_codebooks": made.n_codebooks,
        "codebook_size": made.codebook_size,
        "sample_rate": made.sample_rate,
        "frame_rate": made.frame_rate,
        "fingerprint": fingerprint(made),
        "codebooks": str(codec),
    }


def tokenise(
    tokenizer: DACTokenizer, sig: torch.Tensor, lengths: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Make a batch of tokens as a loader makes it from a store.

    Arguments
    ---------
    tokenizer : DACTokenizer
        The codec.
    sig : torch.Tensor
        Padded waveforms, shape [B, T].
    lengths : torch.Tensor
        Relative lengths, shape [B].

    Returns
    -------
    tuple of torch.Tensor
        Tokens [B, F, K], 0 past an item's end, and lengths relative to F, [B]: of
        whole frames, so not quite those of the waveforms.

    Example
    -------
    >>> codec = DAC(4, [2, 4], None, 16, [4, 2], 2, 16, sample_rate=16000).eval()
    >>> batch = torch.randn(2, 100), torch.tensor([1.0, 0.5])
    >>> tokens, lengths = tokenise(DACTokenizer(codec), *batch)
    >>> tokens.shape, (lengths * 13).long()  # 50 samples: 7 frames of 8
    (torch.Size([2, 13, 2]), tensor([13,  7]))
    """
    samples = sample_lengths(lengths, *sig.shape)
    # Cut to the longest: what an augmentation padded would become frames.
    sig = sig[:, : int(samples.max())]
    tokens = tokenizer.sig_to_tokens(sig, samples)
    hop = tokenizer.codec.hop_length
    frames = torch.div(samples + hop - 1, hop, rounding_mode="floor")
    return tokens, frames / tokens.shape[1]
