"""Where a recipe's statistics go: a text file, and TensorBoard or W&B on request.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from speechbrain.utils.train_logger import FileTrainLogger

__all__ = ["TrainLoggers"]


class TrainLoggers:
    r"""A train logger of SpeechBrain that is one, two or three of them.

    Arguments
    ---------
    save_file : str or Path
        The text file; what is in it stays, as after a resumed run.
    tensorboard : str or Path, optional
        Folder of TensorBoard's event files. Needs the package tensorboard.
    wandb : dict, optional
        Arguments of ``wandb.init``, such as ``project``. Needs the package wandb.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     logger = TrainLoggers(Path(folder) / "train_log.txt")
    ...     logger.log_stats({"epoch": 1}, train_stats={"loss": 2.5})
    ...     (Path(folder) / "train_log.txt").read_text()
    'epoch: 1 - train loss: 2.50\n'
    """

    def __init__(
        self,
        save_file: str | Path,
        tensorboard: str | Path | None = None,
        wandb: Mapping[str, Any] | None = None,
    ):
        self.loggers: list[Any] = [FileTrainLogger(str(save_file))]
        if tensorboard:
            from speechbrain.utils.train_logger import TensorboardLogger

            self.loggers.append(TensorboardLogger(str(tensorboard)))
        if wandb:
            import wandb as package
            from speechbrain.utils.train_logger import WandBLogger

            self.loggers.append(WandBLogger(package.init, **wandb))

    def log_stats(
        self,
        stats_meta: Mapping[str, Any],
        train_stats: Mapping[str, Any] | None = None,
        valid_stats: Mapping[str, Any] | None = None,
        test_stats: Mapping[str, Any] | None = None,
    ) -> None:
        """Log statistics; see SpeechBrain's ``TrainLogger.log_stats``."""
        for logger in self.loggers:
            logger.log_stats(stats_meta, train_stats, valid_stats, test_stats)
