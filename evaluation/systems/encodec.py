"""EnCodec under test, through dac_lobe's interface to transformers.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import numpy as np

from evaluation.systems.dac import DACSystem
from evaluation.systems.system import CodebookSystem, Point, Rate

__all__ = ["EnCodecSystem"]


class EnCodecSystem(DACSystem):
    """An EnCodec, loaded by ``dac_lobe.encodec.EnCodec.from_pretrained``.

    Arguments
    ---------
    source : str
        A name, folder or hub id.
    name : str, optional
        System name.
    device : str
        Where to run.
    """

    def __init__(
        self, source: str = "24khz", name: str | None = None, device: str = "cpu"
    ):
        super().__init__(source, name or f"encodec-{source.rpartition('/')[2]}", device)

    def _open(self):
        from dac_lobe.encodec import EnCodec

        return EnCodec.from_pretrained(self.source, device=self.device)

    def rate(self, coded: np.ndarray, point: Point, length: int) -> Rate:
        """Count the codes; EnCodec has no file of ours."""
        return CodebookSystem.rate(self, coded, point, length)
