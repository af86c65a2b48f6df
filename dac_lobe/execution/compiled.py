"""The torch path compiled: one fixed shape, weights frozen into the code.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import torch

from dac_lobe.execution.fixed import FixedNetwork
from dac_lobe.execution.plan import Step

__all__ = ["CompiledBody"]


class CompiledBody:
    """A network on windows of one shape, compiled on its first call.

    Arguments
    ---------
    plan : list of Step
        The steps.
    """

    def __init__(self, plan: list[Step]):
        # A copy of the weights, so that freezing has nothing of the codec's.
        with torch.inference_mode(False), torch.no_grad():
            network = FixedNetwork(plan).eval()
        self._body = torch.compile(
            network, dynamic=False, fullgraph=True, options={"freezing": True}
        )

    def __call__(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Run a window [1, C, W], of which ``lengths`` [1] are valid."""
        # Compiled code is guarded by the kind of its inputs and by the mode:
        # always the same, or every caller's mode would compile it again.
        with torch.inference_mode(False), torch.no_grad():
            return self._body(x.clone(), lengths.clone())
