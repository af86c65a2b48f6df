"""Fixtures shared by all tests: tiny codecs, seeds, and where real audio lies."""

from __future__ import annotations

import copy
import resource
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
SHARED_AUDIO = ROOT.parent / "shared" / "audio"

# A busy machine is slow without being wrong.
settings.register_profile("dac-lobe", deadline=None)
settings.load_profile("dac-lobe")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems():
    """Take away SpeechBrain's redirects of old names to packages that are not here.

    They raise an ImportError when they are looked at, and hypothesis looks at
    every module once tests are collected.
    """
    for name, module in list(sys.modules.items()):
        if type(module).__name__ in ("LazyModule", "DeprecatedModuleRedirect"):
            del sys.modules[name]


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
                # The length of each filter. With what DAC starts from, and biases
                # as large as weights, every frame of any audio has the same codes.
                parameter.fill_(0.6)
            elif name.endswith("alpha"):
                parameter.uniform_(0.5, 2.0, generator=generator)
            else:
                spread = 0.01 if name.endswith("bias") else 0.3
                parameter.normal_(0.0, spread, generator=generator)
    return codec.eval()


def reaching_dac(**changes):
    """Make a codec, in double, whose every output depends on all that it can see.

    Random weights mostly look at the middle of their kernels: a law about edges
    would hold for any context. Here the outer taps carry the weight, so that one
    frame of context too little changes the output in the second digit.
    """
    from dac_lobe.network.layers import fold_weight_norm
    from dac_lobe.network.receptive_field import convolutions

    generator = torch.Generator().manual_seed(2)
    codec = fold_weight_norm(seeded_dac(**{"codebook_size": 64, **changes})).double()
    with torch.no_grad():
        for part in (codec.encoder, codec.decoder):
            for layer in convolutions(part):
                weight = torch.randn(layer.weight.shape, generator=generator)
                weight[..., 1:-1] *= 0.1
                transposed = isinstance(layer, torch.nn.ConvTranspose1d)
                weight /= weight.norm(
                    dim=(0, 2) if transposed else (1, 2), keepdim=True
                )
                gain = layer.stride[0] ** 0.5 if transposed else 1.0
                layer.weight.copy_(gain * weight)
            layer.weight.mul_(0.1)  # the last layer, so that tanh stays in range
    return codec


@pytest.fixture(autouse=True)
def seed():
    """Start every test from the same seed."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def quiet_lazy_modules():
    """Keep hypothesis from waking SpeechBrain's lazy modules.

    It reads ``__file__`` of every loaded module; those of SpeechBrain that stand
    for optional packages then try to import them, and fail.
    """
    for name, module in list(sys.modules.items()):
        if name.startswith("speechbrain.") and "__file__" not in vars(module):
            module.__dict__["__file__"] = None


@pytest.fixture(scope="session")
def tiny_dac():
    """A seeded random codec with hop 8, in eval mode. Do not change it."""
    return seeded_dac()


@pytest.fixture(scope="session")
def other_dac(tiny_dac):
    """A codec of the same shape as `tiny_dac` with other weights. Do not change it."""
    other = copy.deepcopy(tiny_dac)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1.1)
    return other


@pytest.fixture(scope="session")
def make_dac():
    """Make seeded codecs of other shapes: ``make_dac(encoder_rates=[2, 5], ...)``."""
    return seeded_dac


@pytest.fixture(params=["16khz", "24khz", "44khz", "44khz-16kbps"])
def narrow_dac(request):
    """Make narrow seeded copies of each official variant: ``narrow_dac(...)``."""
    from dac_lobe.weights.variants import VARIANTS

    config = dict(VARIANTS[request.param].config)
    config |= {"encoder_dim": 2, "decoder_dim": 32, "codebook_size": 64, "delay": 0}
    config["latent_dim"] //= 64

    def make(factory=seeded_dac, **changes):
        return factory(**{**config, **changes})

    return make


@pytest.fixture(scope="session")
def make_reaching_dac():
    """Make codecs, in double, that feel one frame too little: see `reaching_dac`."""
    return reaching_dac


@pytest.fixture(scope="session")
def shared_audio() -> Path:
    """Folder of real recordings; skips where they are not."""
    if not SHARED_AUDIO.is_dir():
        pytest.skip("real recordings (../shared/audio) are not here")
    return SHARED_AUDIO


@pytest.fixture(scope="session")
def disk_of():
    """Make a full disk: within ``disk_of(size)`` no file can grow beyond ``size`` bytes."""

    @contextmanager
    def limited(size):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited
