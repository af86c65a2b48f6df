"""A codec against discriminators: what each of the two hears of a batch.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from dac_lobe.nnet.distributed import unwrap
from dac_lobe.nnet.losses import FeatureMaps, GANLoss, GeneratorLosses

__all__ = ["Adversary", "judged_items"]


def judged_items(batch_size: int, number: int | None) -> list[int]:
    """Choose the items that the discriminators see, spread over the batch.

    Dropout of codebooks takes the first half of a batch: the first items alone would
    leave the discriminators without any that was coded with all codebooks.

    Arguments
    ---------
    batch_size : int
        Items of the batch.
    number : int or None
        How many to choose, at most; None takes all.

    Returns
    -------
    list of int
        Their indices.

    Example
    -------
    >>> judged_items(8, 2)
    [2, 6]
    """
    number = min(number or batch_size, batch_size)
    return [(2 * i + 1) * batch_size // (2 * number) for i in range(number)]


class Adversary:
    """The adversarial losses of a codec and of its discriminators.

    Arguments
    ---------
    discriminator : nn.Module
        From waveforms [B, 1, T] to feature maps; in DDP's wrapper where there are
        several processes.
    items : int or None
        Items of a batch that it sees; None shows it all.
    precision : callable
        Makes the context that it runs in. Losses are computed in float32.

    Example
    -------
    >>> from dac_lobe.nnet.discriminators import Discriminator
    >>> adversary = Adversary(Discriminator(periods=[2], fft_sizes=[256]), items=1)
    >>> audio, wav = torch.randn(2, 2, 1, 2048)
    >>> adversary.discriminator_loss(audio, wav).shape
    torch.Size([])
    >>> len(adversary.codec_losses(audio, wav))
    2
    """

    def __init__(
        self,
        discriminator: nn.Module,
        items: int | None = None,
        precision: Callable[[], AbstractContextManager] = nullcontext,
    ):
        self.discriminator = discriminator
        self.items = items
        self.precision = precision

    def discriminator_loss(
        self, audio: torch.Tensor, wav: torch.Tensor
    ) -> torch.Tensor:
        """Compute the loss of the discriminators; the codec has no part in it.

        Arguments
        ---------
        audio : torch.Tensor
            The codec's output, shape [B, 1, T].
        wav : torch.Tensor
            Its input, shape [B, 1, T].

        Returns
        -------
        torch.Tensor
            A scalar.
        """
        heard = judged_items(len(audio), self.items)
        # One forward for both halves: two would break DDP's buffers.
        both = torch.cat([audio[heard].float().detach(), wav[heard]])
        maps = self._judge(self.discriminator, both)
        fake = [[m.chunk(2)[0] for m in stack] for stack in maps]
        real = [[m.chunk(2)[1] for m in stack] for stack in maps]
        return GANLoss().discriminator(fake, real)

    def codec_losses(self, audio: torch.Tensor, wav: torch.Tensor) -> GeneratorLosses:
        """Compute the codec's losses; the discriminators learn nothing from them.

        Arguments
        ---------
        audio : torch.Tensor
            The codec's output, shape [B, 1, T].
        wav : torch.Tensor
            Its input, shape [B, 1, T].

        Returns
        -------
        GeneratorLosses
            The adversarial loss and that of matching features, scalars.
        """
        heard = judged_items(len(audio), self.items)
        discriminator = unwrap(self.discriminator)
        discriminator.requires_grad_(False)
        fake = self._judge(discriminator, audio[heard].float())
        with torch.no_grad():
            real = self._judge(discriminator, wav[heard])
        discriminator.requires_grad_(True)
        return GANLoss().generator(fake, real)

    def _judge(self, discriminator: nn.Module, wav: torch.Tensor) -> FeatureMaps:
        """Feature maps in full precision."""
        with self.precision():
            maps = discriminator(wav)
        return [[feature_map.float() for feature_map in stack] for stack in maps]
