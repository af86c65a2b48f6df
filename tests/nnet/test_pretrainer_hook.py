"""SpeechBrain's Pretrainer brings a codec's weights, all of them."""

from __future__ import annotations

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml

from dac_lobe.dac import DAC

SIZES = {
    "encoder_dim": 4,
    "encoder_rates": [2, 4],
    "decoder_dim": 16,
    "decoder_rates": [4, 2],
    "n_codebooks": 3,
    "codebook_size": 16,
    "sample_rate": 16000,
}
RECIPE = """
codec: !new:dac_lobe.dac.DAC
   encoder_dim: 4
   encoder_rates: [2, 4]
   decoder_dim: 16
   decoder_rates: [4, 2]
   n_codebooks: 3
   codebook_size: 16
   sample_rate: 16000
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
   collect_in: !PLACEHOLDER
   loadables:
      codec: !ref <codec>
   paths:
      codec: !PLACEHOLDER
   custom_hooks:
      codec: !name:dac_lobe.nnet.pretrainer_hook.transfer_codec
"""


@pytest.fixture
def recipe(tmp_path):
    """A codec with random weights, and a Pretrainer that knows of a file."""

    def make(path):
        given = {"collect_in": str(tmp_path / "save"), "paths": {"codec": str(path)}}
        return load_hyperpyyaml(RECIPE, {"pretrainer": given})

    return make


@pytest.fixture
def trained():
    torch.manual_seed(1)
    return DAC(**SIZES).eval()


@pytest.mark.parametrize("name", ["weights.pth", "codec.safetensors"])
def test_collected_and_loaded(recipe, trained, tmp_path, name):
    (tmp_path / "models").mkdir()
    trained.save(tmp_path / "models" / name)
    hparams = recipe(tmp_path / "models" / name)
    codec, pretrainer = hparams["codec"].eval(), hparams["pretrainer"]
    wav = torch.randn(2, 1, 400)
    expected = trained.encode(wav).codes
    assert not torch.equal(codec.encode(wav).codes, expected)
    pretrainer.collect_files()
    assert (tmp_path / "save/codec.ckpt").exists()
    pretrainer.load_collected()
    assert torch.equal(codec.encode(wav).codes, expected)
    assert torch.equal(codec.decode_codes(expected), trained.decode_codes(expected))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"n_codebooks": 2}, "does not fit the model: 7 missing"),
        ({"sample_rate": 24000}, "codes 24000 Hz, the codec 16000 Hz"),
    ],
)
def test_another_codec_is_refused(recipe, tmp_path, other, said):
    """And leaves the weights as they were."""
    DAC(**SIZES | other).save(tmp_path / "weights.pth")
    hparams = recipe(tmp_path / "weights.pth")
    before = {
        key: value.clone() for key, value in hparams["codec"].state_dict().items()
    }
    hparams["pretrainer"].collect_files()
    with pytest.raises(ValueError, match=said):
        hparams["pretrainer"].load_collected()
    after = hparams["codec"].state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
