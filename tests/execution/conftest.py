"""Fixtures of the fast path: its backends, and the modules to compare it with."""

from __future__ import annotations

import pytest
import torch

from dac_lobe.execution import attach
from dac_lobe.execution.native.library import find_native


@pytest.fixture(scope="session")
def near():
    """Compare tensors, in units of the largest value: ``near(ours, theirs, 1e-5)``."""
    return _near


@pytest.fixture(scope="session")
def check():
    """Compare the engine with the modules: ``check(codec, wav, **options)``."""
    return _check


def _plainly(codec, wav, **options):
    """Encode and decode with the modules themselves."""
    engine, codec.executor = codec.executor, None
    try:
        with torch.no_grad():
            encoded = codec.encode(wav, **options)
            return encoded, codec.decode(encoded.z)
    finally:
        codec.executor = engine


def _check(codec, wav, **options):
    """Compare the engine with the modules."""
    plain, plain_wav = _plainly(codec, wav, **options)
    encoded = codec.encode(wav, **options)
    assert torch.equal(encoded.codes, plain.codes)
    for ours, theirs in zip(encoded, plain, strict=True):
        _near(ours, theirs, 1e-4)
    assert not encoded.z.requires_grad
    _near(codec.decode(encoded.z), plain_wav, 1e-5)


def _near(ours, theirs, tolerance):
    """Compare tensors, in units of the largest value."""
    largest = float(theirs.abs().max()) if theirs.numel() else 0.0
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance * (largest + 1e-9))


@pytest.fixture(params=["torch", "native"])
def backend(request, monkeypatch):
    """Name each backend in turn; skips the native one where it is not built."""
    monkeypatch.delenv("DAC_LOBE_BACKEND", raising=False)
    if request.param == "native" and find_native().library is None:
        pytest.skip(f"no native kernel: {find_native().reason}")
    return request.param


@pytest.fixture
def codec(make_dac, backend):
    """Make a codec that each backend runs in turn."""
    return attach(make_dac(), backend)
