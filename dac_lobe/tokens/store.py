"""Reading a token store: by id, memory-mapped, from any process.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from dac_lobe.dac import DAC
from dac_lobe.network.names import codebooks_by_any_name
from dac_lobe.tokens.codebooks import Codebook, load_codebooks
from dac_lobe.tokens.meta import StoreMeta
from dac_lobe.tokens.shards import read_failures, read_index, shard_path

__all__ = ["TokenStore"]

OPEN_SHARDS = 256


class _Place(NamedTuple):
    shard: int
    start: int
    frames: int
    samples: int


class TokenStore:
    """The tokens of a corpus, as a mapping from id to tokens.

    Shards are opened when they are first read and mapped into memory; a worker
    process that inherits or unpickles a store opens its own.

    Arguments
    ---------
    path : str or Path
        The folder that `dac_lobe.tokens.extract` made.
    codec : DAC or str, optional
        The codec, or the fingerprint, that the tokens must come from.
    num_codebooks : int, optional
        Codebooks to return, the first ones; all by default.
    partial : bool
        Whether to open a store whose extraction is not finished.

    Raises
    ------
    ValueError
        If the folder is no store, is not finished, is damaged, or was made by another
        codec.
    KeyError
        When an id is looked up that the store does not hold.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> from dac_lobe.tokens.shards import EncodedItem, write_shard
    >>> item = EncodedItem("a", np.arange(8).reshape(4, 2), samples=32)
    >>> with TemporaryDirectory() as folder:  # what `extract` does
    ...     write_shard(folder, 0, [item], failures=[], num_codebooks=2)
    ...     StoreMeta("ab12", 16000, 8, 2, 16, 0.0, 1, 1, "cd34").save(folder)
    ...     store = TokenStore(folder)
    ...     store.ids, store["a"].shape  # [F, K]
    (['a'], torch.Size([4, 2]))
    >>> store
    TokenStore(1 item, 0.0 s, 2 codebooks of 16, 2000 Hz, codec ab12)
    """

    @codebooks_by_any_name
    def __init__(
        self,
        path: str | Path,
        codec: DAC | str | None = None,
        num_codebooks: int | None = None,
        partial: bool = False,
    ):
        self.path = Path(path)
        self.meta = StoreMeta.load(path)
        if codec is not None:
            self.check(codec)
        if num_codebooks is None:
            num_codebooks = self.meta.num_codebooks
        if type(num_codebooks) is not int or not (
            1 <= num_codebooks <= self.meta.num_codebooks
        ):
            raise ValueError(
                f"num_codebooks={num_codebooks!r} but {path} holds "
                f"{self.meta.num_codebooks}. Choose 1 to {self.meta.num_codebooks}."
            )
        self.num_codebooks = num_codebooks
        present = [
            number
            for number in range(self.meta.num_shards)
            if shard_path(path, number).exists()
        ]
        missing = self.meta.num_shards - len(present)
        if missing and not partial:
            raise ValueError(
                f"{path} is not finished: {missing} of {self.meta.num_shards} shards "
                "are missing. Run the same extraction again, or open with partial=True."
            )
        self.failures: dict[str, str] = {}
        self._places: dict[str, _Place] = {}
        self._frames: dict[int, int] = {}
        for number in present:
            start = 0
            for row in read_index(path, number):
                self._places[row.id] = _Place(number, start, row.frames, row.samples)
                start += row.frames
            self._frames[number] = start
            self.failures.update(read_failures(path, number))
        self._open: OrderedDict[int, Any] = OrderedDict()
        self._owner = os.getpid()

    def __repr__(self) -> str:
        meta = self.meta
        seconds = sum(p.samples for p in self._places.values()) / meta.sample_rate
        items = f"{len(self)} item{'' if len(self) == 1 else 's'}"
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return (
            f"TokenStore({items}{failed}, {seconds:.1f} s, {self.num_codebooks} "
            f"codebooks of {meta.codebook_size}, {meta.frame_rate:g} Hz, codec "
            f"{meta.fingerprint[:12]})"
        )

    @property
    def ids(self) -> list[str]:
        """The ids, sorted."""
        return list(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __getitem__(self, name: str) -> torch.Tensor:
        """Tokens of an item, int64 of shape [F, K]."""
        place = self._place(name)
        codes = self._shard(place.shard)[place.start : place.start + place.frames]
        tokens = torch.from_numpy(codes[:, : self.num_codebooks].astype(np.int64))
        if tokens.numel() and int(tokens.max()) >= self.meta.codebook_size:
            raise ValueError(
                f"{name!r} in {self.path} has the token {int(tokens.max())}; the "
                f"vocabulary is [0, {self.meta.codebook_size - 1}]. The shard "
                f"{place.shard} is damaged: run the extraction again to repair it."
            )
        return tokens

    def frames(self, name: str) -> int:
        """Count the frames F of an item."""
        return self._place(name).frames

    def samples(self, name: str) -> int:
        """Count the samples that an item was encoded from."""
        return self._place(name).samples

    def codebooks(self) -> list[Codebook]:
        """Read the codebooks of the tokens, coarse to fine."""
        return load_codebooks(self.path)[: self.num_codebooks]

    def require(self, names: Iterable[str]) -> None:
        """Make sure that the store holds these items.

        Arguments
        ---------
        names : iterable of str
            Ids, of a dataset that is about to be read.

        Raises
        ------
        ValueError
            If one is missing.
        """
        names = list(names)
        missing = [name for name in names if name not in self._places]
        if missing:
            reason = self.failures.get(missing[0], "it was not in the manifest")
            raise ValueError(
                f"{len(missing)} of {len(names)} items have no tokens in {self.path}, "
                f"such as {missing[0]!r}: {reason}. Extract them, or drop them from "
                "the manifest."
            )

    def check(self, codec: DAC | str) -> None:
        """Make sure that the tokens come from a codec.

        Arguments
        ---------
        codec : DAC or str
            The codec or its fingerprint.

        Raises
        ------
        ValueError
            If they come from another.
        """
        if not isinstance(codec, str):
            from dac_lobe.weights.fingerprint import fingerprint

            codec = fingerprint(codec, like=self.meta.fingerprint)
        if codec != self.meta.fingerprint:
            raise ValueError(
                f"{self.path} holds tokens of the codec {self.meta.fingerprint[:12]}, "
                f"asked for are those of {codec[:12]}. Tokens of different codecs mean "
                "different sounds: extract them again with this one."
            )

    def _place(self, name: str) -> _Place:
        """Find an item, or say why it is not there."""
        if name in self._places:
            return self._places[name]
        if name in self.failures:
            raise KeyError(
                f"{name!r} could not be encoded ({self.failures[name]}), see the "
                f"failures of {self.path}. Drop it from the manifest."
            )
        raise KeyError(
            f"{name!r} is not in {self.path}, which holds {len(self)} items"
            + (f" such as {next(iter(self))!r}." if len(self) else ".")
        )

    def _shard(self, number: int) -> Any:
        """Codes of a shard: a view of the file, nothing is read yet."""
        if self._owner != os.getpid():
            self._open, self._owner = OrderedDict(), os.getpid()
        # Taken out and put back in single steps: threads may read at the same time.
        codes = self._open.pop(number, None)
        if codes is None:
            path = shard_path(self.path, number)
            try:
                file = safe_open(path, framework="numpy")
                codes = file.get_slice("codes")  # type: ignore[no-untyped-call]
            except (OSError, SafetensorError) as error:
                raise ValueError(
                    f"{path} cannot be read ({error}). Run the extraction again; it "
                    "repairs what is missing or damaged."
                ) from error
            if codes.get_shape()[0] != self._frames[number]:
                raise ValueError(
                    f"{self.path}: shard {number} is not the one of its index: an "
                    "extraction has changed it since, or was interrupted. Finish the "
                    "extraction, then open the store again."
                )
        self._open[number] = codes
        if len(self._open) > OPEN_SHARDS:
            self._open.popitem(last=False)
        return codes

    def __getstate__(self) -> dict[str, Any]:
        # Open files do not travel; the copy opens its own.
        return {**self.__dict__, "_open": OrderedDict()}
