"""Which codec the tokens of a run are of, kept in its checkpoints.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from pathlib import Path

from speechbrain.utils.checkpoints import (
    Checkpoint,
    Checkpointer,
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)

__all__ = ["TokenCodec"]

NAME = "token_codec"


@register_checkpoint_hooks
class TokenCodec:
    """Fingerprint of the codec whose tokens a model is trained on.

    A model goes on with the tokens of this codec alone: the codes of another mean
    something else.

    Arguments
    ---------
    fingerprint : str
        Of the codec of the tokens that are given now.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     checkpointer = Checkpointer(folder)
    ...     TokenCodec("ab12").join(checkpointer)
    ...     TokenCodec.of(checkpointer.save_checkpoint())
    'ab12'
    """

    def __init__(self, fingerprint: str):
        self.fingerprint = fingerprint

    @staticmethod
    def of(checkpoint: Checkpoint) -> str | None:
        """Return the fingerprint in a checkpoint; None in those of version 0.2."""
        path = checkpoint.paramfiles.get(NAME)
        return None if path is None else Path(path).read_text(encoding="utf-8").strip()

    def join(self, checkpointer: Checkpointer) -> None:
        """Be saved in the checkpoints of a run, if it is not another codec's.

        Raises
        ------
        ValueError
            If there is a checkpoint that was made with another codec's tokens.
        """
        for checkpoint in checkpointer.list_checkpoints():
            made_with = self.of(checkpoint)
            if made_with is not None and made_with != self.fingerprint:
                raise ValueError(
                    f"the tokens are of the codec {self.fingerprint[:12]}, but "
                    f"{checkpoint.path} was trained on tokens of {made_with[:12]}. Give "
                    "these tokens, or another output_folder or seed."
                )
        checkpointer.add_recoverable(NAME, self, optional_load=True)

    @mark_as_saver
    def save(self, path: str | Path) -> None:
        """Write the fingerprint."""
        Path(path).write_text(f"{self.fingerprint}\n", encoding="utf-8")

    @mark_as_loader
    def load(self, path: str | Path, end_of_epoch: bool) -> None:
        """Do nothing: `join` has looked at all checkpoints."""
