"""Which codec the tokens of a run are of, kept in its checkpoints.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from pathlib import Path

from dac_lobe.nnet.kept_text import KeptText

__all__ = ["TokenCodec"]


class TokenCodec(KeptText):
    """Fingerprint of the codec whose tokens a model is trained on.

    A model goes on with the tokens of this codec alone: the codes of another mean
    something else.

    Arguments
    ---------
    text : str
        Fingerprint of the codec of the tokens that are given now.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> from speechbrain.utils.checkpoints import Checkpointer
    >>> with TemporaryDirectory() as folder:
    ...     checkpointer = Checkpointer(folder)
    ...     TokenCodec("ab12").join(checkpointer)
    ...     TokenCodec.of(checkpointer.save_checkpoint())
    'ab12'
    """

    name = "token_codec"

    def check(self, path: Path, text: str) -> None:
        """Refuse tokens of another codec."""
        raise ValueError(
            f"the tokens are of the codec {self.text[:12]}, but {path} was trained on "
            f"tokens of {text[:12]}. Give these tokens, or another output_folder or seed."
        )
