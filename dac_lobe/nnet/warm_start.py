"""Starting points for codecs that learn from little data or on little hardware.

None of this is in the DAC paper; each function is a labelled deviation that
the training recipe can switch on. The result is an ordinary DAC.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import nn

from dac_lobe.network.autoencoder import Autoencoder
from dac_lobe.network.layers import ResidualUnit
from dac_lobe.network.quantizer import ResidualVectorQuantize
from dac_lobe.network.receptive_field import Convolution
from dac_lobe.network.vector_quantizer import VectorQuantize

__all__ = [
    "restart_dead_codes",
    "scale_layers",
    "skeleton",
    "start_codebooks",
    "start_from_latents",
]


def skeleton(module: nn.Module) -> nn.Sequential:
    """List the layers of an encoder or decoder without its residual units.

    The skeleton shares its parameters with the module. It computes in a fifth
    of the time and learns the coarse transform; the residual units join later,
    near the identity (their last convolution starts small).

    Arguments
    ---------
    module : nn.Module
        A `dac_lobe.Encoder` or `dac_lobe.Decoder`.

    Returns
    -------
    nn.Sequential
        Convolutions and activations between the residual units.

    Example
    -------
    >>> from dac_lobe import Encoder
    >>> skeleton(Encoder(4, [2, 4], 6))(torch.zeros(1, 1, 80)).shape
    torch.Size([1, 6, 10])
    """
    layers: list[nn.Module] = []

    def collect(parent: nn.Module) -> None:
        for child in parent.children():
            if isinstance(child, ResidualUnit):
                continue
            if isinstance(child, nn.Conv1d | nn.ConvTranspose1d) or not any(
                True for _ in child.children()
            ):
                layers.append(child)
            else:
                collect(child)

    collect(module)
    return nn.Sequential(*layers)


@torch.no_grad()
def scale_layers(
    module: nn.Module, inputs: torch.Tensor, residual: float = 0.25, last: float = 1.0
) -> torch.Tensor:
    """Scale every convolution so that its output has unit deviation on real data.

    Layer-sequential unit variance (https://arxiv.org/abs/1511.06422) without
    its orthogonal start. Layers are scaled in the order in which they run, in
    one pass. Weight norm must have been folded.

    Arguments
    ---------
    module : nn.Module
        Encoder or decoder; changed in place. Biases centre the outputs.
    inputs : torch.Tensor
        A batch of what it will be given.
    residual : float
        Deviation that a residual unit adds.
    last : float
        Deviation of the module's last convolution.

    Returns
    -------
    torch.Tensor
        The module's output.

    Example
    -------
    >>> stack = nn.Sequential(nn.Conv1d(1, 4, 3), nn.Conv1d(4, 4, 3))
    >>> round(float(scale_layers(stack, torch.randn(4, 1, 100)).std()), 3)
    1.0
    """
    layers = [
        m for m in module.modules() if isinstance(m, nn.Conv1d | nn.ConvTranspose1d)
    ]
    targets = dict.fromkeys(layers, 1.0)
    for unit in module.modules():
        if isinstance(unit, ResidualUnit):
            targets[cast(Convolution, unit.block[-1])] = residual
    targets[layers[-1]] = last

    def rescale(
        layer: Convolution, _: tuple[torch.Tensor, ...], output: torch.Tensor
    ) -> torch.Tensor:
        bias = _bias(layer)
        plain = output - bias[:, None]
        centre = plain.mean((0, 2))
        output = plain - centre[:, None]
        factor = targets[layer] / output.std().clamp(min=1e-8)
        layer.weight.mul_(factor)
        bias.copy_(-centre * factor)
        return output * factor

    hooks = [layer.register_forward_hook(rescale) for layer in layers]
    try:
        return module(inputs)
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def start_codebooks(
    quantizer: ResidualVectorQuantize,
    latents: torch.Tensor,
    iterations: int = 8,
    constant: float = 1.5,
) -> list[float]:
    """Set projections and codebooks from data, stage by stage.

    The look-up is by angle, so it forgets the length of a vector. A constant
    last coordinate keeps it: (v, c) and (2v, c) point in different directions.
    Each stage therefore projects on the residual's leading principal directions
    and appends ``c``, then clusters the directions by spherical k-means.

    Arguments
    ---------
    quantizer : ResidualVectorQuantize
        Changed in place. Weight norm must have been folded.
    latents : torch.Tensor
        Unquantized latents of shape [N, D] from real data, N well above the
        codebook size.
    iterations : int
        Of k-means.
    constant : float
        The constant coordinate, in units of the projections' deviation.

    Returns
    -------
    list of float
        Share of the latents' energy left after each stage.

    Example
    -------
    >>> from dac_lobe.network.layers import fold_weight_norm
    >>> quantizer = fold_weight_norm(ResidualVectorQuantize(6, 2, 16, 4))
    >>> energy = start_codebooks(quantizer, torch.randn(500, 6))
    >>> energy[1] < energy[0] < 1
    True
    """
    residual = latents.float().clone()
    total = residual.square().sum().clamp(min=1e-12)
    left = []
    for stage in quantizer.quantizers:
        dim = stage.codebook_dim
        directions = _principal_directions(residual, dim - 1)
        projected = residual @ directions
        offset = constant * projected.square().mean().sqrt()
        stage.in_proj.weight.zero_()
        stage.in_proj.weight[:-1, :, 0] = directions.T
        in_bias = _bias(stage.in_proj).zero_()
        in_bias[-1] = offset
        stage.out_proj.weight.zero_()
        stage.out_proj.weight[:, :-1, 0] = directions
        _bias(stage.out_proj).zero_()
        vectors = torch.cat([projected, offset.expand(len(projected), 1)], dim=1)
        stage.codebook.weight.copy_(
            _spherical_means(vectors, stage.codebook_size, iterations)
        )
        chosen = stage.decode_latents(vectors.T[None])[0][0].T
        residual -= chosen[:, :-1] @ directions.T
        left.append(float(residual.square().sum() / total))
    return left


@torch.no_grad()
def start_from_latents(codec: Autoencoder, latents: torch.Tensor) -> list[float]:
    """Bring a codec's latents to unit deviation, and start its codebooks from them.

    Commitment and codebook losses have one scale then.

    Arguments
    ---------
    codec : Autoencoder
        Changed in place. Weight norm must have been folded.
    latents : torch.Tensor
        As for `start_codebooks`, from the encoder as it is.

    Returns
    -------
    list of float
        Share of the latents' energy left after each stage.
    """
    level = latents.std()
    last = cast(nn.Conv1d, codec.encoder.block[-1])
    for parameter in (last.weight, _bias(last)):
        parameter.div_(level)
    cast(nn.Conv1d, codec.decoder.model[0]).weight.mul_(level)
    return start_codebooks(codec.quantizer, latents / level)


def _principal_directions(data: torch.Tensor, count: int) -> torch.Tensor:
    """Leading eigenvectors of the second moment of [N, D], as columns [D, count]."""
    moment = data.T @ data / len(data)
    eigenvectors = torch.linalg.eigh(moment)[1].flip(1)
    directions = eigenvectors[:, :count]
    return F.pad(directions, (0, count - directions.shape[1]))


def _spherical_means(
    vectors: torch.Tensor, clusters: int, iterations: int
) -> torch.Tensor:
    """Cluster [N, d] by angle; returns the members' plain means, [clusters, d]."""
    start = torch.randperm(len(vectors), device=vectors.device)
    start = start.repeat(-(-clusters // len(vectors)))[:clusters]
    centres = vectors[start].clone()
    directions = F.normalize(vectors)
    for _ in range(iterations):
        nearest = (directions @ F.normalize(centres).T).argmax(1)
        counts = torch.bincount(nearest, minlength=clusters)
        sums = torch.zeros_like(centres).index_add_(0, nearest, vectors)
        lost = counts == 0
        centres = sums / counts.clamp(min=1)[:, None]
        refill = torch.randint(len(vectors), (int(lost.sum()),), device=vectors.device)
        centres[lost] = vectors[refill]
    return centres


@torch.no_grad()
def restart_dead_codes(
    stage: VectorQuantize, usage: torch.Tensor, latents: torch.Tensor, share: float
) -> int:
    """Replace rarely used codes by projected latents of the current batch.

    Arguments
    ---------
    stage : VectorQuantize
        Changed in place.
    usage : torch.Tensor
        Running share of each code, shape [codebook_size], summing to 1. The
        entries of replaced codes are set to the uniform share.
    latents : torch.Tensor
        Projected latents of the batch, shape [B, codebook_dim, F].
    share : float
        Codes used less than this part of the uniform share are dead.

    Returns
    -------
    int
        How many codes were replaced.

    Example
    -------
    >>> stage = VectorQuantize(6, codebook_size=4, codebook_dim=2)
    >>> usage = torch.tensor([0.5, 0.5, 0.0, 0.0])
    >>> restart_dead_codes(stage, usage, torch.randn(1, 2, 10), share=0.1)
    2
    """
    uniform = 1.0 / stage.codebook_size
    dead = torch.nonzero(usage < share * uniform).flatten()
    candidates = latents.transpose(1, 2).flatten(0, 1)
    chosen = torch.randperm(len(candidates), device=candidates.device)[: len(dead)]
    dead = dead[: len(chosen)]
    stage.codebook.weight[dead] = candidates[chosen].to(stage.codebook.weight.dtype)
    usage[dead] = uniform
    return len(dead)


def _bias(layer: Convolution) -> torch.Tensor:
    """Bias of a layer; those of the codec all have one."""
    assert layer.bias is not None
    return layer.bias
