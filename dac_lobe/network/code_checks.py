"""Checks of codes and of numbers of codebooks, for whatever holds codebooks.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from typing import SupportsInt, cast

import torch

from dac_lobe.network.threads import one_thread

__all__ = ["CodeChecks"]


class CodeChecks:
    """What a quantizer is asked, checked.

    Attributes
    ----------
    n_codebooks : int
        Codebooks K.
    codebook_size : int
        Codes V of each.
    """

    n_codebooks: int
    codebook_size: int

    def check_n_quantizers(self, number: int | None, name: str = "n_quantizers") -> int:
        """Return how many codebooks to use, or raise a ValueError that says why not.

        ``name`` is what the caller's argument is called.
        """
        if number is None:
            return self.n_codebooks
        if not _is_whole(number):
            raise ValueError(
                f"{name}={number!r} is not a whole number. "
                f"Choose 1 to {self.n_codebooks}."
            )
        if not 1 <= number <= self.n_codebooks:
            raise ValueError(
                f"{name}={number} but this codec has "
                f"{self.n_codebooks} codebooks. Choose 1 to {self.n_codebooks}."
            )
        return int(number)

    @one_thread()
    def check_codes(self, codes: torch.Tensor) -> torch.Tensor:
        """Return ``codes`` as int64, or raise a ValueError that says why not."""
        if not torch.is_tensor(codes) or codes.dim() != 3:
            shape = tuple(codes.shape) if torch.is_tensor(codes) else type(codes)
            raise ValueError(
                f"codes are {shape}; a tensor [B, K, F] is needed. "
                "Tokens [B, F, K] become codes by .transpose(1, 2)."
            )
        if codes.is_floating_point() or codes.is_complex() or codes.dtype == torch.bool:
            raise ValueError(f"codes are {codes.dtype}; integers are needed.")
        if not 1 <= codes.shape[1] <= self.n_codebooks:
            raise ValueError(
                f"codes {tuple(codes.shape)} have {codes.shape[1]} codebooks; this "
                f"codec has {self.n_codebooks}. Is the layout [B, K, F]?"
            )
        codes = codes.long()
        if codes.numel():
            low, high = (int(bound) for bound in torch.aminmax(codes))
            if low < 0 or high >= self.codebook_size:
                raise ValueError(
                    f"codes lie in [{low}, {high}]; allowed is "
                    f"[0, {self.codebook_size - 1}]. Remove padding and special "
                    "tokens before decoding."
                )
        return codes


def _is_whole(number: object) -> bool:
    """Say whether a number of any type, numpy's and torch's too, is a whole one."""
    try:
        return not isinstance(number, bool) and bool(
            int(cast(SupportsInt, number)) == number
        )
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return False
