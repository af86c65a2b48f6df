"""SNAC under test, through its own package: codebooks at different rates.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from importlib.metadata import version
from pickle import UnpicklingError

import numpy as np

from evaluation.errors import package_needed
from evaluation.systems.neural import NeuralSystem
from evaluation.systems.system import Point

__all__ = ["SNACSystem", "flatten", "unflatten"]


def flatten(levels: list[np.ndarray]) -> np.ndarray:
    """Lay the codes of all levels out as one matrix.

    Arguments
    ---------
    levels : list of np.ndarray
        Codes of each level, coarse first: the first has F, the others multiples of it.

    Returns
    -------
    np.ndarray
        Shape [K, F]: a column is a frame of the coarsest level, its rows the codes of
        the levels in turn.

    Example
    -------
    >>> flatten([np.array([0, 1]), np.array([10, 11, 12, 13])])
    array([[ 0,  1],
           [10, 12],
           [11, 13]])
    """
    frames = len(levels[0])
    return np.concatenate([codes.reshape(frames, -1).T for codes in levels])


def unflatten(codes: np.ndarray, counts: list[int]) -> list[np.ndarray]:
    """Undo `flatten`.

    Arguments
    ---------
    codes : np.ndarray
        Shape [K, F].
    counts : list of int
        How many codes of each level a column holds.

    Returns
    -------
    list of np.ndarray
        Codes of each level.

    Example
    -------
    >>> unflatten(np.array([[0, 1], [10, 12], [11, 13]]), [1, 2])
    [array([0, 1]), array([10, 11, 12, 13])]
    """
    return [rows.T.ravel() for rows in np.split(codes, np.cumsum(counts)[:-1])]


class SNACSystem(NeuralSystem):
    """A multi-scale codec (Siuzdak et al. 2024), loaded by ``snac.SNAC``.

    A codebook at twice the rate counts as two: K is the number of codes in a frame of
    the coarsest level, 7 for 24 kHz and 15 for the others. They are decoded together.
    The decoder adds noise, which is drawn from the same seed for each recording.

    Arguments
    ---------
    source : str or Path
        A folder with ``config.json`` and ``pytorch_model.bin``, or a hub id.
    name : str, optional
        System name; the last part of the source by default.
    device : str
        Where to run.
    """

    counts: list[int]

    def _load(self) -> None:
        """Load the weights and read the rates off the codec."""
        with package_needed(f"snac:{self.source}", "Install dac-lobe[codecs]."):
            from snac import SNAC
        try:
            codec = SNAC.from_pretrained(self.source)
        except (OSError, RuntimeError, TypeError, ValueError, UnpicklingError) as error:
            reason = " ".join(str(error).split())[:300]
            raise ValueError(
                f"snac:{self.source} cannot be loaded: {reason}"
            ) from error
        strides = codec.vq_strides
        if any(strides[0] % stride for stride in strides):
            raise ValueError(
                f"snac:{self.source}: vq_strides {strides} in config.json; the first "
                "must be a multiple of each."
            )
        self.codec = codec.to(self.device)
        self.counts = [strides[0] // stride for stride in strides]
        self.sample_rate = codec.sampling_rate
        self.frame_rate = float(codec.sampling_rate / (codec.hop_length * strides[0]))
        self.num_codebooks = self.fewest_codebooks = sum(self.counts)
        self.codebook_size = codec.codebook_size

    def _code_version(self) -> str:
        return f"snac {version('snac')}"

    def _choices(self) -> str:
        codec = self.codec
        return f"{codec.sampling_rate} {codec.vq_strides} {codec.attn_window_size}"

    def encode(self, wav: np.ndarray, sample_rate: int) -> np.ndarray:
        """Encode samples [T] into all codes [K, F]; the last frame is padded."""
        import torch

        with torch.inference_mode():
            return flatten([*map(self._codes, self.codec.encode(self._audio(wav)))])

    def decode(self, codes: np.ndarray, point: Point, length: int) -> np.ndarray:
        """Decode all codes into samples [T]."""
        import torch

        levels = [self._indices(level) for level in unflatten(codes, self.counts)]
        used = [self.device] if self.device.startswith("cuda") else []
        with torch.inference_mode(), torch.random.fork_rng(used):
            torch.manual_seed(0)
            return self._samples(self.codec.decode(levels)[0, 0, :length])
