"""Listening tests: blind pages, clicked through in a real browser, and their answers."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import time

import numpy as np
import pytest
from toy_recordings import RATE, make_clips
from toy_systems import Rounding

from evaluation import evaluate
from evaluation.cli import main
from evaluation.listening.answers import read_answers, read_key
from evaluation.listening.drawing import choose_clips
from evaluation.listening.excerpts import choose_conditions, decode
from evaluation.listening.findings import find
from evaluation.listening.page import make_page
from evaluation.listening.stimuli import anchor, anchors_at, match
from evaluation.results.board import join
from evaluation.results.compare import load


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """An evaluation of two codecs and a control."""
    folder = tmp_path_factory.mktemp("listening")
    evaluate(
        make_clips(folder / "clips"), ["toy_systems:Rounding"], [1, 2, 4], ["si_sdr_raw"],
        baselines=["opus:1.0/0.95", "identity"], output=folder / "run", workers=0,
        report=False, domain="speech",
    )  # fmt: skip
    return folder / "run"


@pytest.fixture(scope="module")
def mushra(run, tmp_path_factory):
    """The page and key of a MUSHRA test with two recordings."""
    return make_page(run, tmp_path_factory.mktemp("mushra"), "mushra", 2)


def sounds(page):
    """Bytes of every sound in a page, by name."""
    found = re.findall(
        r'<script type="text/plain" id="s(\w+)">([^<]+)<', page.read_text()
    )
    return {name: base64.b64decode(text) for name, text in found}


def data_of(page):
    """What the page's script reads."""
    return re.search(r'id="data">(.*?)</script>', page.read_text())[1]


def answers(key, assessor, rate):
    """What an assessor's page saves; ``rate(condition, clip)`` is the rating."""
    rows = [
        {
            "trial": trial["trial"],
            "stimulus": name,
            "value": rate(key["conditions"][place]["system"], trial["clip"]),
        }
        for trial in key["trials"]
        for name, place in trial["stimuli"].items()
    ]
    return {
        "format": "dac-lobe listening answers 1", "page": key["page"], "test": "mushra",
        "assessor": assessor, "ratings": rows,
    }  # fmt: skip


def save(folder, *contents):
    folder.mkdir(exist_ok=True)
    paths = []
    for number, content in enumerate(contents):
        paths.append(folder / f"{number}.json")
        paths[-1].write_text(json.dumps(content))
    return paths


def refuse_to_encode(monkeypatch):
    def encode(*_):
        raise AssertionError("encoded, though the codes were kept")

    monkeypatch.setattr(Rounding, "encode", encode)


class TestStimuli:
    @pytest.mark.parametrize("rate", [16000, 44100])
    @pytest.mark.parametrize("edge", [3500, 7000])
    def test_anchors_pass_and_stop(self, rate, edge):
        """Within 0.1 dB up to the edge, 25 dB down soon after (BS.1534-3, 5.1)."""
        time_ = np.arange(rate) / rate
        for frequency, lowest, highest in (
            (edge * 0.5, -0.1, 0.1), (edge * 0.99, -0.1, 0.1), (edge * 1.11, -200, -50),
        ):  # fmt: skip
            tone = np.sin(2 * np.pi * frequency * time_)
            out = anchor(tone, rate, edge)
            assert out.shape == tone.shape
            inner = slice(rate // 4, -rate // 4)
            level = 10 * np.log10(np.mean(out[inner] ** 2) / np.mean(tone[inner] ** 2))
            assert lowest <= level <= highest
            if lowest > -1:  # nor is it late
                assert np.abs(out - tone)[inner].max() < 0.02

    def test_anchors_need_something_to_take_away(self):
        assert anchors_at(16000) == (3500, 7000)
        assert anchors_at(14000) == (3500,)
        assert anchors_at(7000) == ()

    def test_loudness_is_matched(self):
        """Measured by another implementation of BS.1770."""
        pyloudnorm = pytest.importorskip("pyloudnorm")
        rng = np.random.default_rng(0)
        noise = rng.normal(size=3 * RATE)
        takes = [0.1 * noise, 0.01 * noise, 0.5 * anchor(0.1 * noise, RATE, 3500)]
        matched, _ = match(takes, RATE)
        meter = pyloudnorm.Meter(RATE)
        levels = [meter.integrated_loudness(take) for take in matched]
        assert np.ptp(levels) < 0.1
        assert max(np.abs(take).max() for take in matched) <= 0.99

    def test_peaks_lower_all_alike(self):
        click = np.zeros(2 * RATE)
        click[::4000] = 1
        quiet = 0.01 * np.random.default_rng(1).normal(size=2 * RATE)
        matched, gains = match([click, quiet], RATE)
        assert np.abs(matched[0]).max() <= 0.981
        alone, _ = match([quiet], RATE)
        assert np.abs(matched[1]).max() < np.abs(alone[0]).max()
        assert len(gains) == 2

    def test_silence_stays(self):
        matched, gains = match([np.zeros(RATE), np.zeros(RATE)], RATE)
        assert not matched[0].any()
        assert gains == [0, 0]


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


class TestAnswers:
    @pytest.fixture
    def key(self, mushra):
        return read_key(mushra.with_name("key.json"))

    def people(self, key):
        """Five who hear what is there, and one who rates the reference 80."""
        fair = {
            "reference": 100,
            "opus": 60,
            "rounding": 50,
            "anchor-3500": 20,
            "anchor-7000": 90,
        }
        clips = sorted(key["clips"])

        def rater(shift):
            return lambda system, clip: min(
                100, fair[system] + shift + 2 * clips.index(clip)
            )

        deaf = lambda system, clip: 80  # noqa: E731
        return [
            *(answers(key, f"p{n}", rater(n)) for n in range(5)),
            answers(key, "deaf", deaf),
        ]

    def test_screening_means_and_intervals(self, key, tmp_path):
        findings = find(key, read_answers(save(tmp_path, *self.people(key)), key))
        assert findings.excluded == {
            "deaf": "the hidden reference is below 90 in 2 of 2 recordings"
        }
        table = findings.summary.set_index("system")
        # 60 + shifts 0 to 4 + clips 0, 2
        assert table.loc["opus", "mushra_mean"] == pytest.approx(63)
        assert table.loc["opus", "mushra_low"] < 63 < table.loc["opus", "mushra_high"]
        assert table.loc["opus", "answers"] == 10
        clip = findings.utterances.set_index(["system", "utterance"])["mushra"]
        assert clip[("opus", sorted(key["clips"])[1])] == pytest.approx(64)

    def test_few_assessors_have_no_interval(self, key, tmp_path):
        from evaluation.listening.writing import write_findings

        few = save(tmp_path / "in", *self.people(key)[:4])
        write_findings(find(key, read_answers(few, key)), tmp_path / "out")
        text = (tmp_path / "out/summary.md").read_text()
        assert "| 62.5 | n/a: fewer than 5 assessors | 8 |" in text

    @pytest.mark.parametrize(("low", "excluded"), [(1, False), (2, True)])
    def test_the_rule_is_more_than_15_percent(self, low, excluded):
        """One of ten is allowed, two are not."""
        from evaluation.listening.findings import screen

        conditions = [{"system": "reference", "num_codebooks": None, "setting": ""}]
        trials = [
            {"trial": f"t{n}", "clip": f"c{n}", "stimuli": {f"s{n}": 0}}
            for n in range(10)
        ]
        key = {
            "test": "mushra",
            "conditions": conditions,
            "trials": trials,
            "page": "x",
        }
        given = answers(
            key, "p", lambda system, clip: 89 if int(clip[1:]) < low else 90
        )
        from evaluation.listening.answers import Answers, _ratings

        assert bool(screen([Answers("p", _ratings(given, key))], key)) is excluded

    def test_results_join_a_board(self, key, run, tmp_path, capsys):
        paths = save(tmp_path / "in", *self.people(key))
        given = [*map(str, paths), "--key", str(tmp_path / "key.json")]
        (tmp_path / "key.json").write_text(json.dumps(key))
        out = tmp_path / "heard"
        assert main(["listen", "--collect", *given, "--output", str(out)]) == 0
        assert "deaf is left out" in capsys.readouterr().out
        board = join([run, out])
        heard = board.numbers[board.numbers["metric"] == "mushra"]
        opus = heard[heard["system"] == "opus"].iloc[0]
        assert opus["mean"] == pytest.approx(63)
        # The same row of the board as the metrics of that operating point.
        assert opus["kbps"] > 0
        names = [str(one) for one in board.conditions]
        assert len(names) == len(set(names))
        assert sum(name.startswith("opus") for name in names) == 2
        assert not heard.loc[heard["system"].str.startswith("anchor"), "front"].any()

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (
                {"page": "0123456789abcdef"},
                "answers page 0123456789abcdef, and the key",
            ),
            ({"format": "notes"}, "is 'notes', not"),
            ({"ratings": []}, "is damaged"),
            ({"assessor": "p1"}, "has answered already"),
        ],
    )
    def test_refusals_are_one_line(self, key, tmp_path, capsys, change, message):
        good, bad = self.people(key)[1:3]
        paths = save(tmp_path / "in", good, bad | change)
        (tmp_path / "key.json").write_text(json.dumps(key))
        given = [*map(str, paths), "--key", str(tmp_path / "key.json")]
        assert main(["listen", "--collect", *given, "-o", str(tmp_path / "out")]) == 2
        error = capsys.readouterr().err.strip()
        assert message in error
        assert len(error.splitlines()) == 1
        assert not (tmp_path / "out").exists()

    def test_a_rating_out_of_range(self, key, tmp_path):
        bad = answers(key, "p", lambda system, clip: 101)
        with pytest.raises(ValueError, match="a rating of 101"):
            read_answers(save(tmp_path, bad), key)

    def test_nobody_is_left(self, key, tmp_path):
        deaf = self.people(key)[-1]
        with pytest.raises(ValueError, match="no assessor passes"):
            find(key, read_answers(save(tmp_path, deaf), key))

    def test_comparisons(self, run, tmp_path):
        """ABX answers that are all right are no guess; preferences add up."""
        for test in ("ab", "abx"):
            page = make_page(run, tmp_path / test, test, 3, ["rounding@1", "reference"])
            key = read_key(page.with_name("key.json"))
            people = []
            for person in range(2):
                rows = []
                for trial in key["trials"]:
                    by_place = {place: name for name, place in trial["stimuli"].items()}
                    right = by_place[trial["x"]] if test == "abx" else by_place[1]
                    rows.append(
                        {"trial": trial["trial"], "stimulus": right, "value": 1}
                    )
                people.append({
                    "format": "dac-lobe listening answers 1", "page": key["page"],
                    "assessor": f"p{person}", "ratings": rows,
                })  # fmt: skip
            if test == "ab":
                people[0]["ratings"][0]["stimulus"] = None  # no preference
            found = find(key, read_answers(save(tmp_path / f"{test}-in", *people), key))
            (pair,) = found.pairs.to_dict("records")
            table = found.summary.set_index("system")
            if test == "abx":
                assert list(table.index) == ["rounding"]
                assert table.loc["rounding", "abx_correct_mean"] == 100
                assert (pair["n"], pair["p"]) == (6, 0.5**6)
            else:
                assert table["ab_preference_mean"].sum() == pytest.approx(100)
                assert table.loc["reference", "ab_preference_mean"] == pytest.approx(
                    550 / 6
                )
                assert (pair["n"], pair["p"]) == (5, 2 * 0.5**5)


class TestBrowser:
    """An assessor at work: mouse, keys, saved file, and back to the numbers."""

    def begin(self, browser, page, name):
        browser.get(page.as_uri())
        field = browser.find_element("name", "assessor")
        field.send_keys(name)
        field.submit()
        self.wait(browser, "return !document.getElementById('trial').hidden")

    def wait(self, browser, script):
        for _ in range(600):
            if browser.execute_script(script):
                return
            time.sleep(0.05)
        raise AssertionError(f"never true: {script}")

    def ready(self, browser):
        count = "document.querySelectorAll('.row button').length"
        self.wait(
            browser,
            f"return {count} > 0 && Object.keys(player.buffers).length == {count}",
        )

    def saved(self, browser, link):
        before = (
            set(browser.downloads.glob("*")) if browser.downloads.exists() else set()
        )
        browser.find_element("id", link).click()
        for _ in range(600):
            new = set(browser.downloads.glob("answers-*")) - before
            if new and not any(path.suffix == ".crdownload" for path in new):
                return new.pop()
            time.sleep(0.05)
        raise AssertionError("nothing was saved")

    def no_errors(self, browser):
        assert not [e for e in browser.get_log("browser") if e["level"] == "SEVERE"]

    def test_mushra(self, browser, mushra, tmp_path):
        key = read_key(mushra.with_name("key.json"))
        places = {n: p for trial in key["trials"] for n, p in trial["stimuli"].items()}
        fair = {
            "reference": 100,
            "anchor-3500": 2,
            "anchor-7000": 97,
            "opus": 4,
            "rounding": 98,
        }
        self.begin(browser, mushra, 'Ada "A", L.')
        keys = browser.find_element("tag name", "body")
        orders = []
        for number in range(len(key["trials"])):
            self.wait(browser, f"return place === {number}")
            self.ready(browser)
            order = browser.execute_script("return trial.stimuli")
            orders.append([places[name] for name in order])
            button = browser.find_element("id", "next")
            assert not button.is_enabled()
            keys.send_keys("0")
            for index, name in enumerate(order):
                wanted = fair[key["conditions"][places[name]]["system"]]
                browser.switch_to.active_element.send_keys(str(index + 1))
                slider = browser.switch_to.active_element
                assert slider.get_attribute("type") == "range"
                slider.send_keys("\ue010" if wanted > 50 else "\ue011")  # End or Home
                step = "\ue012" if wanted > 50 else "\ue014"  # left or right
                slider.send_keys(step * (min(wanted, 100 - wanted)))
                assert slider.get_attribute("value") == str(wanted)
            assert button.is_enabled()
            if number == 0:  # it sounds, and Space stops it where it is
                self.wait(
                    browser,
                    "return player.context.state === 'running' && player.place() > 0",
                )
                browser.switch_to.active_element.send_keys(" ")
                assert browser.execute_script("return player.source === null")
            browser.switch_to.active_element.send_keys("\ue007")  # Enter
        self.wait(browser, "return !document.getElementById('end').hidden")
        assert orders[0] != orders[1]
        path = self.saved(browser, "json")
        (one,) = read_answers([path], key)
        assert one.assessor == 'Ada "A", L.'
        findings = find(key, [one])
        means = findings.summary.set_index("system")["mushra_mean"]
        assert {name: means[name].mean() for name in fair} == fair
        import pandas as pd

        table = pd.read_csv(self.saved(browser, "csv"))
        assert len(table) == len(places)
        assert set(table["assessor"]) == {'Ada "A", L.'}
        self.no_errors(browser)

    def test_keys_reach_every_version(self, browser, tmp_path):
        """Beyond nine there are no digits any more."""
        evaluate(
            make_clips(tmp_path / "clips"), ["toy_systems:Rounding"], [1, 2, 3, 4],
            ["si_sdr_raw"], baselines=["opus:1.0/0.95/0.9", "identity", "resample"],
            output=tmp_path / "run", workers=0, report=False, domain="speech",
        )  # fmt: skip
        everything = ["rounding", "opus", "identity", "resample"]
        page = make_page(tmp_path / "run", tmp_path / "page", "mushra", 1, everything)
        self.begin(browser, page, "Eve")
        self.ready(browser)
        seen = []
        for key in "0123456789abc":
            browser.switch_to.active_element.send_keys(key)
            seen.append(browser.switch_to.active_element.get_attribute("aria-label"))
        assert seen[1:] == [f"Rating of version {number}" for number in range(1, 13)]
        assert browser.execute_script("return trial.heard.size") == 13
        self.no_errors(browser)

    def test_a_reload_loses_nothing(self, browser, run, tmp_path):
        page = make_page(run, tmp_path / "ab", "ab", 3, ["rounding@1", "opus@c=1"])
        key = read_key(page.with_name("key.json"))
        wanted = {}
        for visit in range(2):
            self.begin(browser, page, "Bo")
            assert browser.execute_script("return place") == 2 * visit
            for _ in range(2 if visit == 0 else 1):
                number = browser.execute_script("return place")
                self.ready(browser)
                trial = browser.execute_script("return [trial.id, trial.stimuli]")
                wanted[trial[0]] = (trial[1][0], trial[1][1], None)[number]
                body = browser.find_element("tag name", "body")
                body.send_keys("12")
                body.send_keys("abn"[number])
                browser.find_element("id", "next").click()
                self.wait(browser, f"return place === {number + 1}")
        self.wait(browser, "return !document.getElementById('end').hidden")
        content = json.loads(self.saved(browser, "json").read_text())
        assert {row["trial"]: row["stimulus"] for row in content["ratings"]} == wanted
        assert content["page"] == key["page"]
        self.no_errors(browser)

    def test_abx(self, browser, run, tmp_path):
        page = make_page(run, tmp_path / "abx", "abx", 1)
        key = read_key(page.with_name("key.json"))
        self.begin(browser, page, "Cy")
        self.ready(browser)
        names = browser.execute_script("return trial.stimuli")
        right = key["trials"][0]["stimuli"][names[0]] == key["trials"][0]["x"]
        for label in ("▶ A", "▶ B", "▶ X", "X is A"):
            browser.find_element("xpath", f"//button[text()='{label}']").click()
        browser.find_element("id", "next").click()
        self.wait(browser, "return !document.getElementById('end').hidden")
        (one,) = read_answers([self.saved(browser, "json")], key)
        assert set(one.ratings["value"]) == {100.0 if right else 0.0}
        self.no_errors(browser)

    @pytest.mark.parametrize(
        "twice",
        [
            "at('next').click(); at('next').click()",
            "for (const repeat of [false, true, false]) document.body.dispatchEvent("
            "new KeyboardEvent('keydown', {key: 'Enter', repeat, bubbles: true}))",
        ],
        ids=["clicks", "keys"],
    )
    def test_two_quick_answers_are_one(self, browser, run, tmp_path, twice):
        page = make_page(run, tmp_path / "ab", "ab", 2, ["rounding@1", "opus@c=1"])
        self.begin(browser, page, f"Di {len(twice)}")
        self.ready(browser)
        browser.find_element("tag name", "body").send_keys("12a")
        # In one turn of the page: the next trial cannot be there yet.
        seen = browser.execute_script(
            f"{twice}; hear(trial.stimuli[0]); "
            "return [place, Object.keys(answers).length, trial.heard.size]"
        )
        assert seen == [1, 1, 0]
        self.ready(browser)
        browser.find_element("tag name", "body").send_keys("12b\ue007")
        self.wait(browser, "return !document.getElementById('end').hidden")
        (one,) = read_answers(
            [self.saved(browser, "json")], read_key(page.with_name("key.json"))
        )
        assert len(one.ratings) == 4
        self.no_errors(browser)

    @pytest.mark.parametrize("width", [1440, 500])
    def test_nothing_sticks_out(self, browser, mushra, width):
        browser.set_window_size(width, 900)
        self.begin(browser, mushra, f"width {width}")
        self.ready(browser)
        seen, window = browser.execute_script(
            "return [document.documentElement.scrollWidth, innerWidth]"
        )
        assert seen <= window
