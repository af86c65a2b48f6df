"""Every system travels: pickled for a worker, or copied, it is what it was."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import pkgutil

import numpy as np
import pytest
import soundfile
from toy_codecs import save_encodec, save_snac
from toy_recordings import RATE, voice

import evaluation.systems
from evaluation.recordings.clips import Clip
from evaluation.systems import System, make_system

# What each class is made from; FOLDER is one that `make` fills.
SYSTEMS = {
    "Identity": "identity",
    "Resample": "resample:12000",
    "Opus": "opus:1.0/0.95",
    "OpusBitrate": "opus:6kbps/3kbps",
    "ToolSystem": "tool:codec2@700C/3200",
    "DecodedFolder": "folder:FOLDER@6.0",
    "DACSystem": "FOLDER/tiny.safetensors",
    "DescriptSystem": "descript:FOLDER/tiny.pth",
    "EnCodecSystem": "encodec:FOLDER",
    "TransformersSystem": "hf:FOLDER",
    "SNACSystem": "snac:FOLDER",
}


def concrete_systems():
    """Names of all classes in ``evaluation.systems`` that can be made."""
    for module in pkgutil.iter_modules(evaluation.systems.__path__):
        members = vars(importlib.import_module(f"evaluation.systems.{module.name}"))
        for name, member in members.items():
            if inspect.isclass(member) and issubclass(member, System):
                if not inspect.isabstract(member):
                    yield name


def test_none_is_forgotten():
    assert set(concrete_systems()) == set(SYSTEMS)


@pytest.fixture
def system(request, tmp_path, make_dac):
    """A system that has been loaded, if what it needs is installed."""
    name = request.param
    needed = {
        "OpusBitrate": "av",
        "DescriptSystem": "dac",
        "EnCodecSystem": "transformers",
        "TransformersSystem": "transformers",
        "SNACSystem": "snac",
    }
    if name in needed:
        pytest.importorskip(needed[name], reason=f"needs the package {needed[name]}")
    if name == "DecodedFolder":
        soundfile.write(tmp_path / "clip.wav", voice(0.5), RATE)
    elif name == "DACSystem":
        make_dac().save(tmp_path / "tiny.safetensors")
    elif name == "DescriptSystem":
        make_dac().save(tmp_path / "tiny.pth")
    elif name == "TransformersSystem":
        make_dac().save(tmp_path)
    elif name == "EnCodecSystem":
        save_encodec(tmp_path)
    elif name == "SNACSystem":
        save_snac(tmp_path)
    made = make_system(SYSTEMS[name].replace("FOLDER", str(tmp_path)))
    assert type(made).__name__ == name
    try:
        made.load()
    except ValueError as error:
        if name != "ToolSystem":
            raise
        pytest.skip(str(error))
    return made


@pytest.mark.parametrize("system", SYSTEMS, indirect=True)
def test_a_copy_does_the_same(system):
    sent = pickle.dumps(system)
    assert len(sent) < 20000  # no weights
    clip = Clip("clip", "", "")

    def outputs(system):
        own = system.sample_rate or RATE
        wav = voice(0.5)[:: RATE // own]
        coded = system.encode_clip(clip, wav, own)
        for point in system.points(None):
            yield system.reconstruct(coded, point, len(wav), own)
            yield system.rate(coded, point, len(wav))
            yield system.kbps(point, own)

    expected = list(outputs(system))
    for again in (pickle.loads(sent), copy.deepcopy(system)):  # noqa: S301
        again.load()
        assert (type(again), again.name) == (type(system), system.name)
        assert again.fingerprint() == system.fingerprint()
        for one, other in zip(expected, outputs(again), strict=True):
            np.testing.assert_array_equal(one, other)
