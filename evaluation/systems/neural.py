"""What neural codecs under test have in common: weights that stay at home.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.systems.system import CodebookSystem

if TYPE_CHECKING:
    import torch

__all__ = ["NeuralSystem"]


class NeuralSystem(CodebookSystem):
    """A codec in torch that each process loads for itself.

    Arguments
    ---------
    source : str or Path
        A file, a folder, or a hub id.
    name : str, optional
        System name; by default that of the folder, or of the file without suffix.
    device : str
        Where to run.

    Attributes
    ----------
    codec : torch.nn.Module or None
        The codec, after `load`.
    """

    def __init__(
        self, source: str | Path, name: str | None = None, device: str = "cpu"
    ):
        self.source = str(source)
        path = Path(self.source)
        self.name = name or (path.stem if path.is_file() else path.name)
        self.device = device
        self.codec: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the weights behind: each process loads its own."""
        return {**vars(self), "codec": None}

    def load(self) -> None:
        """Load the weights, once, and say how codes are laid out."""
        if self.codec is None:
            from dac_lobe import check_device

            self.device = str(check_device(self.device))
            self._load()

    def _audio(self, wav: np.ndarray) -> torch.Tensor:
        """Bring samples [T] into the shape that codecs take, [1, 1, T], on the device."""
        import torch

        batch = torch.from_numpy(np.ascontiguousarray(wav, np.float32))[None, None]
        return batch.to(self.device)

    def _indices(self, codes: np.ndarray) -> torch.Tensor:
        """Bring codes [...] into the shape that codecs take, int64 [1, ...]."""
        import torch

        return torch.from_numpy(codes.astype(np.int64))[None].to(self.device)

    @staticmethod
    def _codes(batch: torch.Tensor) -> np.ndarray:
        """Bring codes [1, ...] into the shape that is kept, int32 [...]."""
        found: np.ndarray = batch[0].cpu().numpy().astype(np.int32)
        return found

    @staticmethod
    def _samples(wav: torch.Tensor) -> np.ndarray:
        """Bring samples [T] home, as float32."""
        found: np.ndarray = wav.float().cpu().numpy()
        return found

    @abstractmethod
    def _load(self) -> None:
        """Set `codec`, and the attributes of a `CodebookSystem`."""

    @abstractmethod
    def _code_version(self) -> str:
        """Name the release of the package that runs the weights."""

    def _choices(self) -> str:
        """Name what changes the output, and is neither weights nor code."""
        return ""

    def fingerprint(self) -> str:
        """Hash the weights, and the versions of the code that runs them."""
        import torch

        self.load()
        digest = hashlib.sha256(f"{self._code_version()} {torch.__version__} ".encode())
        digest.update(self.device.split(":")[0].encode())
        for key, value in sorted(self.codec.state_dict().items()):
            digest.update(f"{key} {tuple(value.shape)} {value.dtype}".encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        digest.update(self._choices().encode())
        return digest.hexdigest()[:16]
