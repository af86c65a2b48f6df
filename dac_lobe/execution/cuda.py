"""Windows on a GPU: captured once as a CUDA graph, then replayed.

A window of one item starts some hundred kernels, each of them short; replaying
a graph starts them all at once. Batches fill the GPU by themselves and run
without.

Precision is explicit. PyTorch's convolutions round to TF32 by default on GPUs
that have it; 'exact' switches that off, so that codes do not depend on the GPU.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dac_lobe.execution.fixed import Body, FixedNetwork
from dac_lobe.execution.plan import Step
from dac_lobe.execution.precision import DTYPES

__all__ = ["CudaBody", "float32_products"]

# Runs before a capture: libraries allocate and choose algorithms on first calls.
WARM_UP = 3


@contextmanager
def float32_products(exact: bool) -> Iterator[None]:
    """Decide, for a while, whether float32 products on GPUs are rounded to TF32.

    Arguments
    ---------
    exact : bool
        True: not rounded. False: rounded.
    """
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32
    cudnn.allow_tf32 = matmul.allow_tf32 = not exact
    try:
        yield
    finally:
        cudnn.allow_tf32, matmul.allow_tf32 = before


class CudaBody:
    """A network on windows, on a GPU.

    Arguments
    ---------
    plan : list of Step
        The steps, their weights on the GPU.
    precision : str
        'exact', 'tf32', 'bf16' or 'fp16'.
    compile : bool
        Whether to compile it first, which fuses Snake into few kernels.
    """

    def __init__(self, plan: list[Step], precision: str, compile: bool):
        self.exact = precision == "exact"
        dtype = DTYPES[precision]
        # Tensor cores want channels last; plain float32 convolutions do not.
        network = FixedNetwork(plan, dtype, channels_last=precision != "exact").eval()
        self._body = torch.compile(network) if compile else network
        self._graphs: dict[tuple[int, ...], _Graph] = {}
        # A graph has one input and one output: callers take turns.
        self._lock = threading.Lock()

    def __call__(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Run a window [B, C, W], of which ``lengths`` [B] are valid."""
        with float32_products(self.exact):
            if len(x) > 1:
                return self._body(x, lengths)
            with self._lock, torch.inference_mode(False), torch.no_grad():
                if tuple(x.shape) not in self._graphs:
                    self._graphs[tuple(x.shape)] = _Graph(self._body, x, lengths)
                return self._graphs[tuple(x.shape)].replay(x, lengths)


class _Graph:
    """One captured shape."""

    def __init__(self, body: Body, x: torch.Tensor, lengths: torch.Tensor):
        self._x, self._lengths = x.clone(), lengths.clone()
        # Captures must not touch the default stream; neither must what precedes
        # them, or the graph would wait for it.
        stream = torch.cuda.Stream(x.device)
        stream.wait_stream(torch.cuda.current_stream(x.device))
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                body(self._x, self._lengths)
        torch.cuda.current_stream(x.device).wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._out = body(self._x, self._lengths)

    def replay(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Run the graph on other values; the result is the caller's own."""
        self._x.copy_(x)
        self._lengths.copy_(lengths)
        self._graph.replay()
        return self._out.clone()
