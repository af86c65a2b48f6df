"""Where modules of version 0.1 are now; importing one by its old name warns.

Deprecated names go with version 0.3.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["MOVED"]

MOVED = {
    "dac_lobe.checkpoint": "dac_lobe.weights.checkpoint",
    "dac_lobe.chunked": "dac_lobe.execution.chunked",
    "dac_lobe.decoder": "dac_lobe.network.decoder",
    "dac_lobe.encoder": "dac_lobe.network.encoder",
    "dac_lobe.export": "dac_lobe.inference.export",
    "dac_lobe.fast": "dac_lobe.execution",
    "dac_lobe.fetch": "dac_lobe.weights.fetch",
    "dac_lobe.fingerprint": "dac_lobe.weights.fingerprint",
    "dac_lobe.layers": "dac_lobe.network.layers",
    "dac_lobe.nnet.listening": "dac_lobe.nnet.filterbank_pretraining",
    "dac_lobe.pretrained": "dac_lobe.weights.pretrained",
    "dac_lobe.quantizer": "dac_lobe.network.quantizer",
    "dac_lobe.receptive_field": "dac_lobe.network.receptive_field",
    "dac_lobe.streaming": "dac_lobe.execution.streaming",
    "dac_lobe.variants": "dac_lobe.weights.variants",
    "dac_lobe.vector_quantizer": "dac_lobe.network.vector_quantizer",
}


class _Redirect(MetaPathFinder, Loader):
    """Finds a moved module under its old name."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        old, new = module.__name__, MOVED[module.__name__]
        warnings.warn(
            f"{old} is now {new}; the old name goes with version 0.3.",
            DeprecationWarning,
            stacklevel=2,
        )
        # The import system hands out what stands here after this returns.
        sys.modules[old] = import_module(new)


sys.meta_path.append(_Redirect())
