"""``snac:`` and ``descript:``: codecs that their own packages run."""

from __future__ import annotations

import json
import math
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_codecs import save_snac
from toy_recordings import RATE, voice

from evaluation import evaluate
from evaluation.systems import Point, make_system
from evaluation.systems.snac import flatten, unflatten

HOP = 40


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(1, 6))
def test_levels_come_back(counts, frames):
    counts = [1, *counts]
    levels = [np.arange(frames * count) for count in counts]
    codes = flatten(levels)
    assert codes.shape == (sum(counts), frames)
    for level, again in zip(levels, unflatten(codes, counts), strict=True):
        np.testing.assert_array_equal(level, again)


class TestSNAC:
    @pytest.fixture(params=[None, 8], ids=["convolutions", "attention"])
    def folder(self, request, tmp_path):
        """A tiny model in the layout of its hub repositories."""
        pytest.importorskip("snac", reason="needs dac-lobe[codecs]")
        return save_snac(tmp_path, attn_window_size=request.param)

    def test_equals_the_package(self, folder):
        from snac import SNAC

        system = make_system(f"snac:{folder}")
        system.load()
        wav = voice(0.7).astype(np.float32)
        codes = system.encode(wav, RATE)
        theirs = SNAC.from_pretrained(str(folder))
        with torch.no_grad():
            levels = theirs.encode(torch.from_numpy(wav)[None, None])
            torch.manual_seed(0)
            audio = theirs.decode(levels)[0, 0, : len(wav)].numpy()
        for level, found in zip(levels, unflatten(codes, [1, 2, 4]), strict=True):
            np.testing.assert_array_equal(level[0], found)
        output = system.decode(codes, Point(7), len(wav))
        np.testing.assert_array_equal(output, audio)

    def test_noise_is_the_same_each_time_and_disturbs_no_one(self, folder):
        system = make_system(f"snac:{folder}")
        system.load()
        codes = system.encode(voice(0.2), RATE)
        before = torch.random.get_rng_state()
        one, two = (system.decode(codes, Point(7), 3200) for _ in range(2))
        np.testing.assert_array_equal(one, two)
        assert torch.equal(before, torch.random.get_rng_state())

    def test_all_codes_are_counted(self, folder):
        """Each level at its own rate: 1, 2 and 4 codes in 160 samples."""
        system = make_system(f"snac:{folder}")
        system.load()
        assert system.kbps(Point(7), RATE) == 16000 / (4 * HOP) * 7 * 6 / 1000
        window = json.loads((folder / "config.json").read_text())["attn_window_size"]
        frame = HOP * math.lcm(4, window or 1)
        codes = system.encode(voice(0.7), RATE)
        bits = math.ceil(0.7 * RATE / frame) * frame // HOP // 4 * 7 * math.log2(64)
        assert system.rate(codes, Point(7), round(0.7 * RATE)).emitted == bits

    def test_codebooks_go_together(self, folder):
        system = make_system(f"snac:{folder}")
        system.load()
        assert system.points(None) == system.points([1, 2, 4]) == [Point(7)]

    def test_in_an_evaluation(self, folder, clips):
        results = evaluate(
            clips,
            [f"snac:{folder}"],
            [1, 2],
            metrics=["stft_dac"],
            workers=0,
            report=False,
        )
        assert set(results.utterances["status"]) == {"ok"}
        assert len(results.codebooks) == 7

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"vq_strides": [3, 2, 1]}, "must be a multiple of each"),
            ({"codebook_size": 32}, "cannot be loaded: Error.* size mismatch"),
            ({"layers": 3}, "cannot be loaded: .*layers"),
        ],
    )
    def test_errors(self, folder, change, message):
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
        with pytest.raises(ValueError, match=message) as caught:
            make_system(f"snac:{folder}").load()
        assert "\n" not in str(caught.value)

    def test_no_config(self, folder):
        (folder / "config.json").unlink()
        with pytest.raises(ValueError, match="cannot be loaded: .*config.json"):
            make_system(f"snac:{folder}").load()


class TestDescript:
    """The official package is seldom here; where it is, ours must agree with it."""

    def test_ours_agrees(self, tmp_path, make_dac):
        pytest.importorskip("dac", reason="needs descript-audio-codec")
        make_dac().save(tmp_path / "tiny.pth")
        theirs = make_system(f"descript:{tmp_path / 'tiny.pth'}")
        ours = make_system(str(tmp_path / "tiny.pth"))
        theirs.load()
        ours.load()
        assert theirs.name == "descript-tiny"
        for name in ("sample_rate", "frame_rate", "num_codebooks", "codebook_size"):
            assert getattr(theirs, name) == getattr(ours, name)
        wav = voice(0.5)
        codes = theirs.encode(wav, RATE)
        np.testing.assert_array_equal(codes, ours.encode(wav, RATE))
        for point in ours.points(None):
            outputs = [
                system.reconstruct(codes, point, len(wav), RATE)
                for system in (theirs, ours)
            ]
            length = min(map(len, outputs))
            assert length > len(wav) - 100
            np.testing.assert_allclose(*(o[:length] for o in outputs), atol=1e-4)
        assert theirs.fingerprint() != ours.fingerprint()

    def test_no_file(self, tmp_path):
        pytest.importorskip("dac", reason="needs descript-audio-codec")
        with pytest.raises(ValueError, match="no such checkpoint"):
            make_system(f"descript:{tmp_path / 'gone.pth'}").load()


@pytest.mark.parametrize(
    ("description", "package", "message"),
    [
        ("descript:a.pth", "dac", "Install descript-audio-codec, or give the file"),
        ("snac:folder", "snac", "needs the package snac. Install dac-lobe"),
        ("hf:folder", "transformers", "needs the package transformers. Install dac-l"),
    ],
)
def test_missing_package(monkeypatch, description, package, message):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=message):
        make_system(description).load()


@pytest.mark.parametrize("kind", ["hf", "snac", "descript", "tool"])
def test_no_source(kind):
    with pytest.raises(ValueError, match=f"say which one, like {kind}:"):
        make_system(f"{kind}:")
