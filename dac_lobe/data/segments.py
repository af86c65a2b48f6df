"""Random stretches of recordings, as a codec is trained on them.

Every item is a function of (seed, epoch, index) alone: a run that was killed
and resumed sees the same audio as one that was not, on any number of workers.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from dac_lobe.data.augment import Augment
from dac_lobe.data.manifest import read_manifest
from dac_lobe.data.waves import as_float, read_waves

__all__ = ["SegmentDataset", "WholeDataset"]


class SegmentDataset(Dataset):
    """Segments drawn in proportion to the length of the recordings.

    Arguments
    ---------
    manifest : str or Path
        SpeechBrain CSV or JSON, or a folder.
    sample_rate : int
        In Hz; recordings of other rates are resampled.
    segment : int
        Samples per segment. Shorter recordings are padded with zeros.
    size : int
        Segments per epoch.
    seed : int
        Of the draws.
    silence_db : float
        Stretches with less power (dB relative to full scale) are drawn again.
    tries : int
        How often, before a quiet stretch is accepted.
    augment : Augment, optional
        Changes of level, spectrum, speed and surroundings.
    data_root : str or Path, optional
        What ``$data_root`` in the manifest stands for.
    sample_type : str
        How recordings are kept in memory: ``float16``, or ``int16``, which is exact
        for those of 16 bits.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> from dac_lobe.audio import write_audio
    >>> with TemporaryDirectory() as folder:
    ...     path = write_audio(Path(folder) / "a.wav", np.ones((1, 500)) / 2, 16000)
    ...     data = SegmentDataset(folder, 16000, segment=100, size=4)
    >>> data[0]["sig"].shape
    torch.Size([100])
    """

    def __init__(
        self,
        manifest: str | Path,
        sample_rate: int,
        segment: int,
        size: int,
        seed: int = 0,
        silence_db: float = -50.0,
        tries: int = 4,
        augment: Augment | None = None,
        data_root: str | Path | None = None,
        sample_type: str = "float16",
    ):
        items = read_manifest(manifest, data_root)
        self.wavs = read_waves(items, sample_rate, sample_type)
        self.names = [item.id for item in items]
        lengths = np.array([len(wav) for wav in self.wavs], dtype=np.float64)
        self.bounds = np.cumsum(lengths) / lengths.sum()
        self.segment = segment
        self.size = size
        self.seed = seed
        self.silence = 10 ** (silence_db / 10)
        self.tries = tries
        self.augment = augment
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose which epoch's segments are drawn."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the segments per epoch."""
        return self.size

    def __getitem__(self, index: int) -> dict[str, object]:
        """Draw one segment: ``id`` and ``sig`` of shape [segment]."""
        generator = np.random.default_rng((self.seed, self.epoch, index))
        for _ in range(self.tries):
            chosen, wav = self._draw(generator)
            if np.mean(np.square(wav)) > self.silence:
                break
        if self.augment is not None:
            wav = self.augment(wav, generator, lambda again: self._draw(again)[1])
        return {"id": f"{self.names[chosen]}-{index}", "sig": torch.from_numpy(wav)}

    def _draw(self, generator: np.random.Generator) -> tuple[int, np.ndarray]:
        """Draw a segment: which recording it is of, and its samples."""
        chosen = int(np.searchsorted(self.bounds, generator.random()))
        return chosen, self._cut(self.wavs[chosen], generator)

    def _cut(self, wav: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Cut a segment out of a recording, or pad a short one."""
        spare = len(wav) - self.segment
        if spare <= 0:
            return np.pad(as_float(wav), (0, -spare))
        start = int(generator.integers(spare + 1))
        return as_float(wav[start : start + self.segment])


class WholeDataset(Dataset):
    """Whole recordings, for validation: ``id`` and ``sig`` of shape [T]."""

    def __init__(
        self,
        manifest: str | Path,
        sample_rate: int,
        limit: int | None = None,
        data_root: str | Path | None = None,
    ):
        items = read_manifest(manifest, data_root)
        # Evenly spread over the sorted names, so over the speakers.
        count = min(limit or len(items), len(items))
        self.items = [items[i * len(items) // count] for i in range(count)]
        self.wavs = read_waves(self.items, sample_rate)

    def __len__(self) -> int:
        """Count the recordings."""
        return len(self.wavs)

    def __getitem__(self, index: int) -> dict[str, object]:
        """One recording."""
        wav = torch.from_numpy(as_float(self.wavs[index]))
        return {"id": self.items[index].id, "sig": wav}
