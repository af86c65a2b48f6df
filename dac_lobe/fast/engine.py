"""The engine: runs a codec's networks in inference in place of its modules.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from dac_lobe.fast.eager import TorchKernel
from dac_lobe.fast.flow import Kernel, run_plan
from dac_lobe.fast.freshness import WeightWatch
from dac_lobe.fast.native import NativeKernel, find_native, supports
from dac_lobe.fast.plan import UnusualNetworkError, make_plan
from dac_lobe.fast.tables import QuantizerTables
from dac_lobe.quantizer import FromCodes, ResidualQuantized
from dac_lobe.receptive_field import output_length

if TYPE_CHECKING:
    from dac_lobe.dac import DAC

__all__ = ["Engine"]

# Seconds of signal to take up at a time: activations of the widest layer then
# take a few MB, and each weight is read from memory once in that time.
CHUNK_SECONDS = 2.0


class _Ready(NamedTuple):
    """Something made from weights, and the watch over these."""

    watch: WeightWatch
    made: Any


class Engine:
    """Executes the networks of one codec; see `dac_lobe.fast.attach`.

    What it makes from the weights is made on first use, and again whenever
    they have changed. It holds no reference to the codec, and copies and
    pickles of it start empty.

    Arguments
    ---------
    backend : str
        'torch' or 'native'.
    precision : str
        Of the decoder on GPUs: 'exact', 'tf32', 'bf16' or 'fp16'.
    compile : bool
        Whether to compile the torch path.
    """

    def __init__(self, backend: str, precision: str = "exact", compile: bool = False):
        self.backend = backend
        self.precision = precision
        self.compile = compile
        self._start_empty()

    def _start_empty(self) -> None:
        self._ready: dict[str, _Ready] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Keep the options only."""
        return {
            "backend": self.backend,
            "precision": self.precision,
            "compile": self.compile,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the options."""
        self.__dict__.update(state)
        self._start_empty()

    def __repr__(self) -> str:
        """Say how the codec is executed."""
        return (
            f"Engine(backend={self.backend!r}, precision={self.precision!r}, "
            f"compile={self.compile})"
        )

    @torch.no_grad()
    def encode_frames(
        self, codec: DAC, audio: torch.Tensor, lengths: torch.Tensor | None
    ) -> torch.Tensor:
        """Run the encoder on whole hops; see `DAC._encode_frames`."""
        return self._run(codec, codec.encoder, audio, lengths, codec.hop_length)

    @torch.no_grad()
    def decode_frames(
        self, codec: DAC, z: torch.Tensor, lengths: torch.Tensor | None
    ) -> torch.Tensor:
        """Run the decoder; see `DAC._decode_frames`."""
        return self._run(codec, codec.decoder, z, lengths, 1)

    @torch.no_grad()
    def quantize(self, codec: DAC, z: torch.Tensor, used: int) -> ResidualQuantized:
        """Quantize latents [B, D, F] with the first ``used`` codebooks."""
        if not _ordinary(z):
            return codec.quantizer(z, used)
        return self._get("quantizer", codec.quantizer, QuantizerTables).quantize(
            z, used
        )

    @torch.no_grad()
    def dequantize(self, codec: DAC, codes: torch.Tensor) -> FromCodes:
        """Rebuild latents from codes [B, K', F]."""
        codes = codec.quantizer.check_codes(codes)
        tables = self._get("quantizer", codec.quantizer, QuantizerTables)
        return tables.dequantize(codes)

    def _run(
        self,
        codec: DAC,
        network: nn.Module,
        x: torch.Tensor,
        lengths: torch.Tensor | None,
        step: int,
    ) -> torch.Tensor:
        """Run a network on ``x`` [B, C, T], each item alone."""
        kernels = self._kernels(network) if _ordinary(x) else None
        # NaN and infinity spread further through Winograd's sums than through
        # those of a convolution, so the modules must say where they go.
        native = kernels is not None and isinstance(kernels[0], NativeKernel)
        if kernels is None or (native and not bool(torch.isfinite(x).all())):
            return network(x, lengths)
        chunk = max(1, round(CHUNK_SECONDS * codec.frame_rate)) * step
        ends = [x.shape[-1]] * len(x) if lengths is None else lengths.tolist()
        channels = kernels[-1].step.channels[1]
        out = x.new_zeros(len(x), channels, output_length(network, x.shape[-1]))
        for item, end, result in zip(x, ends, out, strict=True):
            begin = 0
            for rows in run_plan(kernels, item[:, :end].t(), chunk):
                result[:, begin : begin + len(rows)] = rows[:, :channels].t()
                begin += len(rows)
        return out

    def _kernels(self, network: nn.Module) -> list[Kernel] | None:
        """Kernels of a network, or None if only its modules can run it."""
        return self._get(type(network).__name__, network, self._make_kernels)

    def _make_kernels(self, network: nn.Module) -> list[Kernel] | None:
        """Make the kernels, in the backend if it knows all steps, else in torch."""
        try:
            plan = make_plan(network)
        except UnusualNetworkError:
            return None
        library = find_native().library if self.backend == "native" else None
        if library is None or not all(map(supports, plan)):
            return [TorchKernel(step) for step in plan]
        return [
            NativeKernel(step, library, first=number == 0)
            for number, step in enumerate(plan)
        ]

    def _get(self, name: str, module: nn.Module, make: Callable[[Any], Any]) -> Any:
        """Return what ``make`` makes of a module, anew if its weights changed."""
        with self._lock:
            ready = self._ready.get(name)
            if ready is None or not ready.watch.fresh():
                # The watch first: a change while we make things shows next time.
                ready = _Ready(WeightWatch(module), make(module))
                self._ready[name] = ready
            return ready.made


def _ordinary(x: torch.Tensor) -> bool:
    """Tell whether a tensor is for the CPU engine: float32, not empty, eager."""
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and x.numel() > 0
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
    )
