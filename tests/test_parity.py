"""Same weights, same codes as the peers (law 1).

SpeechBrain's lobe and transformers' DacModel run beside ours. The official package
is too heavy to install for a test; golden/generate_descript.py has run it on a
narrow seeded network and stored what came out.
"""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml
from safetensors.torch import load_file

import dac_lobe
from dac_lobe import DAC
from dac_lobe.weights.variants import VARIANTS

GOLDEN = Path(__file__).resolve().parent / "golden" / "descript.safetensors"
OFFICIAL = ["16khz", "24khz", "44khz", "44khz-16kbps"]
WAVEFORM = 1e-5  # largest difference of a sample in [-1, 1]


def speechbrain_twin(codec: DAC) -> torch.nn.Module:
    """Make SpeechBrain's lobe with the codec's weights, all keys matching."""
    from speechbrain.lobes.models.discrete.dac import DAC as Theirs

    config = {name: value for name, value in codec.config.items() if name != "delay"}
    twin = Theirs(**config)
    twin.load_state_dict(codec.state_dict(), strict=True)
    return twin.train(codec.training)


def check_speechbrain(codec: DAC, wav: torch.Tensor):
    twin = speechbrain_twin(codec)
    with torch.no_grad():
        ours, theirs = codec.encode(wav), twin.encode(wav)
        assert torch.equal(ours.codes, theirs[1])
        for mine, other in zip(ours, theirs, strict=True):
            assert torch.allclose(mine, other, atol=WAVEFORM, rtol=1e-5)
        decoded = twin.decode(theirs[0])
        assert (codec.decode(ours.z) - decoded).abs().max() < WAVEFORM
        # Off the hop grid its encode drops the rest; its forward pads, as we do.
        rest = wav[..., :-7]
        for mine, other in zip(codec(rest), twin(rest), strict=True):
            assert torch.allclose(mine, other, atol=WAVEFORM, rtol=1e-5)
        assert torch.equal(codec(rest).codes, twin(rest)[0])


def check_transformers(codec: DAC, wav: torch.Tensor, folder: Path):
    from transformers import DacModel

    twin = DacModel.from_pretrained(codec.save(folder)).eval()
    with torch.no_grad():
        ours, theirs = codec.encode(wav), twin.encode(wav)
        assert torch.equal(ours.codes, theirs.audio_codes)
        assert torch.allclose(ours.z, theirs.quantized_representation, atol=1e-4)
        decoded = twin.decode(audio_codes=theirs.audio_codes).audio_values
        raw = codec.decode(codec.quantizer.from_codes(ours.codes).z)
        assert (raw[:, 0] - decoded).abs().max() < WAVEFORM


@pytest.fixture
def narrow(narrow_dac):
    """A narrow copy of each official variant, and audio of whole hops for it."""
    codec = narrow_dac(codebook_size=1024)
    return codec, 0.3 * torch.randn(2, 1, 40 * codec.hop_length)


def test_speechbrain(narrow):
    check_speechbrain(*narrow)


def test_transformers(narrow, tmp_path):
    check_transformers(*narrow, tmp_path / "folder")


def test_gradients_of_training(narrow):
    """Losses and the straight-through estimator, weight for weight."""
    codec, wav = narrow
    codec.train()
    twin = speechbrain_twin(codec)
    gradients = []
    for model in (codec, twin):
        z, _, _, commitment_loss, codebook_loss = model.encode(wav)
        loss = commitment_loss + codebook_loss + model.decode(z).square().mean()
        loss.backward()
        gradients.append({n: p.grad for n, p in model.named_parameters()})
    for name, gradient in gradients[0].items():
        assert torch.allclose(gradient, gradients[1][name], atol=1e-6, rtol=1e-4), name


@pytest.mark.slow
@pytest.mark.parametrize("name", OFFICIAL)
def test_full_size(name, tmp_path):
    """Two seconds through each official variant's own shape, every code equal."""
    generator = torch.Generator().manual_seed(4)
    codec = DAC(**{**VARIANTS[name].config, "delay": 0}).eval()
    with torch.no_grad():
        for layer in codec.modules():  # init_weights alone would fade to silence
            if hasattr(layer, "parametrizations"):
                weight = torch.empty_like(layer.weight).normal_(generator=generator)
                layer.weight = weight / weight[0].numel() ** 0.5
    frames = round(2 * codec.frame_rate)
    wav = 0.3 * torch.randn(1, 1, frames * codec.hop_length, generator=generator)
    check_speechbrain(codec, wav)
    check_transformers(codec, wav, tmp_path / "folder")


def test_official_package():
    """Codes, latents, losses and waveforms of descript-audio-codec 1.0.0."""
    golden = load_file(GOLDEN)
    for case in ("even", "odd"):
        given = {
            name.removeprefix(f"{case}."): tensor
            for name, tensor in golden.items()
            if name.startswith(f"{case}.")
        }
        rates = given["encoder_rates"].tolist()
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
        weights = {k[8:]: v for k, v in given.items() if k.startswith("weights.")}
        codec.load_state_dict(weights, strict=True)
        with torch.no_grad():
            out = codec.encode(given["audio"])
            assert torch.equal(out.codes, given["codes"].long())
            for name in ("z", "latents", "commitment_loss", "codebook_loss"):
                assert torch.allclose(getattr(out, name), given[name], atol=1e-5), name
            assert (codec.decode(out.z) - given["decoded"]).abs().max() < WAVEFORM
            first = codec.encode(given["audio"], 1)
            assert torch.equal(first.codes, given["codes"].long()[:, :1])
            assert torch.allclose(first.z, given["z_1"], atol=1e-5)


YAML = """
codec: !new:{where}
    encoder_dim: 4
    encoder_rates: [2, 4]
    latent_dim: 8
    decoder_dim: 16
    decoder_rates: [4, 2]
    n_codebooks: 3
    codebook_size: 16
    codebook_dim: 4
    quantizer_dropout: False
    sample_rate: 16000
    strict: True
    load_pretrained: False
modules:
    codec: !ref <codec>
hop_length: !ref <codec.hop_length>
"""


def test_a_yaml_needs_no_other_change():
    ours = load_hyperpyyaml(YAML.format(where="dac_lobe.DAC"))
    theirs = load_hyperpyyaml(
        YAML.format(where="speechbrain.lobes.models.discrete.dac.DAC")
    )
    theirs["codec"].load_state_dict(ours["codec"].state_dict(), strict=True)
    assert ours["hop_length"] == theirs["hop_length"] == 8
    wav = torch.randn(2, 1, 80)
    with torch.no_grad():
        outputs = [each["modules"]["codec"].eval()(wav) for each in (ours, theirs)]
        for mine, other in zip(*outputs, strict=True):
            assert torch.allclose(mine.float(), other.float(), atol=1e-6)
        assert torch.equal(outputs[0][0], outputs[1][0])


NAMES = [
    "DAC",
    "Decoder",
    "DecoderBlock",
    "Encoder",
    "EncoderBlock",
    "ResidualUnit",
    "ResidualVectorQuantize",
    "Snake1d",
    "VectorQuantize",
    "WNConv1d",
    "WNConvTranspose1d",
    "download",
    "init_weights",
]


@pytest.mark.parametrize("name", NAMES)
def test_calls_of_speechbrain_fit(name):
    """Same arguments in the same places; ours may have more, by keyword only."""
    from speechbrain.lobes.models.discrete import dac

    theirs, ours = getattr(dac, name), getattr(dac_lobe, name)
    pairs = [(theirs, ours)]
    if inspect.isclass(theirs):
        pairs += [
            (method, getattr(ours, attribute))
            for attribute, method in vars(theirs).items()
            if inspect.isfunction(method) and not attribute.startswith("_")
        ]
    for their_call, our_call in pairs:
        our_arguments = list(inspect.signature(our_call).parameters.values())
        their_arguments = list(inspect.signature(their_call).parameters.values())
        extra = our_arguments[len(their_arguments) :]
        assert [a.name for a in our_arguments[: len(their_arguments)]] == [
            a.name for a in their_arguments
        ]
        assert all(a.default is not inspect.Parameter.empty for a in extra)


def test_snake_takes_signals_of_any_rank():
    from speechbrain.lobes.models.discrete.dac import snake

    alpha = torch.rand(1, 3, 1)
    for shape in ((2, 3, 5), (2, 3), (2, 3, 4, 5)):
        x = torch.randn(shape)
        assert torch.allclose(dac_lobe.snake(x, alpha), snake(x, alpha), atol=1e-6)
