"""Memory on large pages, for what the kernels read at long strides.

A full-size network's weights span more small pages than a processor can remember
the places of, and looking them up takes longer than reading them: with pages of 2 MB
the wide layers of the native kernel gain a fifth (AMD Zen 5, in a virtual machine).
Linux gives them to whoever asks; elsewhere this is ordinary memory.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import mmap

import torch

__all__ = ["empty"]

PAGE = 2 * 1024 * 1024
# Memory from which on a page more or less does not matter.
SMALLEST = 2 * PAGE

_LARGE_PAGES = getattr(mmap, "MADV_HUGEPAGE", None)


def empty(count: int) -> torch.Tensor:
    """Allocate floats, on large pages if they are many.

    Arguments
    ---------
    count : int
        How many.

    Returns
    -------
    torch.Tensor
        float32 on the CPU, shape [count]; contents are undefined.

    Example
    -------
    >>> empty(3_000_000).shape
    torch.Size([3000000])
    """
    size = 4 * count
    if _LARGE_PAGES is None or size < SMALLEST:
        return torch.empty(count, dtype=torch.float32, device="cpu")
    # Private: a forked child must not write into its parent's rows.
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    memory = mmap.mmap(-1, size + PAGE, flags=flags)
    whole = torch.frombuffer(memory, dtype=torch.float32)
    begin = -whole.data_ptr() % PAGE
    try:
        memory.madvise(_LARGE_PAGES, begin, size)
    except OSError:  # a kernel without them; its memory is as good
        pass
    return whole[begin // 4 :][:count]
