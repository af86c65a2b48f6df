"""A model in a folder of the user's becomes part of a metric's definition.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any

from evaluation.metrics.metric import Metric

__all__ = ["Layout", "bind", "once_per_folder"]


@dataclass(frozen=True)
class Layout:
    """What has to lie in FOLDER for ``metric:FOLDER``.

    Arguments
    ---------
    kind : str
        What the folder is, for people: 'a SpeechBrain model'.
    package : str
        Distribution that runs the model.
    needs : tuple of str
        Patterns of files, each of which must match.
    alone : bool
        Whether nothing but these files counts; else all that are not hidden do.
    definition : str
        The metric's definition with such a model; its own if empty.
    source : str
        Who defined it.
    required : bool
        Whether the metric has no model of its own.
    """

    kind: str
    package: str
    needs: tuple[str, ...]
    alone: bool = False
    definition: str = ""
    source: str = ""
    required: bool = False


def bind(metric: Metric, folder: Path, layout: Layout) -> Metric:
    """Bind a model to a metric; what it holds becomes part of the definition.

    Arguments
    ---------
    metric : Metric
        As the catalogue has it.
    folder : Path
        With the model.
    layout : Layout
        What has to be there.

    Returns
    -------
    Metric
        Of the same name, with another version.

    Raises
    ------
    ValueError
        If something is missing in the folder.
    """
    from dac_lobe.audio import visible_files

    found = []
    for pattern in layout.needs:
        matches = sorted(path for path in folder.glob(pattern) if path.is_file())
        if not matches:
            raise ValueError(
                f"metric {metric.name}:{folder}: there is no {pattern}. Give the "
                f"folder of {layout.kind}."
            )
        found += matches
    if not layout.alone:
        # What is hidden, as a download's own notes, is not the model.
        found = list(visible_files(folder))
    digest = hashlib.sha256()
    for path in found:
        digest.update(path.relative_to(folder).as_posix().encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return replace(
        metric,
        package=layout.package,
        engine="",
        weights=(),
        language="",
        definition=layout.definition or metric.definition,
        source=layout.source or metric.source,
        options=(("model", str(folder)),),
        identity=f"model {folder.resolve().name} {digest.hexdigest()[:12]}",
    )


def once_per_folder(load: Callable[[str], Any]) -> Callable[[str], Any]:
    """Load from a folder once, and again when a file in it has changed.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> load = once_per_folder(lambda folder: (Path(folder) / "a").read_text())
    >>> with TemporaryDirectory() as folder:
    ...     for text in ("one", "two of them"):
    ...         _ = (Path(folder) / "a").write_text(text)
    ...         load(folder)
    'one'
    'two of them'
    """

    @lru_cache(maxsize=2)
    def loaded(folder: str, stamp: frozenset[tuple[str, int, int]]) -> Any:
        return load(folder)

    @wraps(load)
    def current(folder: str) -> Any:
        files = {
            (str(path), path.stat().st_mtime_ns, path.stat().st_size)
            for path in Path(folder).rglob("*")
            if path.is_file()
        }
        return loaded(folder, frozenset(files))

    return current
