"""What a token store says about itself.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dac_lobe.disk.atomic import replacing

__all__ = ["FORMAT", "META_FILE", "StoreMeta", "read_meta"]

FORMAT = "dac-lobe tokens 1"
META_FILE = "meta.json"


@dataclass(frozen=True)
class StoreMeta:
    """The facts that a store's bytes follow from, and that its users need.

    Attributes
    ----------
    fingerprint : str
        Of the codec: its weights and configuration.
    sample_rate : int
        Samples per second of the audio that was encoded.
    hop_length : int
        Samples per frame.
    num_codebooks : int
        Codebooks K that are stored.
    codebook_size : int
        Vocabulary V of each codebook.
    batch_seconds : float
        0 if items were encoded one at a time, else the padded length of a batch.
    num_items : int
        Items in the manifest, those that could not be read included.
    num_shards : int
        Shards of the store.
    manifest : str
        sha256 over the ids of each shard, and the segments of those that have one.
    backend : str
        What ran the encoder: 'torch' or 'native'. They agree but for near ties.
    device : str
        Kind of device that ran it: 'cpu', 'cuda' or 'mps'. They agree but for near ties.
    precision : str
        Arithmetic of the encoder; stores are made with 'exact', float32 throughout.
    padding : str
        What stands past the end of an item.
    format : str
        Version of this layout.
    """

    fingerprint: str
    sample_rate: int
    hop_length: int
    num_codebooks: int
    codebook_size: int
    batch_seconds: float
    num_items: int
    num_shards: int
    manifest: str
    backend: str = "torch"
    device: str = "cpu"
    precision: str = "exact"
    padding: str = "zeros to a whole hop; no other item changes the codes"
    format: str = FORMAT

    @property
    def frame_rate(self) -> float:
        """Frames per second, in Hz."""
        return self.sample_rate / self.hop_length

    def save(self, store: str | Path) -> None:
        """Write ``meta.json`` into a store's folder."""
        text = json.dumps(asdict(self), indent=2, sort_keys=True)
        with replacing(Path(store) / META_FILE) as file:
            file.write((text + "\n").encode("utf-8"))

    @classmethod
    def load(cls, store: str | Path) -> StoreMeta:
        """Read ``meta.json`` from a store's folder.

        Arguments
        ---------
        store : str or Path
            The folder that `dac_lobe.tokens.extract` made.

        Returns
        -------
        StoreMeta
            Its facts.

        Raises
        ------
        ValueError
            If the folder is no token store, or one of another format.
        """
        path = Path(store) / META_FILE
        if not path.is_file():
            raise ValueError(
                f"{store} is no token store: it has no {META_FILE}. Make one with "
                "`dac-lobe extract MANIFEST STORE --model MODEL`."
            )
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path} is not JSON ({error}). Extract anew.") from error
        found = content.get("format") if isinstance(content, dict) else None
        if found != FORMAT:
            raise ValueError(
                f"{path} has the format {found!r}; this version reads {FORMAT!r}. "
                "Extract the tokens again."
            )
        content.setdefault("device", "cpu")  # not told before version 0.2
        fields = set(cls.__dataclass_fields__)
        if set(content) != fields:
            raise ValueError(
                f"{path} lacks {sorted(fields - set(content))} and has unknown "
                f"{sorted(set(content) - fields)}. Extract the tokens again."
            )
        return cls(**content)


def read_meta(path: str | Path) -> dict[str, Any]:
    """Read a store's facts as a dict, for ``!applyref`` in a recipe's YAML.

    Arguments
    ---------
    path : str or Path
        Folder of the store.

    Returns
    -------
    dict
        The fields of `StoreMeta`, and ``frame_rate`` in Hz.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> meta = StoreMeta("ab12", 16000, 320, 12, 1024, 0.0, 3, 1, "cd34")
    >>> with TemporaryDirectory() as folder:
    ...     meta.save(folder)
    ...     read_meta(folder)["frame_rate"]
    50.0
    """
    meta = StoreMeta.load(path)
    return {**asdict(meta), "frame_rate": meta.frame_rate}
