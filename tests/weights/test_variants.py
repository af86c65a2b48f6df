"""The table of weights agrees with the network, and says the true bitrates."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from dac_lobe import DAC
from dac_lobe.weights.pretrained import ASSETS
from dac_lobe.weights.variants import VARIANTS, find_variant, variant

OFFICIAL = [row for row in VARIANTS.values() if not row.bundled]


@pytest.mark.parametrize("row", OFFICIAL, ids=lambda row: row.name)
def test_rows_agree_with_the_network_they_describe(row):
    with torch.device("meta"):
        codec = DAC(**row.config)
    assert sum(p.numel() for p in codec.parameters()) == row.parameters
    assert len(codec.state_dict()) == 238 + 7 * row.n_codebooks
    assert codec.config == dict(row.config)
    assert codec.hop_length == row.hop_length
    assert codec.frame_rate == row.frame_rate
    assert codec.bitrate() == row.kbps
    assert codec.delay == row.delay


@pytest.mark.parametrize(
    ("name", "kbps"),
    [
        ("16khz", 6.0),
        ("24khz", 24.0),
        ("44khz", 7.752),
        ("44khz-16kbps", 15.504),
        ("16khz-small", 6.0),
    ],
)
def test_true_bitrates(name, kbps):
    assert variant(name).kbps == pytest.approx(kbps, abs=5e-4)


def test_the_bundled_file_agrees_with_its_row():
    row = variant("16khz-small")
    codec = DAC.from_pretrained("16khz-small")
    assert (ASSETS / row.asset).stat().st_size <= 8 * 2**20
    assert codec.sample_rate == row.sample_rate
    assert codec.hop_length == row.hop_length
    assert codec.n_codebooks == row.n_codebooks
    assert codec.codebook_size == row.codebook_size


def test_upstreams_files():
    """Names of the cache and addresses, as in SpeechBrain and upstream."""
    assert {row.cache_name: row.url_at() for row in OFFICIAL} == {
        f"weights_{labels}.pth": "https://github.com/descriptinc/"
        f"descript-audio-codec/releases/download/{asset}"
        for labels, asset in {
            "16khz_8kbps_0.0.5": "0.0.5/weights_16khz.pth",
            "24khz_8kbps_0.0.4": "0.0.4/weights_24khz.pth",
            "44khz_8kbps_0.0.1": "0.0.1/weights.pth",
            "44khz_16kbps_1.0.0": "1.0.0/weights_44khz_16kbps.pth",
        }.items()
    }


@pytest.mark.parametrize(
    "spelling", ["44khz-16kbps", "44kHz_16kbps", " DAC_44KHZ-16KBPS", "44khz 16kbps"]
)
def test_spellings(spelling):
    assert variant(spelling).name == "44khz-16kbps"


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("48khz", "44khz"), ("16khz-smal", "16khz-small"), ("16hz", "16khz")],
)
def test_near_misses_are_named(wrong, meant):
    with pytest.raises(ValueError, match=f"unknown model '{wrong}'.*mean.*{meant}"):
        variant(wrong)


def test_far_misses_list_what_there_is():
    assert find_variant("opus") is None
    with pytest.raises(ValueError, match="Known: 16khz, 24khz, 44khz, 44khz-16kbps"):
        variant("opus")


def test_rows_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        variant("16khz").delay = 0
    with pytest.raises(TypeError):
        variant("16khz").config["delay"] = 0
    assert hash(variant("16khz")) == hash(variant("16khz"))
