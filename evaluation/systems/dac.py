"""The Descript Audio Codec under test: any variant, checkpoint or hub id.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.systems.neural import NeuralSystem
from evaluation.systems.system import Point, Rate

if TYPE_CHECKING:
    from dac_lobe import Packed

__all__ = ["DACSystem"]

# Longer audio goes through the codec in chunks: the same codes, bounded memory.
WHOLE_SECONDS = 30


class DACSystem(NeuralSystem):
    """A DAC, loaded by ``DAC.from_pretrained``.

    Arguments
    ---------
    source : str or Path
        A name like '16khz-small', a file, a folder, or a hub id.
    name : str, optional
        System name; by default that of the model, or of the file without suffix.
    device : str
        Where to run.

    Attributes
    ----------
    codec : DAC or None
        The codec, after `load`.
    """

    def __init__(
        self,
        source: str | Path = "16khz-small",
        name: str | None = None,
        device: str = "cpu",
    ):
        super().__init__(source, name, device)
        self._packed: Packed | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the weights behind: each process loads its own."""
        return {**super().__getstate__(), "_packed": None}

    def _load(self) -> None:
        """Load the weights and read the rates off the codec."""
        self.codec = self._open()
        self.sample_rate = self.codec.sample_rate
        self.frame_rate = self.codec.frame_rate
        self.num_codebooks = self.codec.num_codebooks
        self.codebook_size = self.codec.codebook_size

    def _open(self) -> Any:
        from dac_lobe import DAC

        return DAC.from_pretrained(self.source, device=self.device)

    def _code_version(self) -> str:
        from dac_lobe import __version__

        return __version__

    def _choices(self) -> str:
        return f"{self.sample_rate} {getattr(self.codec, 'delay', 0)}"

    def encode(self, wav: np.ndarray, sample_rate: int) -> Any:
        """Encode samples [T] at the codec's rate into all codebooks [K, F]."""
        import torch

        audio = self._audio(wav)
        with torch.inference_mode():
            if wav.size <= WHOLE_SECONDS * self.codec.sample_rate:
                return self._codes(self.codec.encode(audio).codes)
            return self._codes(self.codec.encode_chunked(audio))

    def decode(self, codes: Any, point: Point, length: int) -> np.ndarray:
        """Decode the codebooks given into samples [T]."""
        import torch

        whole = length <= WHOLE_SECONDS * self.codec.sample_rate
        decode = self.codec.decode_codes if whole else self.codec.decode_chunked
        with torch.inference_mode():
            return self._samples(decode(self._indices(codes), length=length)[0, 0])

    def rate(self, coded: Any, point: Point, length: int) -> Rate:
        """Count the codes, and the bytes of the ``.dac`` file that holds them."""
        codes = coded[: point.num_codebooks]
        return replace(
            super().rate(coded, point, length), file=8 * self._file_bytes(codes, length)
        )

    def _file_bytes(self, codes: np.ndarray, length: int) -> int:
        """Write the codes as ``DAC.encode_file`` would have, and look."""
        import soundfile

        with TemporaryDirectory() as folder:
            if self._packed is None:  # one frame, for its header
                hop = Path(folder) / "hop.wav"
                soundfile.write(hop, np.zeros(self.codec.hop_length), self.sample_rate)
                self._packed = self.codec.encode_file(hop)
            header = replace(
                self._packed.header,
                model=self.name,
                num_codebooks=len(codes),
                block_frames=0,  # chosen again for so many codebooks
            )
            packed = replace(
                self._packed, header=header, codes=codes[None], num_samples=length
            )
            return packed.save(Path(folder) / "clip.dac").stat().st_size
