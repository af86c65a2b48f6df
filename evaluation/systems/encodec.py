"""EnCodec under test, through dac_lobe's interface to transformers.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from evaluation.systems.dac import DACSystem
from evaluation.systems.scaled import ScaledCodes
from evaluation.systems.system import CodebookSystem, Point, Rate

__all__ = ["EnCodecSystem"]


class EnCodecSystem(DACSystem):
    """An EnCodec, loaded by ``dac_lobe.encodec.EnCodec.from_pretrained``.

    The 48 kHz model codes two channels in chunks, each divided by its loudness.
    It is given the recording twice, and the mean of its channels is scored; its
    scales go with the codes, and into every rate.

    Arguments
    ---------
    source : str
        '24khz', '48khz', a folder in transformers' layout, or a hub id.
    name : str, optional
        System name; 'encodec' and the source by default.
    device : str
        Where to run.
    """

    def __init__(
        self, source: str = "24khz", name: str | None = None, device: str = "cpu"
    ):
        super().__init__(source, name or f"encodec-{Path(source).name}", device)

    def _load(self) -> None:
        """Load the weights, and count how many scales go with a second of codes."""
        super()._load()
        if self.codec.config.normalize:
            grid = self.codec.grid
            self.scale_rate = self.frame_rate / grid.chunk_frames if grid.stride else 0

    def _open(self) -> Any:
        from dac_lobe.encodec import EnCodec

        return EnCodec.from_pretrained(self.source, device=self.device, mono=True)

    def _choices(self) -> str:
        """Name how audio is cut and scaled, too."""
        return f"{super()._choices()} {self.codec.grid} {self.codec.config.normalize}"

    def encode(self, wav: np.ndarray, sample_rate: int) -> Any:
        """Encode samples [T] into all codebooks [K, F], with scales if there are any."""
        coded = self.codec.encode(self._audio(wav))
        codes = self._codes(coded.codes)
        if coded.scales is None:
            return codes
        return ScaledCodes(codes, coded.scales[0].float().cpu().numpy())

    def decode(self, codes: Any, point: Point, length: int) -> np.ndarray:
        """Decode the codebooks given into samples [T]."""
        import torch

        scales = None
        if isinstance(codes, ScaledCodes):
            codes, scales = codes.codes, torch.from_numpy(codes.scales)[None]
        with torch.inference_mode():
            wav = self.codec.decode_codes(self._indices(codes), length, scales=scales)
        return self._samples(wav[0, 0])

    def rate(self, coded: Any, point: Point, length: int) -> Rate:
        """Count codes and scales; their file is not of our making."""
        return CodebookSystem.rate(self, coded, point, length)
