"""Devices that are not here are said so; and nothing runs that some of them cannot."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import soundfile
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dac_lobe import DAC, DACTokenizer
from dac_lobe.cli import main
from dac_lobe.encodec import EnCodec
from dac_lobe.execution import attach
from evaluation.systems.dac import DACSystem

ABSENT = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(there, reason="there is one here"),
    )
    for name, there in [
        ("cuda", torch.cuda.is_available()),
        ("cuda:7", torch.cuda.device_count() > 7),
        ("mps", torch.backends.mps.is_available()),
        ("abacus", False),
        (None, False),
    ]
]
FACES = {
    "codec": lambda device: DAC.from_pretrained("16khz-small", device=device),
    "EnCodec": lambda device: EnCodec.from_pretrained("24khz", device=device),
    "evaluation": lambda device: DACSystem(device=device).load(),
}


@pytest.mark.parametrize("device", ABSENT)
@pytest.mark.parametrize("face", FACES)
def test_a_device_that_is_not_here_is_one_line(face, device):
    with pytest.raises(ValueError, match=f"{device}.*(Choose|counted)") as error:
        FACES[face](device)
    assert "\n" not in str(error.value)


def test_auto_is_a_device_that_is_here():
    there = "cuda" if torch.cuda.is_available() else "cpu"
    assert FACES["codec"]("auto").device.type == there


@pytest.mark.parametrize("device", ABSENT[:-1])
@pytest.mark.parametrize("command", ["encode", "extract"])
def test_nor_is_it_on_the_command_line(command, device, tmp_path, capfd):
    soundfile.write(tmp_path / "a.wav", np.zeros(800), 16000)
    out = ["-o", str(tmp_path / "o")] if command == "encode" else [str(tmp_path / "o")]
    assert main([command, str(tmp_path), *out, "--device", device]) == 2
    assert f"--device {device}" in capfd.readouterr().err.replace(
        f"device='{device}'", f"--device {device}"
    )
    assert not (tmp_path / "o").exists()


class AsOnApple(TorchDispatchMode):
    """What Apple's GPUs cannot: double, and complex numbers."""

    def __init__(self):
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        self.operations += 1
        for value in tree_leaves((args, kwargs, result)):
            if isinstance(value, torch.Tensor) and (
                value.dtype == torch.float64 or value.is_complex()
            ):
                raise TypeError(f"{operation} on {value.dtype}")
        return result


@pytest.mark.parametrize(
    "call",
    [lambda: torch.ones(2).double(), lambda: torch.fft.rfft(torch.ones(4))],
)
def test_the_watch_sees_what_it_is_for(call):
    with pytest.raises(TypeError, match=r"float64|complex"), AsOnApple():
        call()


@pytest.mark.parametrize("backend", ["modules", "torch"])
def test_nothing_double_or_complex_is_run(make_dac, backend, monkeypatch):
    """Tables are made before, on the CPU: they are double and go to the device after."""
    monkeypatch.delenv("DAC_LOBE_BACKEND", raising=False)  # it overrides "torch"
    codec = make_dac()
    if backend == "torch":
        attach(codec, "torch")
    wav = torch.randn(2, 1, 400).clamp(-1, 1)
    codec.encode(wav)
    watch = AsOnApple()
    with watch:
        encoded = codec.encode(wav, 2, lengths=torch.tensor([1.0, 0.613]))
        codec.decode_codes(encoded.codes, length=400)
        codec.decode(codec.quantizer.from_codes(encoded.codes).z)
        codes = codec.encode_chunked(wav[:1], 10)
        codec.decode_chunked(codes, 10)
        tokenizer = DACTokenizer(codec)
        tokens = tokenizer.sig_to_tokens(wav[:, 0], torch.tensor([1.0, 0.5]))
        tokenizer.tokens_to_sig(tokens)
        encoder, decoder = codec.streaming_encoder(), codec.streaming_decoder()
        parts = [encoder.push(wav[:1, :, :200]), encoder.flush()]
        for part in parts:
            decoder.push(part)
        decoder.flush()
    assert watch.operations > 100


def test_relative_lengths_are_exact_on_long_batches():
    """In float32 the product would fall beside the sample."""
    from dac_lobe.network.lengths import sample_lengths

    samples = 3 * 3600 * 48000
    shares = torch.tensor([(samples - 1) / samples, 0.1])
    expected = (shares.double() * samples).round().long()
    assert torch.equal(sample_lengths(shares, 2, samples), expected)


def test_no_warning_where_nothing_is_wrong(caplog):
    with caplog.at_level(logging.WARNING):
        DAC.from_pretrained("16khz-small", device="cpu")
    assert not caplog.records
