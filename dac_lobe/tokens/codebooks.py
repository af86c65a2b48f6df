"""The codebooks of a codec, kept beside its tokens.

A model that reads tokens can start from what the codes mean, without the codec:
the quantised latent of a frame is the sum over codebooks k of

    W_k c_k + b_k,     c_k: the row of codebook k that the token names

and W, b are the output projections of the residual vector quantizer.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from dac_lobe.dac import DAC
from dac_lobe.disk.atomic import replacing

__all__ = [
    "CODEBOOKS_FILE",
    "Codebook",
    "codebooks_of",
    "load_codebooks",
    "save_codebooks",
]

CODEBOOKS_FILE = "codebooks.safetensors"


class Codebook(NamedTuple):
    """One codebook and its way into the latent space.

    Attributes
    ----------
    rows : torch.Tensor
        Codebook rows, shape [V, codebook_dim].
    weight : torch.Tensor
        Output projection W, shape [D, codebook_dim].
    bias : torch.Tensor
        Output projection b, shape [D].
    """

    rows: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor

    @property
    def vectors(self) -> torch.Tensor:
        """What each code adds to the latent, shape [V, D]."""
        return self.rows @ self.weight.T + self.bias


def codebooks_of(codec: DAC) -> list[Codebook]:
    """Take the codebooks out of a codec, coarse to fine, in float32."""
    books = []
    for quantizer in codec.quantizer.quantizers:
        rows, bias = quantizer.codebook.weight, quantizer.out_proj.bias
        weight = quantizer.out_proj.weight.squeeze(-1)
        if bias is None:  # as the codec decodes without one
            bias = weight.new_zeros(len(weight))
        books.append(Codebook(*(x.detach().float() for x in (rows, weight, bias))))
    return books


def save_codebooks(codec: DAC, store: str | Path) -> None:
    """Write a codec's codebooks into a store's folder.

    Arguments
    ---------
    codec : DAC
        The codec.
    store : str or Path
        Folder of the store.
    """
    tensors = {
        f"{number:02d}.{part}": value.cpu().contiguous()
        for number, codebook in enumerate(codebooks_of(codec))
        for part, value in codebook._asdict().items()
    }
    with replacing(Path(store) / CODEBOOKS_FILE) as file:
        file.write(save(tensors))


def load_codebooks(store: str | Path) -> list[Codebook]:
    """Read the codebooks of a store.

    Arguments
    ---------
    store : str or Path
        Folder of the store.

    Returns
    -------
    list of Codebook
        One per codebook of the codec, coarse to fine.

    Raises
    ------
    ValueError
        If the folder has none, or the file is damaged.
    """
    path = Path(store) / CODEBOOKS_FILE
    if not path.is_file():
        raise ValueError(
            f"{store} holds no {CODEBOOKS_FILE}. Is it a token store? Make one with "
            "`dac-lobe extract MANIFEST STORE --model MODEL`."
        )
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged ({error}). Extract anew.") from error
    return [
        Codebook(*(tensors[f"{number:02d}.{part}"] for part in Codebook._fields))
        for number in range(len(tensors) // len(Codebook._fields))
    ]
