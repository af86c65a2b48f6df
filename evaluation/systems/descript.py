"""The official package's DAC under test, to hold ours against.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np

from evaluation.errors import package_needed
from evaluation.systems.neural import NeuralSystem
from evaluation.systems.system import Point

__all__ = ["DescriptSystem"]


class DescriptSystem(NeuralSystem):
    """A checkpoint run by descript-audio-codec (Kumar et al. 2023).

    Its installation pins old releases, so no extra of ours names it:
    ``pip install --no-deps`` it with what it imports (docs/evaluation.md).

    Arguments
    ---------
    source : str or Path
        An official checkpoint (.pth).
    name : str, optional
        System name; 'descript' and that of the file by default.
    device : str
        Where to run.
    """

    def __init__(
        self, source: str | Path, name: str | None = None, device: str = "cpu"
    ):
        super().__init__(source, name or f"descript-{Path(source).stem}", device)

    def _load(self) -> None:
        """Load the weights and read the rates off the codec."""
        advice = "or give the file as it is, for dac_lobe's DAC"
        with package_needed(
            f"descript:{self.source}", f"Install descript-audio-codec, {advice}."
        ):
            from dac import DAC
        if not Path(self.source).is_file():
            raise ValueError(f"descript:{self.source}: there is no such checkpoint.")
        codec = DAC.load(self.source, strict=True)
        self.codec = codec.to(self.device).eval()
        self.sample_rate = codec.sample_rate
        self.frame_rate = float(codec.sample_rate / codec.hop_length)
        self.num_codebooks = codec.n_codebooks
        self.codebook_size = codec.codebook_size

    def _code_version(self) -> str:
        return f"descript-audio-codec {version('descript-audio-codec')}"

    def _choices(self) -> str:
        return f"{self.sample_rate} {self.codec.encoder_rates}"

    def encode(self, wav: np.ndarray, sample_rate: int) -> np.ndarray:
        """Encode samples [T], padded to whole frames, into all codebooks [K, F]."""
        import torch

        with torch.inference_mode():
            padded = self.codec.preprocess(self._audio(wav), self.sample_rate)
            return self._codes(self.codec.encode(padded)[1])

    def decode(self, codes: np.ndarray, point: Point, length: int) -> np.ndarray:
        """Decode the codebooks given into samples [T]."""
        import torch

        with torch.inference_mode():
            latents = self.codec.quantizer.from_codes(self._indices(codes))[0]
            return self._samples(self.codec.decode(latents)[0, 0, :length])
