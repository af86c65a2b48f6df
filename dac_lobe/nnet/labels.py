"""Labels that a run numbers: of its training data once, then of its checkpoints' file.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from speechbrain.dataio.encoder import CategoricalEncoder
from speechbrain.utils.checkpoints import Checkpointer

__all__ = ["load_labels"]


def load_labels(
    encoder: CategoricalEncoder,
    path: str | Path,
    labels: Iterable[str],
    checkpointer: Checkpointer,
) -> bool:
    """Load the labels that a run's checkpoints were made with, or number those given.

    A file without checkpoints is of a start that was refused: its labels may be of
    data that have been corrected since.

    Arguments
    ---------
    encoder : CategoricalEncoder
        An empty one; it then has the labels.
    path : str or Path
        File of the labels. Write it once all is checked, if they are new.
    labels : iterable of str
        Those of the training data, in the order to number them in.
    checkpointer : Checkpointer
        Of the run.

    Returns
    -------
    bool
        Whether they are of the file.

    Raises
    ------
    ValueError
        If the training data have others than the file.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> encoder = CategoricalEncoder()
    >>> with TemporaryDirectory() as folder:
    ...     load_labels(encoder, f"{folder}/x.txt", "ABA", Checkpointer(folder))
    False
    >>> encoder.lab2ind
    {'A': 0, 'B': 1}
    """
    if not checkpointer.list_checkpoints() or not encoder.load_if_possible(path):
        encoder.update_from_iterable(labels)
        return False
    if unknown := sorted(set(labels) - set(encoder.lab2ind)):
        raise ValueError(
            f"the checkpoints beside {path} were made with the labels in it, which has "
            f"no {', '.join(map(repr, unknown[:5]))}, and the training data do. Give "
            "the data that the run began with, or another output_folder or seed."
        )
    return True
