"""The YAML that a model was made from, kept in the checkpoints of its run.

Parameters tell a model's sizes. What has none, such as how many frames become one,
the YAML alone tells; and that in the output folder is of the last start.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from dac_lobe.nnet.kept_text import KeptText

__all__ = ["Blueprint"]

# What weights began with: they are there, and it may have moved.
IGNORED = "init_from"


class Blueprint(KeptText):
    """Hyperparameters of a run, whose ``modules`` its checkpoints go on with.

    Arguments
    ---------
    text : str
        The YAML of this start, its references resolved.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> from speechbrain.utils.checkpoints import Checkpointer
    >>> with TemporaryDirectory() as folder:
    ...     checkpointer = Checkpointer(folder)
    ...     Blueprint("modules: {a: {subsample: 2}}").join(checkpointer)
    ...     Blueprint.of(checkpointer.save_checkpoint())
    'modules: {a: {subsample: 2}}'
    """

    name = "blueprint"

    def check(self, path: Path, text: str) -> None:
        """Refuse other ``modules`` than a checkpoint was made with."""
        made, given = dict(_modules(text)), dict(_modules(self.text))
        odd = [
            f"{name}: {made.get(name, 'nothing')}, not {given.get(name, 'nothing')}"
            for name in {**made, **given}
            if made.get(name, self) != given.get(name, self)
        ]
        if odd:
            raise ValueError(
                f"the checkpoint {path} was made with {'; '.join(odd[:5])}. Give these "
                "values, or another output_folder or seed."
            )


def _modules(text: str) -> Iterator[tuple[str, Any]]:
    """Yield every value of the modules in a YAML, by its name."""
    yield from _values((YAML().load(text) or {}).get("modules"), "")


def _values(node: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the values below a node of YAML; its class is one of them."""
    if not isinstance(node, (dict, list)):
        yield name, node
        return
    tag = getattr(node, "tag", None)
    if tag is not None and tag.value:
        yield name, tag.value
    pairs = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in pairs:
        if key != IGNORED:
            yield from _values(value, f"{name}.{key}" if name else str(key))
