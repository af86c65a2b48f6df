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
from speechbrain.utils.checkpoints import (
    Checkpoint,
    Checkpointer,
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)

__all__ = ["Blueprint"]

NAME = "blueprint"
# What weights began with: they are there, and it may have moved.
IGNORED = "init_from"


@register_checkpoint_hooks
class Blueprint:
    """Hyperparameters of a run, whose ``modules`` its checkpoints go on with.

    Arguments
    ---------
    text : str
        The YAML of this start, its references resolved.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     checkpointer = Checkpointer(folder)
    ...     Blueprint("modules: {a: {subsample: 2}}").join(checkpointer)
    ...     Blueprint.of(checkpointer.save_checkpoint())
    'modules: {a: {subsample: 2}}'
    """

    def __init__(self, text: str):
        self.text = text

    @staticmethod
    def of(checkpoint: Checkpoint) -> str | None:
        """Return the YAML in a checkpoint; None in those of version 0.2."""
        path = checkpoint.paramfiles.get(NAME)
        return None if path is None else Path(path).read_text(encoding="utf-8")

    def join(self, checkpointer: Checkpointer) -> None:
        """Be saved in the checkpoints of a run, if it is not another model's.

        Raises
        ------
        ValueError
            If there is a checkpoint that was made with other ``modules``.
        """
        for checkpoint in checkpointer.list_checkpoints():
            text = self.of(checkpoint)
            if text is None or text == self.text:
                continue
            made, given = dict(_modules(text)), dict(_modules(self.text))
            odd = [
                f"{name}: {made.get(name, 'nothing')}, not {given.get(name, 'nothing')}"
                for name in {**made, **given}
                if made.get(name, self) != given.get(name, self)
            ]
            if odd:
                raise ValueError(
                    f"the checkpoint {checkpoint.path} was made with "
                    f"{'; '.join(odd[:5])}. Give these values, or another "
                    "output_folder or seed."
                )
        checkpointer.add_recoverable(NAME, self, optional_load=True)

    @mark_as_saver
    def save(self, path: str | Path) -> None:
        """Write the YAML."""
        Path(path).write_text(self.text, encoding="utf-8")

    @mark_as_loader
    def load(self, path: str | Path, end_of_epoch: bool) -> None:
        """Do nothing: `join` has looked at all checkpoints."""


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
