"""Precisions by name, and which of them this processor has instructions for.

    exact   float32 throughout
    tf32    operands of the products rounded to 10 bits; GPUs only, exact on CPUs
    bf16    convolutions in bfloat16 (7 bits), Snake and skips in float32
    fp16    convolutions in float16 (10 bits, small range), the same

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import torch

__all__ = ["DTYPES", "PRECISIONS", "check_precision", "cpu_dtype"]

DTYPES = {
    "exact": torch.float32,
    "tf32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
PRECISIONS = tuple(DTYPES)


def check_precision(precision: str) -> None:
    """Raise a ValueError if there is no such precision."""
    if precision not in PRECISIONS:
        raise ValueError(
            f"precision={precision!r}; choose one of {', '.join(PRECISIONS)}."
        )


def cpu_dtype(precision: str) -> torch.dtype:
    """Type of the convolutions on this processor.

    Arguments
    ---------
    precision : str
        One of `PRECISIONS`.

    Returns
    -------
    torch.dtype

    Raises
    ------
    ValueError
        If the processor would only emulate it, slower than float32.
    """
    check_precision(precision)
    dtype = DTYPES[precision]
    if dtype == torch.float32 or dtype in _native_dtypes():
        return dtype
    have = [name for name, its in DTYPES.items() if its in _native_dtypes()]
    raise ValueError(
        f"precision={precision!r}: this processor has no instructions for it. "
        f"Choose {' or '.join(repr(name) for name in ['exact', *have])}."
    )


def _native_dtypes() -> set[torch.dtype]:
    """Types of 16 bits that the processor multiplies by itself, through oneDNN."""
    found = set()
    if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported():
        found.add(torch.bfloat16)
    if torch.cpu._is_amx_fp16_supported():
        found.add(torch.float16)
    return found
