"""The residual quantizer by tables: the same codes, several times sooner.

Upstream subtracts each stage's quantized latents (D channels, up to 1024) from
the residual before projecting it down to 8 again. Projections are linear, so
the same can be said in the projected space, where it is a table look-up:

    z_e[k] = in_k(z - sum_j out_j(c_j)) = in_k(z) - sum_{j<k} T[j][code_j, k]

with T[j][code, k] = in_k(out_j(codebook_j[code])), for all later k side by side.
One matrix product projects the latents for all stages at once, and one more
takes the chosen vectors back to D channels.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import nn

from dac_lobe.execution.layer_kinds import is_known
from dac_lobe.network.outputs import FromCodes, ResidualQuantized
from dac_lobe.network.quantizer import ResidualVectorQuantize
from dac_lobe.network.vector_quantizer import VectorQuantize

__all__ = ["QuantizerTables", "has_tables"]


def has_tables(quantizer: ResidualVectorQuantize) -> bool:
    """Tell whether tables say all that a quantizer computes.

    Arguments
    ---------
    quantizer : ResidualVectorQuantize
        The quantizer.

    Returns
    -------
    bool
        False where a stage is of another class, shape or geometry: the modules
        themselves run it.

    Example
    -------
    >>> quantizer = ResidualVectorQuantize(6, n_codebooks=3, codebook_size=16)
    >>> has_tables(quantizer)
    True
    """
    return is_known(quantizer, ResidualVectorQuantize) and all(
        is_known(stage, VectorQuantize)
        and _is_product(stage.in_proj)
        and _is_product(stage.out_proj)
        and stage.codebook.weight.shape[0] == quantizer.codebook_size
        for stage in quantizer.quantizers
    )


def _is_product(projection: nn.Module) -> bool:
    """Tell whether a projection is a product with its weight, and its bias."""
    return (
        is_known(projection, nn.Conv1d)
        and projection.kernel_size == projection.stride == (1,)
        and projection.padding == (0,)
        and projection.groups == 1
    )


class QuantizerTables:
    """A residual quantizer made ready for inference.

    Arguments
    ---------
    quantizer : ResidualVectorQuantize
        The quantizer; its present weights are used.

    Example
    -------
    >>> quantizer = ResidualVectorQuantize(6, n_codebooks=3, codebook_size=16).eval()
    >>> z = torch.randn(1, 6, 10)
    >>> tables = QuantizerTables(quantizer)
    >>> bool((tables.quantize(z, 3).codes == quantizer(z).codes).all())
    True
    """

    @torch.no_grad()
    def __init__(self, quantizer: ResidualVectorQuantize):
        stages = list(quantizer.quantizers)
        self.codebooks = [stage.codebook.weight.detach() for stage in stages]
        dimensions = [codebook.shape[1] for codebook in self.codebooks]
        self.edges = list(itertools.accumulate(dimensions, initial=0))
        self.directions = [F.normalize(codebook) for codebook in self.codebooks]
        self.squares = [d.pow(2).sum(1, keepdim=True).t() for d in self.directions]
        self.in_weight = torch.cat([s.in_proj.weight.detach()[:, :, 0] for s in stages])
        self.in_bias = torch.cat([_bias(s.in_proj) for s in stages])
        self.out_weight = torch.cat(
            [s.out_proj.weight.detach()[:, :, 0] for s in stages], dim=1
        )
        self.out_bias = torch.stack([_bias(s.out_proj) for s in stages])
        self.out_bias = self.out_bias.cumsum(0)
        # In double, which not all devices have: rounding the tables once costs less
        # than upstream's own arithmetic on the residual does.
        device, dtype = self.in_weight.device, self.in_weight.dtype
        self.corrections = []
        for j, stage in enumerate(stages[:-1]):
            later = self.in_weight[self.edges[j + 1] :].cpu().double()
            weight = stage.out_proj.weight.detach()[:, :, 0].cpu().double()
            bias = _bias(stage.out_proj).cpu().double()
            codebook = self.codebooks[j].cpu().double()
            table = codebook @ (later @ weight).t() + later @ bias
            self.corrections.append(table.to(dtype).to(device))
        dims = torch.tensor(dimensions, device=device)
        self._shares = dims.to(dtype).reciprocal().repeat_interleave(dims)
        self._sizes = torch.stack(
            [weight.norm() for weight in self.in_weight.split(dimensions)]
        )

    @torch.no_grad()
    def quantize(self, z: torch.Tensor, used: int) -> ResidualQuantized:
        """Quantize latents, as `ResidualVectorQuantize.forward` in eval mode.

        Arguments
        ---------
        z : torch.Tensor
            Latents of shape [B, D, F].
        used : int
            Codebooks to use.

        Returns
        -------
        ResidualQuantized
        """
        return self._quantize(z, used, None)

    @torch.no_grad()
    def quantize_with_margins(
        self, z: torch.Tensor, used: int
    ) -> tuple[ResidualQuantized, torch.Tensor]:
        """Quantize latents, and tell how much nearer each code is than the next one.

        A margin's unit is what the latents are large by, times the size of the
        stage's projection: it compares with relative rounding errors of the latents.

        Arguments
        ---------
        z : torch.Tensor
            Latents of shape [B, D, F].
        used : int
            Codebooks to use.

        Returns
        -------
        ResidualQuantized
        torch.Tensor
            Margins of shape [B, K, F]; infinite in silence of exact zeros, where
            nothing can round.
        """
        gaps = z.new_empty(used, len(z) * z.shape[2])
        quantized = self._quantize(z, used, gaps)
        margins = gaps.view(used, len(z), z.shape[2]).transpose(0, 1)
        # Not sqrt, for which MKL wakes its threads.
        margins = margins * z.square().mean(dim=1, keepdim=True).rsqrt()
        margins.div_(self._sizes[:used, None]).nan_to_num_(torch.inf, torch.inf)
        return quantized, margins

    @torch.no_grad()
    def dequantize(self, codes: torch.Tensor) -> FromCodes:
        """Rebuild latents from codes, as `ResidualVectorQuantize.from_codes`.

        Arguments
        ---------
        codes : torch.Tensor
            Checked codes of shape [B, K', F].

        Returns
        -------
        FromCodes
        """
        batch, used, frames = codes.shape
        vectors = torch.cat(
            [self.codebooks[k][codes[:, k].reshape(-1)] for k in range(used)], dim=1
        )
        z = self._expand(vectors, used).view(batch, frames, -1).transpose(1, 2)
        return FromCodes(z, vectors.view(batch, frames, -1).transpose(1, 2), codes)

    def _quantize(
        self, z: torch.Tensor, used: int, gaps: torch.Tensor | None
    ) -> ResidualQuantized:
        """Quantize latents, and write gaps [K', B * F] if they are asked for."""
        batch, _, frames = z.shape
        width = self.edges[used]
        rows = z.transpose(1, 2).reshape(batch * frames, -1)
        latents = self._project(rows, used)
        codes, vectors = self._search(latents, used, gaps)
        # No product: a BLAS would wake its threads for it.
        distance = (latents - vectors).square_().mul_(self._shares[:width]).sum(1)
        loss = distance.view(batch, frames).mean(1).sum() / max(batch, 1)
        return ResidualQuantized(
            self._expand(vectors, used).view(batch, frames, -1).transpose(1, 2),
            codes.view(used, batch, frames).transpose(0, 1).contiguous(),
            latents.view(batch, frames, -1).transpose(1, 2),
            loss,
            loss.clone(),
        )

    def _search(
        self, latents: torch.Tensor, used: int, gaps: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Find codes [K', N] and their vectors for ``latents`` [N, K' * d].

        The latents are corrected in place, stage by stage. A gap is how much larger
        their product with the code's direction is than with the next one's.
        """
        vectors = torch.empty_like(latents)
        codes = latents.new_empty(used, len(latents), dtype=torch.long)
        for stage in range(used):
            start, end = self.edges[stage], self.edges[stage + 1]
            code = self._nearest(
                latents[:, start:end], stage, None if gaps is None else gaps[stage]
            )
            codes[stage] = code
            vectors[:, start:end] = self.codebooks[stage][code]
            if end < latents.shape[1]:
                correction = self.corrections[stage][:, : latents.shape[1] - end]
                latents[:, end:] -= correction[code]
        return codes, vectors

    def _nearest(
        self, latents: torch.Tensor, stage: int, gaps: torch.Tensor | None
    ) -> torch.Tensor:
        """Find the nearest rows of one codebook: `VectorQuantize.decode_latents`.

        The same operations in the same order, so that ties fall the same way.
        """
        encodings = F.normalize(latents)
        distance = 2 * encodings @ self.directions[stage].t()
        torch.sub(encodings.pow(2).sum(1, keepdim=True), distance, out=distance)
        code = distance.add_(self.squares[stage]).argmin(dim=1, keepdim=True)
        if gaps is not None:
            nearest = distance.gather(1, code)[:, 0]
            farther = distance.scatter_(1, code, torch.inf).amin(dim=1)
            torch.mul(farther - nearest, latents.norm(dim=1) / 2, out=gaps)
        return code[:, 0]

    def _project(self, rows: torch.Tensor, used: int) -> torch.Tensor:
        """Project latents [N, D] for all stages at once, [N, K' * d]."""
        width = self.edges[used]
        return F.linear(rows, self.in_weight[:width], self.in_bias[:width])

    def _expand(self, vectors: torch.Tensor, used: int) -> torch.Tensor:
        """Take chosen vectors [N, K' * d] to latents [N, D]."""
        width = self.edges[used]
        return F.linear(vectors, self.out_weight[:, :width], self.out_bias[used - 1])


def _bias(projection: nn.Conv1d) -> torch.Tensor:
    """Bias of a projection, zeros if it has none."""
    if projection.bias is None:
        return projection.weight.new_zeros(projection.out_channels)
    return projection.bias.detach()
