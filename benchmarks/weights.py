"""Full-size codecs to measure, without anybody's pretrained weights.

Speed does not depend on the values of weights, but agreement of codes does: with
PyTorch's initial values signals die out and every code agrees or none does.
Here, weights are drawn from a seed and scaled layer by layer on real audio, so
that signals keep their size through the network as they do in a trained one,
and codebooks are drawn from the latents that meet them.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import torch
from torch import nn

from dac_lobe import DAC
from dac_lobe.network.layers import ResidualUnit, Snake1d

__all__ = ["make_codec", "scale_on"]

# Standard deviation of what a residual unit adds, and of the waveform.
ADDED = 0.3
OUTPUT = 0.1


def make_codec(config: dict, wav: torch.Tensor, seed: int = 0) -> DAC:
    """Make a codec whose weights respond to audio like trained ones.

    Arguments
    ---------
    config : dict
        Constructor arguments of `DAC`.
    wav : torch.Tensor
        Audio to scale on, shape [1, 1, T]; a second or two.
    seed : int
        Seed of the weights.

    Returns
    -------
    DAC
        In eval mode, plain (no engine attached).
    """
    torch.manual_seed(seed)
    codec = DAC(**config).eval()
    for module in codec.modules():
        if isinstance(module, Snake1d):
            nn.init.uniform_(module.alpha, 0.5, 2.0)
    return scale_on(codec, wav)


@torch.no_grad()
def scale_on(codec: DAC, wav: torch.Tensor) -> DAC:
    """Scale the layers of a codec, in order, on audio.

    Arguments
    ---------
    codec : DAC
        The codec; changed in place.
    wav : torch.Tensor
        Shape [1, 1, T].

    Returns
    -------
    DAC
        The same codec.
    """
    wanted = {}
    for module in codec.modules():
        if isinstance(module, (nn.Conv1d, nn.ConvTranspose1d)):
            wanted[module] = 1.0
    for module in codec.modules():
        if isinstance(module, ResidualUnit):
            wanted[module.block[3]] = ADDED
    wanted[codec.decoder.model[-2]] = OUTPUT

    def rescale(layer: nn.Module, inputs: tuple, output: torch.Tensor) -> torch.Tensor:
        gain = wanted[layer] / output.std()
        layer.weight = layer.weight * gain
        layer.bias.mul_(gain)
        return output * gain

    hooks = [layer.register_forward_hook(rescale) for layer in wanted]
    frames = wav.shape[-1] // codec.hop_length
    z = codec.encoder(wav[..., : frames * codec.hop_length])
    hooks = _remove(codec.quantizer, hooks, wanted)
    z = _fill_codebooks(codec.quantizer, z)
    codec.decoder(z)
    for hook in hooks:
        hook.remove()
    return codec


def _remove(part: nn.Module, hooks: list, layers: dict) -> list:
    """Remove the hooks of the layers of one part, and return the others."""
    inside = set(part.modules())
    for hook, layer in zip(hooks, layers, strict=True):
        if layer in inside:
            hook.remove()
    return [h for h, layer in zip(hooks, layers, strict=True) if layer not in inside]


def _fill_codebooks(quantizer: nn.Module, z: torch.Tensor) -> torch.Tensor:
    """Draw each stage's codebook from what it will see; return quantized latents."""
    residual, total = z, torch.zeros_like(z)
    for stage in quantizer.quantizers:
        basis = torch.linalg.qr(torch.randn(z.shape[1], stage.codebook_dim))[0]
        stage.in_proj.weight = basis.t()[:, :, None].contiguous()
        stage.out_proj.weight = basis[:, :, None].contiguous()
        seen = stage.in_proj(residual)[0].t()
        chosen = seen[torch.randint(len(seen), (stage.codebook_size,))]
        spread = 0.3 * seen.std() * torch.randn(stage.codebook_size, chosen.shape[1])
        stage.codebook.weight.copy_(chosen + spread)
        quantized = stage(residual).z_q
        residual, total = residual - quantized, total + quantized
    return total
