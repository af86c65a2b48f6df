"""What the engine makes of a network's weights: its plan, kernels and tables.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from torch import nn

from dac_lobe.execution.eager import TorchKernel
from dac_lobe.execution.native.flow import NativeFlow
from dac_lobe.execution.native.kernel import NativeKernel, supports
from dac_lobe.execution.native.library import find_native
from dac_lobe.execution.native.search import NativeTables, searchable
from dac_lobe.execution.plan import Step, UnusualNetworkError, geometry, make_plan
from dac_lobe.execution.tables import QuantizerTables, has_tables
from dac_lobe.execution.weight_watch import Derived
from dac_lobe.network.quantizer import ResidualVectorQuantize

__all__ = ["make_kernels", "make_tables", "plan_of"]


def plan_of(derived: Derived, network: nn.Module) -> list[Step] | None:
    """Return the geometry of a network's steps; None if only its modules can run it.

    Arguments
    ---------
    derived : Derived
        What was made of the network; it keeps the plan.
    network : nn.Module
        An encoder or a decoder.

    Returns
    -------
    list of Step or None
    """
    if not derived.ordinary:
        return None
    plan: list[Step] | None = derived.get("plan", lambda: _plan_or_none(network))
    return plan


def make_kernels(network: nn.Module, backend: str) -> NativeFlow | list[TorchKernel]:
    """Make a network's kernels, native ones if the backend is and knows all steps."""
    plan = make_plan(network)
    library = find_native().library if backend == "native" else None
    if library is None or not all(map(supports, plan)):
        kernels = []
        while plan:  # folded weights go as the kernels take them over
            kernels.append(TorchKernel(plan.pop(0)))
        return kernels
    native: list[NativeKernel] = []
    while plan:
        native.append(NativeKernel(plan.pop(0), library, first=not native))
    return NativeFlow(native, library)


def make_tables(
    quantizer: ResidualVectorQuantize, backend: str
) -> QuantizerTables | None:
    """Make a quantizer's tables, searched natively if the backend is.

    None if only the modules can run it.
    """
    if not has_tables(quantizer):
        return None
    library = find_native().library if backend == "native" else None
    device = quantizer.quantizers[0].codebook.weight.device
    if library is None or device.type != "cpu" or not searchable(quantizer):
        return QuantizerTables(quantizer)
    return NativeTables(quantizer, library)


def _plan_or_none(network: nn.Module) -> list[Step] | None:
    """Read the geometry of a network; None if it is not of the known layers."""
    try:
        return list(map(geometry, make_plan(network)))
    except UnusualNetworkError:
        return None
