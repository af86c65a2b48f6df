"""Fixtures shared by all tests: tiny codecs, seeds, and where real audio lies."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
SHARED_AUDIO = ROOT.parent / "shared" / "audio"

TINY = {
    "encoder_dim": 4,
    "encoder_rates": [2, 4],
    "decoder_dim": 16,
    "decoder_rates": [4, 2],
    "n_codebooks": 3,
    "codebook_size": 16,
    "codebook_dim": 4,
    "sample_rate": 16000,
}


def seeded_dac(**changes):
    """Make a codec with seeded weights that respond to their input."""
    from dac_lobe import DAC

    generator = torch.Generator().manual_seed(1)
    codec = DAC(**{**TINY, **changes})
    with torch.no_grad():
        for name, parameter in codec.named_parameters():
            if name.endswith("original0"):
                continue
            if name.endswith("alpha"):
                parameter.uniform_(0.5, 2.0, generator=generator)
            else:
                parameter.normal_(0.0, 0.3, generator=generator)
    return codec.eval()


@pytest.fixture(autouse=True)
def seed():
    """Start every test from the same seed."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def tiny_dac():
    """A seeded random codec with hop 8, in eval mode. Do not change it."""
    return seeded_dac()


@pytest.fixture(scope="session")
def make_dac():
    """Make seeded codecs of other shapes: ``make_dac(encoder_rates=[2, 5], ...)``."""
    return seeded_dac


@pytest.fixture(params=["16khz", "24khz", "44khz", "44khz-16kbps"])
def narrow_dac(request):
    """Make narrow seeded copies of each official variant: ``narrow_dac(...)``."""
    from dac_lobe.variants import VARIANTS

    config = dict(VARIANTS[request.param].config)
    config |= {"encoder_dim": 2, "decoder_dim": 32, "codebook_size": 64, "delay": 0}
    config["latent_dim"] //= 64

    def make(**changes):
        return seeded_dac(**{**config, **changes})

    return make


@pytest.fixture(scope="session")
def shared_audio() -> Path:
    """Folder of real recordings; skips where they are not."""
    if not SHARED_AUDIO.is_dir():
        pytest.skip("real recordings (../shared/audio) are not here")
    return SHARED_AUDIO
