"""Systems under test: Opus, folders, controls, DAC, and a user's own."""

from __future__ import annotations

import copy
import io
import os
import pickle
import re
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas.testing
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_codecs import save_encodec
from toy_recordings import RATE, voice
from toy_systems import Rounding

from evaluation import evaluate
from evaluation.metrics import MetricError
from evaluation.metrics.waveform import estimate_lag
from evaluation.recordings.clips import Clip
from evaluation.recordings.finding import find_clips
from evaluation.systems import Point, attributes, make_system
from evaluation.systems.opus import ogg_packets, opus_payload_bytes

DOCS = Path(__file__).parents[2] / "docs" / "evaluation.md"


def page(lacing: list[int]) -> bytes:
    """An Ogg page with segments of these lengths."""
    return b"OggS" + bytes(22) + bytes([len(lacing), *lacing]) + bytes(sum(lacing))


class TestOpus:
    def test_rate_rises_as_quality_does(self):
        wav = voice(3.0)
        system = make_system("opus")
        coded = system.encode(wav, RATE)
        rates = [system.rate(coded, point, len(wav)) for point in system.points(None)]
        emitted = [rate.emitted for rate in rates]
        assert emitted == sorted(emitted)
        assert all(rate.emitted < rate.file for rate in rates)
        assert 3 < emitted[0] / 3 / 1000 < 12

    @pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000, 44100, 48000, 96000])
    def test_keeps_length_and_time_at_any_rate(self, rate):
        wav = np.interp(
            np.arange(2 * rate) / rate, np.arange(2 * RATE) / RATE, voice(2.0)
        )
        system = make_system("opus:0.9")
        point = system.points(None)[0]
        output = system.reconstruct(system.encode(wav, rate), point, len(wav), rate)
        assert abs(len(output) - len(wav)) <= 1
        length = min(len(output), len(wav))
        assert abs(estimate_lag(wav[:length], output[:length])) / rate < 1e-4

    def test_packets_over_segments_and_pages(self):
        stream = page([19]) + page([255, 255, 30]) + page([10, 255]) + page([0, 7])
        assert list(ogg_packets(stream)) == [19, 540, 10, 255, 7]
        assert opus_payload_bytes(stream) == 10 + 255 + 7

    @given(st.lists(st.integers(0, 2000), min_size=1, max_size=40))
    def test_packets_come_back(self, lengths):
        lacing = [part for n in lengths for part in [255] * (n // 255) + [n % 255]]
        stream = b"".join(page(lacing[i : i + 255]) for i in range(0, len(lacing), 255))
        assert list(ogg_packets(stream)) == lengths

    def test_garbage(self):
        with pytest.raises(ValueError, match="no Ogg page at byte 0"):
            list(ogg_packets(b"RIFF" + bytes(40)))


class TestOpusBitrate:
    """Needs PyAV, which is in the extra ``codecs``."""

    @pytest.fixture(autouse=True)
    def media(self):
        pytest.importorskip("av", reason="needs dac-lobe[codecs]")

    @pytest.mark.parametrize("rate", [8000, 16000, 22050, 48000])
    def test_keeps_length_and_time_at_any_rate(self, rate):
        wav = np.interp(
            np.arange(2 * rate) / rate, np.arange(2 * RATE) / RATE, voice(2.0)
        )
        system = make_system("opus:4kbps/32kbps")
        coded = system.encode(wav, rate)
        for point in system.points(None):
            output = system.reconstruct(coded, point, len(wav), rate)
            assert abs(len(output) - len(wav)) <= 1
            length = min(len(output), len(wav))
            lag = estimate_lag(wav[:length], output[:length])
            assert abs(lag) / rate < 1e-3

    def test_payload_is_what_was_asked_for(self):
        wav = np.tile(voice(3.0), 4)
        system = make_system("opus:24kbps/3.2kbps/2kbps/12kbps/6kbps")
        coded = system.encode(wav, RATE)
        rates = [system.rate(coded, point, len(wav)) for point in system.points(None)]
        emitted = np.array([rate.emitted for rate in rates]) / 12 / 1000
        # 5 and 8 bytes each 20 ms, and one frame more for the encoder's delay
        np.testing.assert_allclose(emitted[:2], np.array([2.0, 3.2]) * 601 / 600)
        asked = np.array([6, 12, 24])  # a variable rate makes use of pauses
        assert (emitted[2:] < 1.05 * asked).all()
        assert (emitted[2:] > 0.6 * asked).all()
        assert all(rate.emitted < rate.file for rate in rates)
        assert (
            emitted[0]
            < 8
            * opus_payload_bytes(make_system("opus:1.0").encode(wav, RATE).at("c=1"))
            / 12
            / 1000
        )

    def test_more_bits_less_error(self):
        wav = voice(3.0)
        system = make_system("opus:8kbps/32kbps/128kbps")
        coded = system.encode(wav, RATE)
        errors = [
            np.abs(system.reconstruct(coded, point, len(wav), RATE) - wav).mean()
            for point in system.points(None)
        ]
        assert errors == sorted(errors, reverse=True)


def test_opus_bitrate_without_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ValueError, match="needs the package av. Install dac-lobe"):
        make_system("opus:6kbps")


class TestFolder:
    def decode(self, system, name):
        clip = Clip(name, "", "")
        coded = system.encode_clip(clip, np.zeros(RATE), RATE)
        return system.reconstruct(coded, Point(), RATE, RATE)

    def test_pairs_by_name_and_resamples(self, tmp_path):
        folder = tmp_path / "decoded" / "deep"
        folder.mkdir(parents=True)
        soundfile.write(folder / "a.b.wav", np.zeros(8000), 8000)
        system = make_system(f"folder:{tmp_path / 'decoded'}@6.5")
        assert (system.name, system.kbps(Point(), RATE)) == ("decoded", 6.5)
        assert len(self.decode(system, "deep/a.b")) == RATE

    def test_missing_and_unreadable(self, tmp_path):
        (tmp_path / "bad.wav").write_bytes(b"nothing")
        system = make_system(f"folder:{tmp_path}")
        with pytest.raises(MetricError, match="no decoded file gone"):
            self.decode(system, "gone")
        with pytest.raises(MetricError, match="the decoded file is not audio"):
            self.decode(system, "bad")

    def test_an_id_that_is_the_name_of_the_file(self, clips):
        """In SpeechBrain's manifests; decoded files lie as the recordings do."""
        (clips / "wav").mkdir()
        (clips / "decoded" / "wav").mkdir(parents=True)
        for number in range(2):
            (clips / f"clip{number}.wav").rename(clips / "wav" / f"{number}.wav")
            soundfile.write(
                clips / "decoded" / "wav" / f"{number}.flac", voice(1.0, number), RATE
            )
        rows = "".join(f"{n},1,$data_root/wav/{n}.wav\n" for n in range(2))
        (clips / "all.csv").write_text("ID,duration,wav\n" + rows)
        system = make_system(f"folder:{clips / 'decoded'}")
        for clip in find_clips(clips / "all.csv"):
            found = system.encode_clip(clip, np.zeros(RATE), RATE)
            np.testing.assert_allclose(found, voice(1.0, int(clip.name)), atol=1e-3)
        # But never what is called as a part of the path is, and lies elsewhere.
        (clips / "deep" / "wav").mkdir(parents=True)
        (clips / "wav" / "1.wav").rename(clips / "deep" / "wav" / "1.wav")
        (clip,) = [c for c in find_clips(clips, "speech") if c.name == "deep/wav/1"]
        with pytest.raises(MetricError, match="no decoded file deep/wav/1"):
            system.encode_clip(clip, np.zeros(RATE), RATE)

    def test_several_of_one_name_are_named(self, tmp_path):
        """In the fingerprint too: scores of the one that was taken are no more."""
        system = make_system(f"folder:{tmp_path}")
        soundfile.write(tmp_path / "a.wav", np.zeros(8000), 8000)
        assert len(self.decode(system, "a")) == RATE
        soundfile.write(tmp_path / "a.flac", np.ones(8000) / 2, 8000)
        with pytest.raises(MetricError, match=r"a\.flac, a\.wav\. Keep one"):
            self.decode(system, "a")
        # Who says which, as where recordings differ in their suffixes alone, is told it.
        assert not self.decode(system, "a.wav").any()
        assert self.decode(system, "a.flac").any()

    def test_fingerprint_follows_the_files(self, tmp_path):
        soundfile.write(tmp_path / "a.wav", np.zeros(10), 8000)
        system = make_system(f"folder:{tmp_path}")
        before = system.fingerprint()
        soundfile.write(tmp_path / "a.wav", np.ones(10) / 2, 8000)
        assert system.fingerprint() != before

    def test_a_folder_with_an_at_in_its_name(self, tmp_path):
        for name in ("dec", "dec@6", "dec@v2"):
            (tmp_path / name).mkdir()
        told = [
            (system.name, system.kbps(Point(), RATE))
            for name in ("dec@6", "dec@v2", "dec@v2@6", "dec@5")
            for system in [make_system(f"folder:{tmp_path / name}")]
        ]
        assert told == [("dec@6", None), ("dec@v2", None), ("dec@v2", 6), ("dec", 5)]
        with pytest.raises(ValueError, match="'v3' is not a number"):
            make_system(f"folder:{tmp_path / 'dec@v3'}")

    @pytest.mark.parametrize("listed", ["folder", "above", "absolute", "ids"])
    def test_pairs_by_the_path_however_recordings_are_listed(self, tmp_path, listed):
        """Decoded files lie as the recordings do, and are never these themselves."""
        names = ["s1/a", "s2/a", "s2/a.b"]
        for number, name in enumerate(names):
            for folder in ("clips", "decoded"):
                path = tmp_path / folder / f"{name}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                still = folder == "decoded"
                wav = np.full(900, number / 10) if still else voice(0.5)
                soundfile.write(path, wav, RATE)
        source = tmp_path / "clips"
        if listed != "folder":
            source = tmp_path / "lists" / "x.csv"
            source.parent.mkdir()
            root = {"absolute": tmp_path}.get(listed, "..")
            rows = [
                f"{root}/clips/{name}.wav" + (f",id{number}" if listed == "ids" else "")
                for number, name in enumerate(names)
            ]
            head = "path,ID" if listed == "ids" else "path"
            source.write_text("\n".join([head, *rows]))
        system = make_system(f"folder:{tmp_path / 'decoded'}")
        means = {
            clip.path.partition("/clips/")[2]: system.encode_clip(clip, [], RATE).mean()
            for clip in find_clips(source, "speech")
        }
        expected = {f"{name}.wav": number / 10 for number, name in enumerate(names)}
        assert means == pytest.approx(expected, abs=1e-4)

    def test_a_bare_name_does_not_pair(self, tmp_path):
        """Of s1/a and s2/a one would be given the other's file; nor do ids of parts."""
        (tmp_path / "clips" / "s1").mkdir(parents=True)
        soundfile.write(tmp_path / "clips" / "s1" / "a.wav", voice(0.5), RATE)
        (tmp_path / "x.csv").write_text("path,start,ID\nclips/s1/a.wav,90,part\n")
        (tmp_path / "dec" / "s1").mkdir(parents=True)
        soundfile.write(tmp_path / "dec" / "a.wav", voice(0.5), RATE)
        system = make_system(f"folder:{tmp_path / 'dec'}")
        with pytest.raises(MetricError, match="no decoded file s1/a"):
            system.encode_clip(find_clips(tmp_path / "clips")[0], voice(0.5), RATE)
        soundfile.write(tmp_path / "dec" / "s1" / "a.wav", voice(0.5), RATE)
        with pytest.raises(MetricError, match="no decoded file part"):
            system.encode_clip(find_clips(tmp_path / "x.csv")[0], voice(0.5), RATE)

    def test_no_folder(self):
        with pytest.raises(ValueError, match="there is no such folder"):
            make_system("folder:nowhere")


class TestDescriptions:
    @pytest.mark.parametrize(
        ("description", "message"),
        [
            ("opus:loud", "'loud' is not a number"),
            ("opus:2", "from 0 to 1"),
            ("opus:1kbps", "one channel at 1.2 to 256 kbps"),
            ("opus:510kbps", "one channel at 1.2 to 256 kbps"),
            ("opus:slowkbps", "'slow' is not a number"),
            ("resample:8000.5", "'8000.5' is not a whole number"),
            ("resample:5", "resample:5 Hz; 1000 to 192000 are needed"),
            ("resample:999999", "resample:999999 Hz; 1000 to 192000 are needed"),
            ("folder:.@-3", "folder:.@-3: a rate is more than 0 kbps"),
            ("folder:.@nan", "folder:.@nan: a rate is more than 0 kbps"),
            ("folder", "say which one, like folder:PATH"),
            ("no_such_module:Codec", "is not there"),
            ("pathlib:Path", "not a evaluation.System|not an evaluation.System"),
        ],
    )
    def test_bad_ones(self, description, message):
        with pytest.raises(ValueError, match=message):
            make_system(description)

    def test_own_class(self):
        assert make_system("toy_systems:Rounding").name == "rounding"

    def test_options_change_the_fingerprint(self):
        prints = {
            make_system(d).fingerprint()
            for d in ("opus", "opus:6kbps", "resample", "resample:4000")
        }
        assert len(prints) == 4

    @pytest.mark.parametrize(
        "value",
        [
            *(6, "6", (6,), [6], {"kbps": 6}, {"all": [6]}, {6: "kbps"}, {6}, b"6"),
            *(np.float32(6), np.int64(6), np.array(6), np.array([6, "6"], object)),
        ],
    )
    def test_plain_attributes_change_the_fingerprint(self, value):
        one, other = Rounding(), Rounding()
        one.options, other.options = value, [value, value]
        assert len({s.fingerprint() for s in (one, other, Rounding())}) == 3

    def test_attributes_of_classes_change_the_fingerprint(self):
        """Wherever a user's class has them from; an object's own go before them."""
        parent = type("Parent", (Rounding,), {"steps": 1, "only_once": object()})
        prints = set()
        for steps in (1, 2, {"a": Path("b")}):
            parent.steps = steps
            child = type("Child", (parent,), {})()
            prints.add(child.fingerprint())
        assert len(prints) == 3
        child.steps = 2
        assert child.fingerprint() in prints

    def test_files_of_paths_change_the_fingerprint(self, tmp_path):
        system, prints = Rounding(), set()
        for name, content in [("a", b""), ("a", b"x"), ("b", b"x"), ("none", None)]:
            if content is not None:
                (tmp_path / name).write_bytes(content)
            system.weights = {"all": [tmp_path / name]}
            prints.add(system.fingerprint())
        system.weights = tmp_path
        assert len(prints | {system.fingerprint()}) == 5

    def test_an_attribute_of_the_class_is_scored_again(self, tmp_path):
        """The output differs, and so do scores and codes, from one cache."""
        system = type("Louder", (Rounding,), {"gain": 1.0})
        system.encode = lambda self, wav, rate: Rounding.encode(
            self, wav * self.gain, rate
        )
        scores = set()
        for gain in (1.0, 0.25):
            system.gain = gain
            table = evaluate(
                {"a": (voice(0.5), RATE)}, [system()], [2], ["waveform_l1"],
                workers=0, cache_dir=tmp_path,
            ).utterances  # fmt: skip
            scores.add(table["waveform_l1"].item())
        assert len(scores) == 2

    @pytest.mark.parametrize("kind", [np.float32, np.array, lambda gain: {1: gain}])
    def test_attributes_of_numpy_and_any_key_are_scored_again(self, tmp_path, kind):
        system, scores = Rounding(), set()
        for gain in (1.0, 0.25):
            system.gain = kind(gain)
            system.decode = lambda *given, gain=gain: gain * Rounding().decode(*given)
            table = evaluate(
                {"a": (voice(0.5), RATE)}, [system], [2], ["waveform_l1"],
                workers=0, cache_dir=tmp_path,
            ).utterances  # fmt: skip
            scores.add(table["waveform_l1"].item())
        assert len(scores) == 2

    def test_an_order_that_means_nothing_changes_no_fingerprint(self):
        one, other = Rounding(), Rounding()
        one.options, other.options = {1: {"a", "b"}, "c": 2}, {"c": 2, 1: {"b", "a"}}
        assert one.fingerprint() == other.fingerprint()

    @pytest.mark.parametrize("most", [attributes.FOLDER_BYTES, 0])
    def test_files_of_folders_change_the_fingerprint(self, tmp_path, most, monkeypatch):
        """However much is read of them; what is hidden does not count."""
        monkeypatch.setattr(attributes, "FOLDER_BYTES", most)
        system, prints = Rounding(), []
        system.weights = tmp_path
        for number, name in enumerate(("a", "b/c", "a", ".hidden")):
            file = tmp_path / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(f"{number}")
            os.utime(file, (number, number))
            prints.append(system.fingerprint())
        assert len(set(prints)) == 3
        assert prints[2] == prints[3]

    @pytest.mark.parametrize("value", [object(), (object(),), {1: object()}])
    def test_other_attributes_do_not_and_are_named_once(self, value, caplog):
        one = Rounding()
        one.name, one.options = f"with {type(value)}", value
        print_of_it = one.fingerprint()
        assert one.fingerprint() == print_of_it
        assert [record.message.count("in options") for record in caplog.records] == [1]
        one.options = object()
        assert one.fingerprint() == print_of_it

    def test_points_are_no_attributes(self, caplog):
        class Toy(Rounding):
            def helper(self): ...

            settings = property(helper)
            fixed = Point(setting="a")

        one = Toy()
        one.known = [Point(setting="a"), Point(setting="b")]
        one.fingerprint()
        assert not caplog.records

    @pytest.mark.parametrize("unit", ["", "kbps"])
    def test_a_point_more_computes_no_other_again(self, clips, tmp_path, unit):
        low, high = ("1", "0.95") if not unit else ("6", "9")
        counts = []

        def progress(done, total, said):
            counts.append(total)

        for settings in ([low], [high, low, low], [low, high]):
            counts.clear()
            results = evaluate(
                clips, ["opus:" + "/".join(s + unit for s in settings)], metrics=["stoi"],
                cache_dir=tmp_path / "cache", workers=0, progress=progress,
            )  # fmt: skip
            assert len(results.summary) == len(set(settings))
            # Three clips, each with a score and its facts.
            assert max(counts, default=0) == (0 if settings == [low, high] else 6)


class TestOwnCodec:
    def test_prefixes(self):
        system, wav = Rounding(), voice(0.5)
        codes = system.encode(wav, RATE)
        errors = [
            np.abs(system.reconstruct(codes, point, len(wav), RATE) - wav).mean()
            for point in system.points(None)
        ]
        assert errors == sorted(errors, reverse=True)
        assert system.rate(codes, Point(3), len(wav)).emitted == len(wav) * 3 * 2
        assert system.entropy_kbps(Point(2), [1.0, 0.5, 9.0]) == 24.0

    def test_documentation_shows_this_very_class(self):
        source = Path(__file__).with_name("toy_systems.py").read_text()
        shown = re.split(r"# -{4} .*\n", source)[1].strip()
        assert shown in DOCS.read_text()
        assert len(shown.splitlines()) <= 20


@pytest.fixture(scope="module")
def system(tmp_path_factory, make_dac):
    """A tiny DAC under test, loaded from its file."""
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    make_dac().save(path)
    system = make_system(str(path))
    system.load()
    return system


class TestDAC:
    def test_reads_its_rates(self, system):
        assert (system.name, system.sample_rate, system.frame_rate) == (
            "tiny",
            16000,
            2000,
        )
        assert system.kbps(Point(2), RATE) == 16.0

    def test_length_and_prefixes(self, system):
        wav = voice(0.5)[:7777]
        codes = system.encode(wav, RATE)
        assert codes.shape == (3, 973)
        for point in system.points([1, 3]):
            assert len(system.reconstruct(codes, point, 7777, RATE)) == 7777

    def test_file_bytes_are_those_of_encode_file(self, system, tmp_path):
        wav = voice(0.5)
        soundfile.write(tmp_path / "a.wav", wav, RATE)
        rate = system.rate(system.encode(wav, RATE), Point(2), len(wav))
        packed = system.codec.encode_file(tmp_path / "a.wav", num_codebooks=2)
        size = packed.save(tmp_path / "a.dac").stat().st_size
        model = packed.header.model
        assert rate.file / 8 == size - len(model) + len(system.name)

    def test_travels_without_weights(self, system):
        sent = pickle.dumps(system)
        assert len(sent) < 2000
        again = pickle.loads(sent)  # noqa: S301
        again.load()
        assert again.fingerprint() == system.fingerprint()

    @pytest.mark.parametrize("device", ["mps", "tape"])
    def test_a_device_that_is_not_here(self, clips, monkeypatch, device):
        """Said in one line before anything is loaded, by one system and by the suite."""
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
        system = make_system("16khz-small", device)
        monkeypatch.setattr(system, "_load", lambda: pytest.fail("it was loaded"))
        suite = partial(evaluate, clips, [Rounding()], device=device)
        for attempt in (system.load, suite):
            with pytest.raises(ValueError, match=f"device='{device}'") as refusal:
                attempt()
            assert re.fullmatch(r".{20,200}Choose 'cpu'.{,100}", str(refusal.value))

    def test_auto_is_a_device_that_is_here(self):
        system = make_system("16khz-small", "auto")
        system.load()
        assert system.device == ("cuda" if torch.cuda.is_available() else "cpu")
        assert system.codec.device.type == system.device

    def test_other_weights_other_fingerprint(self, system, tmp_path, make_dac):
        make_dac(n_codebooks=2).save(tmp_path / "tiny.safetensors")
        other = make_system(str(tmp_path / "tiny.safetensors"))
        assert other.fingerprint() != system.fingerprint()


class TestEnCodec:
    """A tiny model in transformers' layout, at another rate than the recordings."""

    def save(self, folder, **changes):
        pytest.importorskip("transformers")
        return make_system(f"encodec:{save_encodec(folder, **changes)}")

    def test_prefixes_lengths_and_rates(self, tmp_path):
        system = self.save(tmp_path / "tiny")
        system.load()
        wav = voice(0.5)
        low = np.interp(np.arange(2000) * 4, np.arange(len(wav)), wav)
        codes = system.encode(low, 4000)
        assert codes.shape == (system.num_codebooks, 50)
        for point in system.points([1, system.num_codebooks]):
            assert len(system.reconstruct(codes, point, len(wav), RATE)) == len(wav)
        assert (system.name, system.kbps(Point(2), RATE)) == ("encodec-tiny", 0.8)
        assert system.rate(codes, Point(2), 2000).emitted == 400

    def stereo(self, folder):
        """Two channels, chunks of half a second that overlap by 10 %, and scales."""
        return self.save(
            folder, audio_channels=2, normalize=True, chunk_length_s=0.5, overlap=0.1
        )

    def test_scales_go_with_every_prefix(self, tmp_path):
        system = self.stereo(tmp_path / "stereo")
        system.load()
        wav = np.interp(np.arange(4000) / 4000, np.arange(RATE) / RATE, voice(1.0))
        coded = system.encode(wav, 4000)
        assert coded.codes.shape == (system.num_codebooks, 150)  # chunks of 50 frames
        assert coded.scales.shape == (3,)
        for point in system.points([1, system.num_codebooks]):
            output = system.reconstruct(coded, point, RATE, RATE)
            assert output.shape == (RATE,)
        # Loudness is in the scales alone.
        soft = system.encode(wav / 10, 4000)
        np.testing.assert_array_equal(soft.codes, coded.codes)
        quiet = system.reconstruct(soft, point, RATE, RATE)
        np.testing.assert_allclose(quiet, output / 10, atol=1e-6)

    def test_scales_cost_bits(self, tmp_path):
        system = self.stereo(tmp_path / "stereo")
        system.load()
        coded = system.encode(np.tile([0.1, -0.1], 2000), 4000)
        # 3 chunks of 50 frames of 4 bits, and 3 scales of 32 bits
        assert system.rate(coded, Point(2), 4000).emitted == 3 * (50 * 2 * 4 + 32)
        # A chunk begins every 0.45 s.
        assert system.kbps(Point(2), RATE) == pytest.approx((50 * 2 * 4 + 32) / 450)
        used = system.entropy_kbps(Point(2), [1.0, 2.0, 4.0])
        assert used == pytest.approx((50 * 3 + 32) / 450)

    def test_scales_are_kept_between_runs(self, clips, tmp_path):
        self.stereo(tmp_path / "stereo")
        once, again, alone = (
            evaluate(
                clips,
                [f"encodec:{tmp_path / 'stereo'}"],
                [1, 2],
                metrics,
                workers=0,
                **where,
            ).utterances
            for metrics, where in (
                (["stft_dac"], {"output": tmp_path / "out", "report": False}),
                (["stft_dac", "mel_dac7"], {"cache_dir": tmp_path / "out" / "cache"}),
                (["mel_dac7"], {}),
            )
        )
        assert set(again["status"]) == {"ok"}
        pandas.testing.assert_series_equal(once["stft_dac"], again["stft_dac"])
        pandas.testing.assert_series_equal(alone["mel_dac7"], again["mel_dac7"])

    def test_how_audio_is_cut_changes_the_fingerprint(self, tmp_path):
        system = self.stereo(tmp_path / "one")
        path = tmp_path / "one" / "config.json"
        before = system.fingerprint()
        path.write_text(path.read_text().replace('"overlap": 0.1', '"overlap": 0.2'))
        assert make_system(f"encodec:{path.parent}").fingerprint() != before


def through_a_file(thing):
    file = io.BytesIO()
    torch.save(thing, file)
    return torch.load(io.BytesIO(file.getvalue()), weights_only=False)


WAYS = {
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),  # noqa: S301
    "torch.save": through_a_file,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["dac", "encodec", "opus:1.0", "resample", "own"])
def test_systems_travel(kind, way, used, tmp_path, make_dac):
    """Before they are loaded, as to workers, and after, as in other people's programs."""
    if kind == "dac":
        kind = str(make_dac().save(tmp_path / "tiny.safetensors"))
    if kind == "encodec":
        TestEnCodec().save(tmp_path / "tiny")
        kind = f"encodec:{tmp_path / 'tiny'}"
    system = make_system(Rounding() if kind == "own" else kind)
    again = None if used else WAYS[way](system)
    system.load()
    wav = voice(0.3)[:1000].astype(np.float32)
    point = system.points(None)[-1]
    expected = system.decode(system.encode(wav, RATE), point, len(wav))
    again = again or WAYS[way](system)
    again.load()
    assert again.fingerprint() == system.fingerprint()
    assert again.points(None) == system.points(None)
    found = again.decode(again.encode(wav, RATE), point, len(wav))
    np.testing.assert_array_equal(found, expected)
