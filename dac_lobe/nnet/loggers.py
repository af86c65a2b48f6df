"""Where a recipe's statistics go: a text file, and TensorBoard or W&B on request.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from speechbrain.utils.train_logger import FileTrainLogger

__all__ = ["TrainLoggers", "log_audio"]

# Spectrograms that TensorBoard shows: FFT size, hop, and decibels from black to white.
FFT_SIZE, HOP = 512, 128
DARKEST, BRIGHTEST = -80.0, 40.0


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


def log_audio(
    writer: Any, name: str, wav: torch.Tensor, sample_rate: int, step: int
) -> None:
    """Send a waveform and its spectrogram to TensorBoard.

    Arguments
    ---------
    writer : torch.utils.tensorboard.SummaryWriter
        As SpeechBrain's ``TensorboardLogger.writer``.
    name : str
        Both are shown under it.
    wav : torch.Tensor
        Samples, shape [T].
    sample_rate : int
        In Hz.
    step : int
        Of the training.
    """
    wav = wav.detach().float().cpu()
    window = torch.hann_window(FFT_SIZE)
    spectrum = torch.stft(wav, FFT_SIZE, HOP, window=window, return_complex=True)
    floor = 10 ** (DARKEST / 20)
    decibels = 20 * spectrum.abs().clamp(min=floor).log10().flip(0)
    picture = ((decibels - DARKEST) / (BRIGHTEST - DARKEST)).clamp(0, 1)
    writer.add_audio(name, wav, step, sample_rate)
    writer.add_image(name, picture[None], step)
