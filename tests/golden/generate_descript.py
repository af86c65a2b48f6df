"""Run the official package on narrow seeded networks and store what comes out.

The package pins old releases of others, so it goes into a folder of its own, beside
an environment that has torch and safetensors:

    pip install --no-deps --target OFFICIAL descript-audio-codec==1.0.0 \
        descript-audiotools==0.7.2 argbind docstring-parser einops ffmpy \
        flatten-dict importlib-resources julius randomname
    PYTHONPATH=OFFICIAL python tests/golden/generate_descript.py

Writes descript.safetensors beside this file: for each case the weights under the
official names, the audio, and codes, latents, losses and waveform.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

OUTPUT = Path(__file__).with_name("descript.safetensors")
CASES = {"even": [2, 4], "odd": [2, 5]}


def run_official(rates: list[int]) -> dict[str, torch.Tensor]:
    """Encode and decode noise with a seeded official network."""
    from dac import DAC

    torch.manual_seed(7)
    codec = DAC(
        encoder_dim=2,
        encoder_rates=rates,
        latent_dim=8,
        decoder_dim=8,
        decoder_rates=rates[::-1],
        n_codebooks=3,
        codebook_size=32,
        codebook_dim=4,
        sample_rate=16000,
    ).eval()
    with torch.no_grad():
        for name, parameter in codec.named_parameters():
            if name.endswith("alpha"):
                parameter.uniform_(0.5, 1.0)
            elif name.endswith("weight_g"):
                parameter.uniform_(0.4, 1.0)
            elif name.endswith("bias"):
                parameter.normal_(0.0, 0.03)
            else:
                parameter.normal_(0.0, 0.3)
        audio = 0.3 * torch.randn(2, 1, 40 * codec.hop_length)
        z, codes, latents, commitment_loss, codebook_loss = codec.encode(audio)
        results = {
            "encoder_rates": torch.tensor(rates),
            "audio": audio,
            "z": z,
            "z_1": codec.encode(audio, n_quantizers=1)[0],
            "codes": codes.to(torch.uint8),
            "latents": latents,
            "commitment_loss": commitment_loss,
            "codebook_loss": codebook_loss,
            "decoded": codec.decode(z),
        }
    weights = {f"weights.{key}": value for key, value in codec.state_dict().items()}
    return {**results, **weights}


def main() -> None:
    """Write the golden file."""
    tensors = {
        f"{case}.{name}": tensor.contiguous()
        for case, rates in CASES.items()
        for name, tensor in run_official(rates).items()
    }
    save_file(tensors, OUTPUT, metadata={"package": "descript-audio-codec 1.0.0"})


if __name__ == "__main__":
    main()
