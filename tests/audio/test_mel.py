"""Mel filters against those of two other libraries."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dac_lobe.audio import mel_filters
from evaluation.selftest import recorded_vectors


@pytest.mark.parametrize("rate", [16000, 24000, 44100])
@pytest.mark.parametrize(("n_mels", "n_fft"), [(5, 32), (40, 256), (320, 2048)])
def test_equal_to_torchaudio(rate, n_mels, n_fft):
    """The filter bank equals torchaudio's Slaney bank, empty filters included."""
    functional = pytest.importorskip("torchaudio.functional")
    theirs = functional.melscale_fbanks(
        n_fft // 2 + 1, 0.0, rate / 2, n_mels, rate, norm="slaney", mel_scale="slaney"
    ).T
    ours = torch.tensor(mel_filters(rate, n_fft, n_mels)).float()
    torch.testing.assert_close(ours, theirs, atol=2e-6, rtol=2e-4)


@pytest.mark.parametrize("case", recorded_vectors()["filters"])
def test_equal_to_librosa(case):
    """A projection and the count of empty filters stand for the bank."""
    filters = mel_filters(*case["shape"])
    weights = np.arange(1, filters.shape[1] + 1) / filters.shape[1]
    assert filters @ weights == pytest.approx(case["projection"], abs=1e-7)
    assert int((filters.sum(axis=1) == 0).sum()) == case["empty"]


def test_shared_filters_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        mel_filters(16000, 512, 40)[0] = 1.0
