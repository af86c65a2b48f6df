"""``tool:``: codecs that are programs, where they are installed."""

from __future__ import annotations

import shutil
import struct

import numpy as np
import pytest
from toy_recordings import RATE, voice

from evaluation import evaluate
from evaluation.metrics.waveform import estimate_lag
from evaluation.systems import make_system
from evaluation.systems.tool import TOOLS, count_bits


@pytest.fixture(scope="module")
def installed(request):
    """The tool's system in its lowest and its highest mode, if it can run here."""
    modes = list(TOOLS[request.param].modes)
    system = make_system(f"tool:{request.param}@{modes[0]}/{modes[-1]}")
    try:
        system.load()
        system.fingerprint()
    except ValueError as error:
        pytest.skip(str(error))
    return system


every_tool = pytest.mark.parametrize("installed", TOOLS, indirect=True)


def envelope(wav):
    """Loudness in 80 samples, which a codec that keeps no waveform keeps, too."""
    smooth = np.convolve(np.abs(wav), np.ones(80) / 80, "same")
    return smooth - smooth.mean()


@every_tool
class TestEachTool:
    @pytest.mark.parametrize("rate", [8000, 44100])
    def test_keeps_length_and_time_at_any_rate(self, installed, rate):
        time = np.arange(round(2.03 * rate)) / rate
        wav = np.interp(time, np.arange(3 * RATE) / RATE, voice(3.0))
        coded = installed.encode(wav, rate)
        for point in installed.points(None):
            output = installed.reconstruct(coded, point, len(wav), rate)
            assert abs(len(output) - len(wav)) <= 1
            length = min(len(output), len(wav))
            lag = estimate_lag(envelope(wav[:length]), envelope(output[:length]))
            assert abs(lag) / rate < 0.012  # without correction 0.02 or 0.03

    def test_rates(self, installed):
        """All frames of a mode are counted, and one at most is not the recording's."""
        wav = voice(2.0)
        coded = installed.encode(wav, RATE)
        tool = TOOLS[installed.name]
        points = installed.points(None)
        nominal = [installed.kbps(point, RATE) for point in points]
        assert nominal == sorted(nominal)
        for point, kbps in zip(points, nominal, strict=True):
            rate = installed.rate(coded, point, len(wav))
            assert 0 <= rate.emitted - 2000 * kbps <= 2 * tool.modes[point.setting].bits
            if tool.compact:
                assert rate.emitted <= rate.file

    def test_fingerprint_stays(self, installed):
        again = make_system(f"tool:{installed.name}@{'/'.join(installed.modes)}")
        assert again.fingerprint() == installed.fingerprint()
        one = make_system(f"tool:{installed.name}@{installed.modes[0]}")
        assert one.fingerprint() == installed.fingerprint()


@pytest.mark.parametrize("installed", ["codec2"], indirect=True)
def test_in_an_evaluation(installed, clips):
    results = evaluate(
        clips,
        ["tool:codec2@3200/700C"],
        metrics=["stft_dac"],
        workers=0,
        report=False,
    )
    assert set(results.utterances["status"]) == {"ok"}
    assert list(results.summary["setting"]) == ["700C", "3200"]
    assert list(results.summary["kbps"]) == [0.7, 3.2]


@pytest.mark.parametrize("name", TOOLS)
def test_missing_tool(monkeypatch, tmp_path, name):
    monkeypatch.setenv("PATH", str(tmp_path))
    program = TOOLS[name].encode.split()[0]
    with pytest.raises(ValueError, match=f"tool:{name} needs {program}.* Install"):
        make_system(f"tool:{name}").load()


def test_tool_that_fails(monkeypatch, tmp_path):
    """A program of that name which does something else: ``false``, which fails."""
    for name in ("c2enc", "c2dec"):
        (tmp_path / name).symlink_to(shutil.which("false"))
    monkeypatch.setenv("PATH", str(tmp_path))
    system = make_system("tool:codec2")
    system.load()
    with pytest.raises(ValueError, match=r"c2enc failed \(1\): it says nothing"):
        system.fingerprint()


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ("tool:mp3", "choose from codec2, amr-nb, amr-wb, lyra, evs"),
        ("tool:codec2@1000", "choose from 450, 700C, .*, with / between"),
    ],
)
def test_unknown(description, message):
    with pytest.raises(ValueError, match=message):
        make_system(description)


class TestCounting:
    """Files made by hand as their standards say."""

    @pytest.mark.parametrize("name", TOOLS)
    def test_modes_are_what_they_are_called(self, name):
        for mode, frame in TOOLS[name].modes.items():
            called = float(mode.removesuffix("C"))
            kbps = called if name.startswith("amr") else called / 1000
            assert frame.bits / frame.ms == pytest.approx(kbps, abs=0.001)

    def test_g192(self):
        """A synchronization word, the number of bits, and a word for each (EVS)."""
        frame = struct.pack("<2H", 0x6B21, 264) + struct.pack("<264H", *[0x7F] * 264)
        assert count_bits(TOOLS["evs"], "13200", 3 * frame) == 3 * 264

    def test_amr(self):
        """RFC 4867: a magic number, then a byte before each frame of whole bytes."""
        file = b"#!AMR-WB\n" + 5 * bytes(1 + 17)
        assert count_bits(TOOLS["amr-wb"], "6.6", file) == 5 * 132

    def test_half_a_frame(self):
        with pytest.raises(ValueError, match="8 bytes does not hold whole frames"):
            count_bits(TOOLS["codec2"], "1300", bytes(8))
