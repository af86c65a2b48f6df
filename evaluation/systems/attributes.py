"""Attributes of an object, written down so that the cache tells one codec from another.

Text, numbers, bytes, arrays of numpy, paths (with the bytes of the file, or of the
folder's visible files), and tuples, lists, sets and dicts of these.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["write_down"]

FOLDER_BYTES = 4 * 2**30  # of a folder that are read; the rest is known by its times


class _UnknownError(TypeError):
    """What cannot be written down."""


def write_down(attributes: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Write attributes down as JSON has it.

    Arguments
    ---------
    attributes : mapping
        Values by name.

    Returns
    -------
    known : dict
        What `json.dumps` takes, by the same names.
    unknown : tuple of str
        The names of the others, sorted.

    Example
    -------
    >>> write_down({"gain": 2, "table": {1: (0.5, None)}, "codec": object()})
    ({'gain': 2, 'table': ['dict', ['[1, [0.5, null]]']]}, ('codec',))
    """
    known, unknown = {}, []
    for name, value in attributes.items():
        try:
            known[name] = _written(value)
        except _UnknownError:
            unknown.append(name)
    return known, tuple(sorted(unknown))


def _written(value: Any) -> Any:
    if isinstance(value, (str, int, float, type(None))):
        return value
    if isinstance(value, (tuple, list)):
        return [_written(one) for one in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _written(one) for key, one in value.items()}
    if isinstance(value, (dict, set, frozenset)):
        pairs = value.items() if isinstance(value, dict) else value
        kind = "dict" if isinstance(value, dict) else "set"
        return [
            kind,
            sorted(json.dumps(_written(one), sort_keys=True) for one in pairs),
        ]
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        held = (
            _written(array.tolist())
            if array.dtype.hasobject
            else _hash(array.tobytes())
        )
        return [str(array.dtype), list(array.shape), held]
    if isinstance(value, (bytes, bytearray)):
        return ["bytes", _hash(value)]
    if isinstance(value, Path):
        return _path(value)
    raise _UnknownError


def _hash(data: bytes | bytearray) -> str:
    return hashlib.sha256(data).hexdigest()


def _path(path: Path) -> Any:
    """Write down a path, and what is there."""
    if path.is_file():
        return [str(path), _bytes(path)]
    return [str(path), _folder(path)] if path.is_dir() else [str(path)]


def _bytes(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folder(folder: Path) -> str:
    """Hash names and contents of the files in a folder; times of what is not read."""
    from dac_lobe.audio import visible_files

    digest, left = hashlib.sha256(), FOLDER_BYTES
    for path in visible_files(folder):
        about = path.stat()
        left -= about.st_size
        held = _bytes(path) if left >= 0 and os.access(path, os.R_OK) else ""
        known = [path.relative_to(folder).as_posix(), about.st_size]
        digest.update(json.dumps([*known, held or about.st_mtime_ns]).encode())
    return digest.hexdigest()
