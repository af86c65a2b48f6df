"""A text that says what a run was begun with, kept in its checkpoints.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from speechbrain.utils.checkpoints import (
    Checkpoint,
    Checkpointer,
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)

__all__ = ["KeptText"]


@register_checkpoint_hooks
class KeptText:
    """A text in every checkpoint of a run, which goes on with one that agrees alone.

    Arguments
    ---------
    text : str
        The text of this start.

    Attributes
    ----------
    name : str
        What it is called in checkpoints.
    """

    name: ClassVar[str]

    def __init__(self, text: str):
        self.text = text.strip()

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> str | None:
        """Return the text in a checkpoint; None in those of version 0.2."""
        path = checkpoint.paramfiles.get(cls.name)
        return None if path is None else Path(path).read_text(encoding="utf-8").strip()

    def check(self, path: Path, text: str) -> None:
        """Raise a ValueError if a checkpoint, whose text is another, is not this run's."""
        raise NotImplementedError

    def join(self, checkpointer: Checkpointer) -> None:
        """Be saved in the checkpoints of a run, if those that are there agree.

        Raises
        ------
        ValueError
            If there is a checkpoint with another text that `check` refuses.
        """
        for checkpoint in checkpointer.list_checkpoints():
            text = self.of(checkpoint)
            if text is not None and text != self.text:
                self.check(checkpoint.path, text)
        checkpointer.add_recoverable(self.name, self, optional_load=True)

    @mark_as_saver
    def save(self, path: str | Path) -> None:
        """Write the text."""
        Path(path).write_text(f"{self.text}\n", encoding="utf-8")

    @mark_as_loader
    def load(self, path: str | Path, end_of_epoch: bool) -> None:
        """Do nothing: `join` has looked at all checkpoints."""
