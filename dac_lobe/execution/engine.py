"""The engine: runs a codec's networks in inference in place of its modules.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn

from dac_lobe.execution import cores
from dac_lobe.execution.cuda import CudaBody, float32_products
from dac_lobe.execution.eager import reduced_kernels
from dac_lobe.execution.fixed import run_windows
from dac_lobe.execution.flow import run_batch
from dac_lobe.execution.fork_lock import fork_lock
from dac_lobe.execution.native.flow import NativeFlow
from dac_lobe.execution.native.library import find_native
from dac_lobe.execution.near_ties import settle, tolerance
from dac_lobe.execution.parts import make_kernels, make_tables, plan_of
from dac_lobe.execution.plan import make_plan, output_positions
from dac_lobe.execution.precision import cpu_dtype
from dac_lobe.execution.tables import QuantizerTables
from dac_lobe.execution.timing import Timing, decoder_timing, encoder_timing
from dac_lobe.execution.weight_watch import Derived
from dac_lobe.execution.windows import CHUNK_SECONDS
from dac_lobe.network.executor import Network
from dac_lobe.network.outputs import FromCodes, ResidualQuantized
from dac_lobe.network.threads import one_thread

logger = logging.getLogger(__name__)

__all__ = ["Engine"]


class Engine:
    """Executes the networks of one codec; see `dac_lobe.execution.attach`.

    What it makes from the weights is made on first use, and again whenever
    they have changed. It holds no reference to the codec, and copies and
    pickles of it start empty.

    Arguments
    ---------
    backend : str
        'torch' or 'native'.
    precision : str
        Of the decoder: 'exact', 'tf32', 'bf16' or 'fp16'; 'tf32' is exact on CPUs.
    compile : bool
        Whether to compile what a GPU runs.
    encoder_precision : str
        Of the encoder on GPUs.
    """

    def __init__(
        self,
        backend: str,
        precision: str = "exact",
        compile: bool = False,
        encoder_precision: str = "exact",
    ):
        self.backend = backend
        self.precision = precision
        self.compile = compile
        self.encoder_precision = encoder_precision
        self._start_empty()

    def _start_empty(self) -> None:
        self._derived: dict[str, Derived] = {}
        self._lock = fork_lock()

    def __getstate__(self) -> dict[str, Any]:
        """Keep the options only."""
        return {
            "backend": self.backend,
            "precision": self.precision,
            "compile": self.compile,
            "encoder_precision": self.encoder_precision,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the options; without the kernel here, torch does its work."""
        self.__dict__.update(state)
        if self.backend == "native" and find_native().library is None:
            logger.warning("no native kernel here (%s): torch", find_native().reason)
            self.backend = "torch"
        self._start_empty()

    def __repr__(self) -> str:
        """Say how the codec is executed."""
        return (
            f"Engine(backend={self.backend!r}, precision={self.precision!r}, "
            f"compile={self.compile})"
        )

    @torch.no_grad()
    def encode_frames(
        self, network: Network, audio: torch.Tensor, lengths: torch.Tensor | None
    ) -> torch.Tensor:
        """Run the encoder on whole hops; see `Executor`."""
        gpu = audio.device.type == "cuda"
        precision = self.encoder_precision if gpu else "exact"
        return self._run(
            network.encoder,
            audio,
            lengths,
            lambda: encoder_timing(network),
            precision,
        )

    @torch.no_grad()
    def decode_frames(
        self, network: Network, z: torch.Tensor, lengths: torch.Tensor | None
    ) -> torch.Tensor:
        """Run the decoder; see `Executor`."""
        return self._run(
            network.decoder,
            z,
            lengths,
            lambda: decoder_timing(network),
            self.precision,
        )

    @torch.no_grad()
    def quantize(
        self, network: Network, z: torch.Tensor, used: int
    ) -> ResidualQuantized:
        """Quantize latents [B, D, F] with the first ``used`` codebooks."""
        tables = self._tables(network, used) if _ordinary(z) else None
        if tables is None:
            return network.quantizer(z, used)
        with float32_products(exact=True) if z.is_cuda else nullcontext():
            return tables.quantize(z.resolve_neg(), used)

    @torch.no_grad()
    def quantize_span(
        self,
        network: Network,
        audio: torch.Tensor,
        frame_lengths: torch.Tensor | None,
        z: torch.Tensor,
        used: int,
        first: int,
    ) -> ResidualQuantized:
        """Quantize, and choose again where two codes are equally near.

        See `near_ties`. On GPUs the choice is left as it is, as upstream's modules
        leave it.
        """
        tables = None
        if z.device.type == "cpu" and _ordinary(z):
            tables = self._tables(network, used)
        if tables is None:
            return self.quantize(network, z, used)
        quantized, margins = tables.quantize_with_margins(z.resolve_neg(), used)
        near = (margins < tolerance(z.shape[1])).any(dim=1)
        if not near.any():
            return quantized
        if frame_lengths is None:
            frames = audio.shape[-1] // network.hop_length
            frame_lengths = torch.full((len(z),), frames, device=z.device)
        derived = self._derived_from(network.encoder)
        timing = derived.get("timing", lambda: encoder_timing(network))
        return settle(
            audio.resolve_neg(),
            frame_lengths,
            quantized,
            near,
            partial(self._encode_single_frames, network, derived),
            partial(tables.quantize, used=used),
            network.hop_length,
            timing.context,
            first,
        )

    @torch.no_grad()
    def dequantize(self, network: Network, codes: torch.Tensor) -> FromCodes:
        """Rebuild latents from codes [B, K', F]."""
        codes = network.quantizer.check_codes(codes)
        ordinary = _ordinary(network.quantizer.quantizers[0].codebook.weight)
        tables = self._tables(network, codes.shape[1]) if ordinary else None
        if tables is None:
            return network.quantizer.from_codes(codes)
        return tables.dequantize(codes)

    def _encode_single_frames(
        self,
        network: Network,
        derived: Derived,
        signals: list[torch.Tensor],
        frames: list[int],
    ) -> list[torch.Tensor]:
        """Latents [1, D, 1] of one frame of each of several signals [1, T]."""
        encoder = network.encoder
        plan = plan_of(derived, encoder)
        kernels = plan and derived.get(
            "kernels", lambda: make_kernels(encoder, self.backend)
        )
        if plan and isinstance(kernels, NativeFlow):
            with cores.taken():
                columns = kernels.run_positions(signals, frames)
            return [z[None, : plan[-1].channels[1], None] for z in columns]
        timing = partial(encoder_timing, network)
        return [
            self._run(encoder, signal[None], None, timing, "exact")[..., frame, None]
            for signal, frame in zip(signals, frames, strict=True)
        ]

    def _run(
        self,
        network: nn.Module,
        x: torch.Tensor,
        lengths: torch.Tensor | None,
        make_timing: Callable[[], Timing],
        precision: str,
    ) -> torch.Tensor:
        """Run a network on ``x`` [B, C, T] in the best way there is, or its modules."""
        if not _ordinary(x):
            return network(x, lengths)
        derived = self._derived_from(network)
        plan = plan_of(derived, network)
        if plan is None:
            return network(x, lengths)
        if lengths is None:
            lengths = torch.full((len(x),), x.shape[-1], device=x.device)
        timing: Timing = derived.get("timing", make_timing)
        x = x.resolve_neg()  # what computes takes addresses, not views
        with one_thread():
            out = x.new_zeros(
                len(x), plan[-1].channels[1], output_positions(plan, x.shape[-1])
            )
        with nullcontext() if x.is_cuda else cores.taken():
            return self._run_plan(network, derived, x, lengths, timing, precision, out)

    def _run_plan(
        self,
        network: nn.Module,
        derived: Derived,
        x: torch.Tensor,
        lengths: torch.Tensor,
        timing: Timing,
        precision: str,
        out: torch.Tensor,
    ) -> torch.Tensor:
        """Fill ``out`` in the best way there is, or run the modules after all."""
        dtype = torch.float32 if x.is_cuda else cpu_dtype(precision)
        if x.is_cuda:
            body = derived.get(
                precision,
                lambda: CudaBody(make_plan(network), precision, self.compile),
            )
            run_windows(body, x, lengths, *timing.windows, out)
        elif dtype != torch.float32:
            kernels = derived.get(
                precision, lambda: reduced_kernels(make_plan(network), dtype)
            )
            run_batch(kernels, x, lengths, timing.positions(CHUNK_SECONDS), out)
        else:
            kernels = derived.get(
                "kernels", lambda: make_kernels(network, self.backend)
            )
            if not isinstance(kernels, NativeFlow):
                run_batch(kernels, x, lengths, timing.positions(CHUNK_SECONDS), out)
            # NaN and infinity spread further through Winograd's sums than through
            # those of a convolution, so the modules must say where they go.
            elif not _finite(x):
                return network(x, lengths)
            else:
                kernels.run_batch(x, lengths, timing.positions(CHUNK_SECONDS), out)
        return out

    def _tables(self, network: Network, used: int) -> QuantizerTables | None:
        """Return the tables of a codec's quantizer; None if only modules can run it."""
        derived = self._derived_from(network.quantizer)
        if not derived.ordinary:
            return None
        tables: QuantizerTables | None = derived.get(
            "tables", lambda: make_tables(network.quantizer, self.backend)
        )
        # Stages may have been taken away, which the modules pass over in silence.
        return None if tables is None or used > len(tables.codebooks) else tables

    def _derived_from(self, module: nn.Module) -> Derived:
        """Return what was made of a module; nothing yet if its weights changed."""
        name = type(module).__name__
        with self._lock:
            derived = self._derived.get(name)
            if derived is None or derived.module() is not module or not derived.fresh():
                derived = self._derived[name] = Derived(module)
            return derived


@one_thread()
def _finite(x: torch.Tensor) -> bool:
    """Tell whether all values are finite."""
    return bool(torch.isfinite(x).all())


def _ordinary(x: torch.Tensor) -> bool:
    """Tell whether a tensor is for the engine: float32, not empty, run eagerly."""
    return (
        x.device.type in ("cpu", "cuda")
        and x.dtype == torch.float32
        and x.numel() > 0
        and not torch.is_autocast_enabled(x.device.type)
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
    )
