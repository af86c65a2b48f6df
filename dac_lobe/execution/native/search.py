"""The quantizer's tables, searched and multiplied by the native kernel.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import torch
import torch.nn.functional as F

from dac_lobe.execution.native.kernel import NativeKernel
from dac_lobe.execution.native.packing import Held
from dac_lobe.execution.plan import Convolve
from dac_lobe.execution.tables import QuantizerTables
from dac_lobe.network.quantizer import ResidualVectorQuantize
from dac_lobe.network.threads import one_thread, thread_count

__all__ = ["NativeTables", "searchable"]

# kTogether vectors of the widest kind, and kMostDimensions, of native/search.h.
CODES = 64
MOST_DIMENSIONS = 64

_FLOATS = ctypes.c_void_p
_LONG = ctypes.c_long


class _Stage(ctypes.Structure):
    """`Stage` of native/search.h."""

    _fields_ = (
        ("dimension", _LONG),
        ("directions", _FLOATS),
        ("squares", _FLOATS),
        ("codebook", _FLOATS),
        ("corrections", _FLOATS),
        ("later", _LONG),
    )


class _Search(ctypes.Structure):
    """`Search` of native/search.h."""

    _fields_ = (
        ("latents", _FLOATS),
        ("vectors", _FLOATS),
        ("codes", _FLOATS),
        ("gaps", _FLOATS),
        ("stages", _FLOATS),
        ("frames", _LONG),
        ("width", _LONG),
        ("used", _LONG),
        ("size", _LONG),
    )


def searchable(quantizer: ResidualVectorQuantize) -> bool:
    """Tell whether the native kernel can search a quantizer."""
    stages = quantizer.quantizers
    return all(stage.codebook.weight.shape[1] <= MOST_DIMENSIONS for stage in stages)


class NativeTables(QuantizerTables):
    """A residual quantizer whose codes the native kernel finds.

    Arguments
    ---------
    quantizer : ResidualVectorQuantize
        The quantizer, on the CPU; `searchable` tells whether it can be searched.
    library : ctypes.CDLL
        The kernel.
    """

    @torch.no_grad()
    def __init__(self, quantizer: ResidualVectorQuantize, library: ctypes.CDLL):
        super().__init__(quantizer)
        self._library = library
        self._kernels: dict[tuple[str, int], NativeKernel] = {}
        self._held = Held()
        extra = -quantizer.codebook_size % CODES
        self._size = quantizer.codebook_size + extra
        self._stages = (_Stage * len(self.codebooks))()
        for number, fields in enumerate(self._stages):
            fields.dimension = self.codebooks[number].shape[1]
            fields.directions = self._held.address(
                F.pad(self.directions[number].t(), (0, extra))
            )
            squares = F.pad(self.squares[number][0], (0, extra), value=torch.inf)
            fields.squares = self._held.address(squares)
            fields.codebook = self._held.address(self.codebooks[number])
            if number < len(self.corrections):
                fields.corrections = self._held.address(self.corrections[number])
                fields.later = self.corrections[number].shape[1]

    quantize = one_thread()(QuantizerTables.quantize)
    quantize_with_margins = one_thread()(QuantizerTables.quantize_with_margins)
    dequantize = one_thread()(QuantizerTables.dequantize)

    def _project(self, rows: torch.Tensor, used: int) -> torch.Tensor:
        """Project latents; see `QuantizerTables._project`."""
        width = self.edges[used]
        return self._multiply(
            ("in", used), rows, lambda: (self.in_weight[:width], self.in_bias[:width])
        )

    def _expand(self, vectors: torch.Tensor, used: int) -> torch.Tensor:
        """Take vectors to latents; see `QuantizerTables._expand`."""
        width = self.edges[used]
        return self._multiply(
            ("out", used),
            vectors,
            lambda: (self.out_weight[:, :width], self.out_bias[used - 1]),
        )

    def _multiply(
        self,
        name: tuple[str, int],
        rows: torch.Tensor,
        layer: Callable[[], tuple[torch.Tensor, torch.Tensor]],
    ) -> torch.Tensor:
        """Multiply rows [N, I] by a layer's weight [O, I], and add its bias."""
        kernel = self._kernels.get(name)
        if kernel is None:
            weight, bias = layer()
            step = Convolve(None, weight[:, :, None], bias, 1, 1, 0, False)
            kernel = self._kernels[name] = NativeKernel(step, self._library, first=True)
        out = rows.new_empty(len(rows), kernel.widths[1])
        kernel(rows.contiguous(), out)
        return out[:, : kernel.step.channels[1]].contiguous()

    def _search(
        self, latents: torch.Tensor, used: int, gaps: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Find codes and vectors; see `QuantizerTables._search`."""
        vectors = torch.empty_like(latents)
        codes = latents.new_empty(used, len(latents), dtype=torch.long)
        search = _Search(
            latents.data_ptr(),
            vectors.data_ptr(),
            codes.data_ptr(),
            None if gaps is None else gaps.data_ptr(),
            ctypes.addressof(self._stages),
            len(latents),
            latents.shape[1],
            used,
            self._size,
        )
        if self._library.dac_lobe_search(ctypes.byref(search), thread_count()):
            raise MemoryError("the native kernel ran out of memory")
        return codes, vectors
