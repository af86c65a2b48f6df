"""Pages of listening tests: blind, whole, and made of what was scored."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil

import numpy as np
import pytest
from toy_recordings import RATE, make_clips
from toy_systems import Rounding

from evaluation import evaluate
from evaluation.cli import main
from evaluation.listening.answers import read_key
from evaluation.listening.excerpts import choose_conditions, decode
from evaluation.listening.page import make_page
from evaluation.listening.sampling import choose_clips
from evaluation.results.compare import load


def sounds(page):
    """Bytes of every sound in a page, by name."""
    found = re.findall(
        r'<script type="text/plain" id="s(\w+)">([^<]+)<', page.read_text()
    )
    return {name: base64.b64decode(text) for name, text in found}


def data_of(page):
    """What the page's script reads."""
    return re.search(r'id="data">(.*?)</script>', page.read_text())[1]


def refuse_to_encode(monkeypatch):
    def encode(*_):
        raise AssertionError("encoded, though the codes were kept")

    monkeypatch.setattr(Rounding, "encode", encode)


class TestPage:
    def test_is_a_standard_page(self, mushra):
        assert mushra.read_text().startswith("<!doctype html>\n<html lang=")

    def test_is_blind_and_one_file(self, mushra, run):
        """No word of what is played, nor of the key, in the page."""
        text = re.sub(r'(id="s\w+">)[^<]+', r"\1", mushra.read_text())
        results = json.loads((run / "results.json").read_text())
        key = read_key(mushra.with_name("key.json"))
        secrets = [*results["systems"], *results["clips"], *results["clips"].values()]
        secrets += [about["fingerprint"] for about in results["systems"].values()]
        secrets += [
            "key.json",
            "K=4",
            "c=1",
            "anchor",
            "anna",
            str(run),
            key["signature"],
        ]
        assert not [secret for secret in secrets if secret in text]
        assert "src=" not in text
        assert 'href="http' not in text
        assert [path.name for path in sorted(mushra.parent.iterdir())] == [
            "key.json", "listen.html",
        ]  # fmt: skip

    def test_sounds_are_what_the_key_says(self, mushra):
        import soundfile

        found, key = sounds(mushra), read_key(mushra.with_name("key.json"))
        assert len(set(found.values())) == len(found)  # the hidden reference, too
        systems = [one["system"] for one in key["conditions"]]
        assert systems == [
            "reference",
            *3 * ["rounding"],
            "opus",
            "anchor-3500",
            "anchor-7000",
        ]
        page = json.loads(data_of(mushra))
        for trial, known in zip(page["trials"], key["trials"], strict=True):
            names = {place: name for name, place in known["stimuli"].items()}
            wavs = {
                place: soundfile.read(io.BytesIO(found[name]))[0]
                for place, name in names.items()
            }
            reference = soundfile.read(io.BytesIO(found[trial["reference"]]))[0]
            assert np.abs(wavs[0] - reference).max() <= 3 / 2**15  # but for the dither
            errors = [np.mean((wavs[p] - reference) ** 2) for p in (1, 2, 3)]
            assert errors == sorted(errors, reverse=True)  # more codebooks, less error
            spectrum = np.abs(np.fft.rfft(wavs[5]))
            edge = round(4000 / RATE * len(wavs[5]))
            assert spectrum[edge:].max() < 0.02 * spectrum.max()

    @pytest.mark.parametrize("test", ["abx", "mushra"])
    def test_no_two_sounds_are_alike(self, run, tmp_path, test):
        """Nine versions, or A, B and X: neither bytes nor names tell a pair."""
        page = make_page(
            run, tmp_path / "page", test, 3,
            [] if test == "abx" else ["rounding", "opus", "identity"],
        )  # fmt: skip
        key = read_key(page.with_name("key.json"))
        found = sounds(page)
        versions = len(key["trials"][0]["stimuli"])
        assert versions == (2 if test == "abx" else 9)
        assert len(found) == 3 * (versions + 1)
        assert len(set(found.values())) == len(found)
        names = {one["system"] for one in key["conditions"]}
        names.remove("reference")  # "reference libFLAC" is in every FLAC
        for content in found.values():
            assert not [name for name in names if name.encode() in content.lower()]

    def test_same_seed_same_page(self, run, mushra, tmp_path):
        again = make_page(run, tmp_path / "again", "mushra", 2)
        other = make_page(run, tmp_path / "other", "mushra", 2, seed=1)
        assert again.read_bytes() == mushra.read_bytes()
        assert not set(sounds(other)) & set(sounds(mushra))

    def test_finds_recordings_and_codes_where_they_were(self, tmp_path, monkeypatch):
        """A manifest with a root of its own, a cache elsewhere, and relative paths."""
        clips = make_clips(tmp_path / "clips")
        (clips / "manifest.csv").unlink()
        (tmp_path / "list.csv").write_text(
            "ID,duration,wav\na,1,$data_root/clip0.wav\nb,1,$data_root/clip1.wav\n"
        )
        monkeypatch.chdir(tmp_path)
        evaluate(
            "list.csv", ["toy_systems:Rounding"], [2], ["si_sdr_raw"], output="run",
            workers=0, report=False, domain="speech", data_root="clips",
            cache_dir="shared",
        )  # fmt: skip
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        refuse_to_encode(monkeypatch)
        options = tmp_path / "run", "page", "abx", 2, ["rounding@2", "reference"]
        page = make_page(*options)
        assert set(read_key(page.with_name("key.json"))["clips"]) == {"a", "b"}
        assert not (tmp_path / "run/cache").exists()
        first = page.read_bytes()
        # The manifest moves to what it lists, and then both move.
        (tmp_path / "list.csv").rename(tmp_path / "clips/list.csv")
        make_page(*options, audio=tmp_path / "clips/list.csv")
        assert page.read_bytes() == first
        (tmp_path / "clips").rename(tmp_path / "moved")
        make_page(*options, audio=tmp_path / "moved/list.csv")
        assert page.read_bytes() == first

    def test_reads_runs_that_do_not_say_where_their_cache_is(
        self, run, tmp_path, monkeypatch
    ):
        """As earlier versions wrote them, with the source as it was given."""
        shutil.copytree(run, tmp_path / "old")
        path = tmp_path / "old/results.json"
        content = json.loads(path.read_text())
        del content["data_root"], content["cache"]
        content["source"] = "clips"
        path.write_text(json.dumps(content))
        monkeypatch.chdir(run.parent)
        refuse_to_encode(monkeypatch)
        page = make_page(
            tmp_path / "old", tmp_path / "page", "abx", 2, ["rounding@2", "reference"]
        )
        assert len(sounds(page)) == 6

    def test_makes_no_cache_where_it_is_gone(self, run, tmp_path):
        shutil.copytree(run, tmp_path / "run")
        shutil.rmtree(tmp_path / "run/cache")
        page = make_page(
            tmp_path / "run", tmp_path / "page", "abx", 2, ["rounding@2", "reference"]
        )
        assert len(sounds(page)) == 6
        assert not (tmp_path / "run/cache").exists()

    def test_finds_codes_of_a_codec_that_is_told_names(self, tmp_path, monkeypatch):
        def encode_clip(self, clip, wav, sample_rate):
            return self.encode(wav, sample_rate)

        monkeypatch.setattr(Rounding, "encode_clip", encode_clip)
        evaluate(
            make_clips(tmp_path / "clips"), ["toy_systems:Rounding"], [2],
            ["si_sdr_raw"], output=tmp_path / "run", workers=0, report=False,
            domain="speech",
        )  # fmt: skip
        refuse_to_encode(monkeypatch)
        page = make_page(
            tmp_path / "run", tmp_path / "page", "abx", 2, ["rounding@2", "reference"]
        )
        assert len(sounds(page)) == 6

    def test_excerpts_are_all_that_stays(self, run):
        """Half a second of each clip, and no array of its whole length behind it."""
        evaluation = load(run)
        clips = choose_clips(evaluation, 2, None, 0)
        conditions = choose_conditions(
            evaluation, ["rounding@4", "opus", "reference"], 9
        )
        for takes in decode(evaluation, clips, conditions, seconds=0.5):
            assert [take.shape for take in takes] == 5 * [(RATE // 2,)]
            assert all(take.base is None for take in takes)
            assert (takes[0] == takes[-1]).all()
            assert 0 < np.abs(takes[1] - takes[0]).max() < 0.1

    def test_the_recording_is_heard_anyway(self, run):
        """Named or not, it takes no place of the others; named twice, it is one."""
        evaluation = load(run)
        wanted = ["rounding", "opus", "reference", "opus", "reference"]
        chosen = choose_conditions(evaluation, wanted, most=5)
        assert len(chosen) == len(set(chosen)) == 6
        with pytest.raises(ValueError, match="5 conditions; 4 are the most"):
            choose_conditions(evaluation, wanted, most=4)

    def test_a_codec_may_be_called_as_anchors_are(self, tmp_path, monkeypatch):
        monkeypatch.setattr(Rounding, "name", "anchor-codec")
        evaluate(
            make_clips(tmp_path / "clips"), ["toy_systems:Rounding"], [1, 4],
            ["si_sdr_raw"], output=tmp_path / "run", workers=0, report=False,
            domain="speech",
        )  # fmt: skip
        page = make_page(
            tmp_path / "run", tmp_path / "page", "mushra", 1, ["anchor-codec"]
        )
        (trial,) = read_key(page.with_name("key.json"))["trials"]
        assert len(trial["stimuli"]) == 5

    def test_clips_are_of_different_speakers(self, mushra):
        key = read_key(mushra.with_name("key.json"))
        assert {about["speaker"] for about in key["clips"].values()} == {"anna", "ben"}

    def with_what_nobody_hears(self, folder):
        import soundfile

        wav = 0.1 * np.random.default_rng(0).normal(size=2 * RATE)
        soundfile.write(folder / "silent.wav", np.zeros(RATE), RATE)
        soundfile.write(folder / "late.wav", np.r_[np.zeros(9 * RATE), wav], RATE)
        soundfile.write(folder / "short.wav", wav[:4800], RATE)
        (folder / "broken.wav").write_bytes(b"no audio")
        evaluate(
            folder, ["toy_systems:Rounding"], [4], ["si_sdr_raw"], workers=0,
            output=folder.parent / "run", report=False, domain="speech",
        )  # fmt: skip
        return folder.parent / "run"

    @pytest.mark.parametrize("seed", [0, 1])
    def test_what_nobody_hears_is_left_out_and_named(self, clips, caplog, seed):
        run = self.with_what_nobody_hears(clips)
        page = make_page(run, clips / "page", "abx", 7, seed=seed)
        assert set(read_key(page.with_name("key.json"))["clips"]) == {
            "clip0", "clip1", "clip2",
        }  # fmt: skip
        for said in (
            "silent is silent in its first 8 s", "late is silent in its first 8 s",
            "short is 0.3 s long, and 0.4 s are needed", "broken (the recording ",
        ):  # fmt: skip
            assert said in caplog.text
        # More of it is heard.
        longer = choose_clips(load(run), 7, None, seed, seconds=11)
        assert "late" in {clip.name for clip in longer}

    def test_nothing_to_hear(self, tmp_path, capsys):
        (tmp_path / "clips").mkdir()
        run = self.with_what_nobody_hears(tmp_path / "clips")
        assert main(["listen", str(run), "--output", str(tmp_path / "page")]) == 1
        error = capsys.readouterr().err.strip()
        assert "can be listened to: " in error
        assert len(error.splitlines()) == 1
        assert not (tmp_path / "page").exists()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--test", "opinion"], "--test opinion: choose from mushra, ab, abx"),
            (["--systems", "rounding@3"], "the run has rounding@1, rounding@2"),
            (["--systems", "opos"], "the run has"),
            (["--test", "ab", "--systems", "rounding"], "needs two conditions"),
            (["--test", "abx", "--systems", "reference,reference"], "there are 1"),
            (["--seconds", "inf"], "--seconds inf: a number from 0.4 up is needed"),
            (["--seconds", "nan"], "--seconds nan: a number from 0.4 up is needed"),
            (["--seconds", "0.39"], "--seconds 0.39: a number from 0.4 up is needed"),
            (["--audio", "nowhere"], "neither a folder nor a manifest"),
            (["--audio", "OTHERS"], "is another file"),
        ],
    )
    def test_refusals_are_one_line(self, run, tmp_path, capsys, options, message):
        (tmp_path / "others").mkdir()
        for name in ("clip0", "clip1", "clip2"):
            (tmp_path / "others" / f"{name}.wav").write_bytes(b"other")
        options = [str(tmp_path / "others") if o == "OTHERS" else o for o in options]
        given = [str(run), *options, "--output", str(tmp_path / "page")]
        assert main(["listen", *given]) in (1, 2)
        error = capsys.readouterr().err.strip()
        assert message in error
        assert len(error.splitlines()) == 1
        assert not (tmp_path / "page").exists()

    def test_another_codec_than_was_scored(self, run, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr(Rounding, "version", "2")
        assert main(["listen", str(run), "--output", str(tmp_path / "page")]) == 2
        assert "is not the rounding that" in capsys.readouterr().err
