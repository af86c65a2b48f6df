"""How often a codec's codes are used while it is trained, and new life for dead ones.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import torch
from torch import nn

from dac_lobe.network.autoencoder import Autoencoder
from dac_lobe.nnet.distributed import broadcast
from dac_lobe.nnet.warm_start import restart_dead_codes

__all__ = ["CodeUsage"]


class CodeUsage(nn.Module):
    """Running share of every code, and whether the codebooks have been started.

    A module, so that a checkpoint keeps both as it keeps weights.

    Arguments
    ---------
    codec : Autoencoder
        Whose codes are counted; only its shape is read.
    decay : float
        Weight of what was counted before, at each update.

    Example
    -------
    >>> from dac_lobe import DAC
    >>> codec = DAC(4, (2, 4), None, 16, (4, 2), n_codebooks=2, codebook_size=8)
    >>> usage = CodeUsage(codec, decay=0.0)
    >>> usage.update(torch.tensor([[[0, 0, 0, 1], [7, 7, 7, 7]]]))
    >>> usage.share[:, [0, 1, 7]]
    tensor([[0.7500, 0.2500, 0.0000],
            [0.0000, 0.0000, 1.0000]])
    """

    share: torch.Tensor
    started: torch.Tensor

    def __init__(self, codec: Autoencoder, decay: float = 0.99):
        super().__init__()
        shape = (codec.n_codebooks, codec.codebook_size)
        self.decay = decay
        self.register_buffer("share", torch.full(shape, 1.0 / codec.codebook_size))
        self.register_buffer("started", torch.tensor(False))

    @torch.no_grad()
    def update(self, codes: torch.Tensor) -> None:
        """Count the codes of a batch, shape [B, K, F], K at most the codec's."""
        stages, size = codes.shape[1], self.share.shape[1]
        # One histogram of all stages: one transfer from the GPU, not one a stage.
        offset = torch.arange(stages, device=codes.device)[:, None] * size
        flat = (codes + offset).flatten().cpu()
        counts = torch.bincount(flat, minlength=stages * size).view(stages, size)
        shares = counts / counts.sum(1, keepdim=True)
        self.share[:stages].lerp_(shares, 1 - self.decay)

    def restart(self, codec: Autoencoder, latents: torch.Tensor, share: float) -> int:
        """Move the dead codes of all codebooks to latents of the current batch.

        Arguments
        ---------
        codec : Autoencoder
            Changed in place; processes of a distributed run agree afterwards.
        latents : torch.Tensor
            Projected latents of all stages, shape [B, K * codebook_dim, F].
        share : float
            Codes used less than this part of the uniform share are dead.

        Returns
        -------
        int
            How many codes were replaced.
        """
        count, start = 0, 0
        for stage, usage in zip(codec.quantizer.quantizers, self.share, strict=True):
            end = start + stage.codebook_dim
            part = latents[:, start:end].detach()
            count += restart_dead_codes(stage, usage, part, share)
            start = end
        broadcast(stage.codebook.weight.data for stage in codec.quantizer.quantizers)
        return count
