"""EnCodec under test, through dac_lobe's interface to transformers.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evaluation.systems.dac import DACSystem
from evaluation.systems.system import CodebookSystem, Point, Rate

if TYPE_CHECKING:
    from dac_lobe.encodec import EnCodec

__all__ = ["EnCodecSystem"]


class EnCodecSystem(DACSystem):
    """An EnCodec, loaded by ``dac_lobe.encodec.EnCodec.from_pretrained``.

    Models that normalise their input (48 kHz) are refused: their codes do not
    say how loud the audio was.

    Arguments
    ---------
    source : str
        A name ('24khz'), a folder in transformers' layout, or a hub id.
    name : str, optional
        System name; 'encodec' and the source by default.
    device : str
        Where to run.
    """

    def __init__(
        self, source: str = "24khz", name: str | None = None, device: str = "cpu"
    ):
        super().__init__(source, name or f"encodec-{Path(source).name}", device)

    def _open(self) -> EnCodec:
        from dac_lobe.encodec import EnCodec

        codec = EnCodec.from_pretrained(self.source, device=self.device)
        if codec.config.normalize:
            raise ValueError(
                f"encodec:{self.source} normalises its input, so its codes alone do "
                "not give the audio back. Choose encodec:24khz."
            )
        return codec

    def rate(self, coded: np.ndarray, point: Point, length: int) -> Rate:
        """Count the codes; their file is not of our making."""
        return CodebookSystem.rate(self, coded, point, length)
