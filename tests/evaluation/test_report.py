"""The report: whole in one file, and looked at in a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from toy_systems import Broken, OneBitLess, Rounded, Rounding

from evaluation import Metric, evaluate
from evaluation.metrics import METRICS
from evaluation.report.disagreement import disagreement
from evaluation.report.players import nearest_baseline
from evaluation.report.plots import Line, codebook_bars, rate_distortion
from evaluation.report.verdict import headline, verdict

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)
PROBE = """
<script>
addEventListener("load", async () => {
  const seen = document.documentElement.dataset;
  seen.width = Math.max(document.documentElement.scrollWidth, document.body.scrollWidth);
  seen.window = innerWidth;
  seen.pictures = [...document.images].filter((i) => i.complete && i.naturalWidth).length;
  document.querySelectorAll("details").forEach((d) => { d.open = true; });
  const table = document.querySelector("#table table");
  const head = [...table.tHead.rows[0].cells].find((c) => c.textContent.includes("STOI"));
  const column = head.cellIndex;
  const order = () => [...table.tBodies[0].rows].map((r) => r.cells[column].dataset.v);
  head.click(); seen.rising = order().join(" ");
  head.click(); seen.falling = order().join(" ");
  seen.sounds = (await Promise.all([...document.querySelectorAll("audio")].map(
    (a) => new Promise((done) => {
      a.addEventListener("loadedmetadata", () => done(a.duration > 0.5));
      a.addEventListener("error", () => done(false));
      a.preload = "metadata"; a.load();
    })))).filter(Boolean).length;
});
</script>
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An evaluation with curves, controls, and a failure."""
    import numpy as np
    import soundfile
    from toy_recordings import RATE, voice

    clips = tmp_path_factory.mktemp("clips")
    for seed in range(3):
        soundfile.write(clips / f"speech{seed}.wav", voice(1.2, seed), RATE)
    soundfile.write(clips / "speech_silent.wav", np.zeros(RATE), RATE)
    output = tmp_path_factory.mktemp("out")
    evaluate(
        clips,
        [Rounding()],
        [1, 2, 4],
        ["stoi", "mel_dac7", "si_sdr"],
        baselines=["opus:1.0/0.95", "identity", "resample", Broken("nan", "speech1")],
        output=output,
        domain="speech",
        workers=0,
        command="dac-lobe-evaluate clips <script>alert(1)</script>",
    )
    return output


class _Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links: list[str] = []
        self.sounds = self.pictures = 0

    def handle_starttag(self, tag, attributes):
        self.sounds += tag == "audio"
        self.pictures += tag == "img"
        for name, value in attributes:
            if name in ("src", "href", "xlink:href", "data", "srcset"):
                self.links.append(value)


class TestFile:
    def test_is_a_standard_page(self, folder):
        assert (
            (folder / "report.html")
            .read_text()
            .startswith("<!doctype html>\n<html lang=")
        )

    def test_needs_nothing_else(self, folder):
        page = _Links()
        text = (folder / "report.html").read_text()
        page.feed(text)
        # Two clips in three versions, and the median at two lower rates.
        assert page.sounds == page.pictures == 2 * 3 + 2
        assert all(link.startswith(("data:", "#")) for link in page.links)
        assert "@import" not in text
        assert "url(" not in re.sub(r"url\(#[\w-]+\)", "", text)

    def test_says_what_a_reader_needs(self, folder):
        text = (folder / "report.html").read_text()
        for needed in (
            "the output holds NaN or infinite samples",
            "the reference is silent",
            "Taal et al. 2011",
            "BD-rate",
            "Holm",
            "Mousavi et al. 2025",
            "for orientation, not for ranking",
            "sr:16000|",
            "rounding K=4",
            "there is none for fewer than 5, which say too little",
        ):
            assert needed in text, needed

    def test_command_is_escaped(self, folder):
        assert "<script>alert(1)" not in (folder / "report.html").read_text()

    def test_same_run_same_page(self, folder, tmp_path):
        """No clock, no address, no random name in it."""
        text = (folder / "report.html").read_text()
        assert str(folder) not in text
        assert not re.search(r"20\d\d-\d\d-\d\dT", text)


class TestPlots:
    def written(self, svg):
        return re.findall(r">([^<>]+)</text>", svg)

    @pytest.mark.parametrize("mean", [[0.0049, 0.0121, 0.0193], [0.92, 0.945, 0.982]])
    def test_axes_say_where_the_curve_is(self, mean):
        """Ticks lie at equal distances, and read so; coordinates are cut all the same."""
        svg = rate_distortion(
            METRICS["stoi"], [Line("a", "#000000", [1, 2, 4], mean, mean, mean)]
        )
        ticks = [float(text) for text in self.written(svg) if "0." in text]
        assert len(ticks) > 3
        steps = [after - before for before, after in pairwise(ticks)]
        assert steps == pytest.approx([steps[0]] * len(steps))
        assert steps[0] > 0
        assert not re.search(r' (?:d|x|y|transform)="[^"]*\.\d{3}', svg)

    @pytest.mark.parametrize("name", ["model$_{5$", "a$b$c", "x_$", "<b>&$"])
    def test_a_name_is_written_as_it_is(self, name):
        picture = codebook_bars(name, "#000000", [1.0, 0.5], 2.0, [0.0, 0.5])
        assert f"{name}: bits per token (white: % dead)" in map(
            unescape, self.written(picture)
        )
        rate_distortion(
            Metric(name, "a:b", name, "d", "s", True, unit=name),
            [Line(name, "#000000", [1, 2], [1, 2], [1, 2], [1, 2])],
        )


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Nine short voices: enough for a difference to be significant."""
    import soundfile
    from toy_recordings import RATE, voice

    clips = tmp_path_factory.mktemp("nine")
    for seed in range(9):
        soundfile.write(clips / f"voice{seed}.wav", voice(0.6, seed), RATE)
    return clips


def test_speakers_that_nobody_named_are_said(recordings, tmp_path):
    """One known speaker among several unknown ones is not all there are."""
    for seed in range(3):
        shutil.copy(recordings / f"voice{seed}.wav", tmp_path)
    (tmp_path / "manifest.csv").write_text("path,speaker\nvoice1.wav,anna\n")
    evaluate(
        tmp_path, [Rounding()], [1], ["si_sdr_raw"], output=tmp_path / "out",
        domain="speech", workers=0,
    )  # fmt: skip
    text = (tmp_path / "out/report.html").read_text()
    assert '<dd>1 <span class="faint">and 2 recordings of unknown ones<' in text


@pytest.mark.parametrize(("most", "left_out"), [(1, True), (2, False)])
def test_failures_left_out_are_said(recordings, tmp_path, monkeypatch, most, left_out):
    """Two failures: where there is room for both, nothing is elsewhere."""
    monkeypatch.setattr("evaluation.report.page.MAX_FAILURE_ROWS", most)
    evaluate(
        recordings, [Broken("nan")], metrics=["si_sdr_raw"], output=tmp_path / "out",
        max_utterances=2, domain="speech", workers=0,
    )  # fmt: skip
    text = (tmp_path / "out/report.html").read_text()
    assert text.count("holds NaN or infinite samples</td>") == most
    assert ("The first 1; the rest is in utterances.csv" in text) == left_out
    assert "2 rows have a score missing" in text


class TestRates:
    """Of the recordings that a score is of: music has no STOI, and its own bits."""

    @pytest.fixture
    def results(self, clips, tmp_path):
        (clips / "manifest.csv").write_text(
            "path,domain\nclip0.wav,speech\nclip1.wav,music\nclip2.wav,speech\n"
        )
        return evaluate(
            clips, [Rounded("ours")], metrics=["stoi", "waveform_l1"],
            baselines=[Rounded("rival", dear="clip1")], output=tmp_path / "out",
            workers=0,
        )  # fmt: skip

    def test_curves(self, results):
        stoi, waveform = re.findall(
            r'aria-label="(.*? over kbps.*?)"', (results.output / "report.html").read_text()
        )  # fmt: skip
        assert re.search(r"rival: \S+ at 48 kbps, \S+ at 96 kbps", stoi)
        assert re.search(r"rival: \S+ at 64 kbps, \S+ at 128 kbps", waveform)

    def test_verdict_takes_the_nearest_rate_in_each_metric(self, results):
        said = verdict(results)
        assert re.search(r"Against rival 6 bits .*in STOI", said)
        assert re.search(r"Against rival 5 bits .*in Waveform L1", said)

    def test_headline(self, clips):
        results = evaluate(
            clips, [Rounded("ours", dear="clip1")], metrics=["stoi", "waveform_l1"],
            workers=0,
        )  # fmt: skip
        assert headline(results).startswith("ours at 128.00 kbps: STOI")

    def test_headline_of_different_recordings(self, results):
        results.run.systems.reverse()
        assert headline(results).startswith("rival at 96.00 to 128.00 kbps: STOI")


def test_codecs_without_a_rate_are_named(clips, tmp_path):
    """The legend has what is drawn, and no more."""
    evaluate(
        clips, [Rounding()], [1, 2], ["si_sdr_raw"], output=tmp_path / "out",
        baselines=["identity", OneBitLess()], domain="speech", workers=0,
    )  # fmt: skip
    text = (tmp_path / "out/report.html").read_text()
    legend = text.partition('<ul class="legend">')[2].partition("</ul>")[0]
    assert re.findall(r"</span>(.*?)</li>", legend) == ["rounding"]
    assert "Without a rate or a score, and not drawn: twelve-bits." in text


class TestVerdict:
    """One sentence: better, worse or no significant difference."""

    def compare(
        self, clips, ours, baselines, codebooks=(1, 4), metrics=("si_sdr_raw", "waveform_l1")
    ):  # fmt: skip
        return evaluate(
            clips, [ours], codebooks, metrics, baselines=baselines, domain="speech",
            workers=0,
        )  # fmt: skip

    def test_worse_than_what_is_better(self, recordings):
        said = verdict(self.compare(recordings, Rounding(), [OneBitLess()], [1]))
        assert said.startswith(
            "Against twelve-bits 12 bits it is significantly worse in SI-SDR not aligned and "
            "Waveform L1 (paired"
        )

    def test_better_than_what_is_worse(self, recordings):
        coarse = Rounding()
        coarse.name, coarse.num_codebooks = "coarse", 4
        coarse.points = lambda codebooks: Rounding.points(coarse, [1])
        said = verdict(self.compare(recordings, Rounding(), [coarse]))
        assert "Against coarse K=1 it is significantly better in SI-SDR" in said
        assert "worse" not in said

    def test_no_difference_from_itself(self, recordings):
        twin = Rounding()
        twin.name = "twin"
        said = verdict(self.compare(recordings, Rounding(), [twin]))
        assert "there is no significant difference in any of 2 metrics" in said
        assert "better" not in said

    def few(self, recordings, folder, count):
        folder.mkdir()
        for seed in range(count):
            shutil.copy(recordings / f"voice{seed}.wav", folder)
        return folder

    def test_few_recordings_are_said_to_be_few(self, recordings, tmp_path):
        few = self.few(recordings, tmp_path / "few", 3)
        said = verdict(self.compare(few, Rounding(), [OneBitLess()]))
        assert "no significant difference" in said
        assert "So few speakers (3)" in said

    def test_recordings_that_suffice_are_not_called_few(self, recordings, tmp_path):
        """Six speakers show one difference; the reference is no system to compare."""
        level = Metric(
            "level", "toy_systems:level", "Level", "A test.", "this test",
            higher_is_better=True, intrusive=False,
        )  # fmt: skip
        six = self.few(recordings, tmp_path / "six", 6)
        said = verdict(
            self.compare(six, Rounding(), [OneBitLess()], [4], ["si_sdr_raw", level])
        )
        assert "significantly worse in SI-SDR not aligned; there is no" in said
        assert "no significant difference in Level (paired" in said
        assert "So few speakers" not in said

    def test_controls_are_no_rivals(self, recordings):
        """Wherever they stand and whatever their rates, a codec is named, or none."""
        curve = Rounding()
        curve.name, curve.control = "control-curve", True
        controls = [curve, "identity", "resample"]
        alone = self.compare(recordings, Rounding(), controls)
        assert verdict(alone) == ""
        assert nearest_baseline(alone.run)[0].control  # played all the same
        said = verdict(self.compare(recordings, Rounding(), [*controls, OneBitLess()]))
        assert said.startswith("Against twelve-bits 12 bits it is")

    def test_nothing_to_compare_with(self, recordings):
        assert verdict(self.compare(recordings, Rounding(), [])) == ""


class TestDisagreement:
    contrary = Metric(
        "contrary", "evaluation.metrics.waveform:si_sdr", "Contrary", "Upside down.",
        "this test", higher_is_better=False, intrusive=False,
    )  # fmt: skip

    def test_places_move_where_listeners_disagree(self, tmp_path):
        """A model of listeners that likes exactly what the signal metric does not."""
        import soundfile
        from toy_recordings import RATE, voice

        for seed in range(4):
            soundfile.write(tmp_path / f"voice{seed}.wav", voice(0.6, seed), RATE)
        results = evaluate(
            tmp_path, [Rounding()], [1, 2, 4], ["si_sdr_raw", self.contrary],
            baselines=["identity"], domain="speech", workers=0,
        )  # fmt: skip
        (one,) = disagreement(results)
        assert one.correlation == pytest.approx(-1)
        assert [(p.name, p.ours, p.theirs) for p in one.points] == [
            ("rounding K=4", 1, 3), ("rounding K=2", 2, 2), ("rounding K=1", 3, 1),
        ]  # fmt: skip
        assert sorted(abs(clip.difference) for clip in one.clips) == [1, 1, 3, 3]

    @pytest.mark.parametrize(
        ("lost", "names", "recordings"),
        [
            # It fails where it is hard: no reason to stand higher than its twin.
            (("clip2",), {"copy", "codec"}, 2),
            (("clip0", "clip1", "clip2"), {"codec"}, 3),
        ],
    )
    def test_places_are_of_recordings_that_all_have(
        self, clips, lost, names, recordings
    ):
        systems = [Rounded("codec"), Rounded("copy", lost=lost)]
        results = evaluate(
            clips, systems, None, ["si_sdr_raw", self.contrary], domain="speech",
            workers=0,
        )  # fmt: skip
        (one,) = disagreement(results)
        assert one.recordings == recordings
        places = {}
        for point in one.points:
            name, setting = point.name.split(" ", 1)
            places.setdefault(setting, {})[name] = point.ours
        assert len(places) == 4
        for of_setting in places.values():
            assert set(of_setting) == names
            assert len(set(of_setting.values())) == 1

    def test_no_places_without_a_recording_that_all_have(self, clips):
        systems = [
            Rounded("codec", lost=("clip2",)), Rounded("copy", lost=("clip0", "clip1")),
            Rounding(),
        ]  # fmt: skip
        results = evaluate(
            clips, systems, [1, 2, 4], ["si_sdr_raw", self.contrary], domain="speech",
            workers=0,
        )  # fmt: skip
        assert disagreement(results) == []

    def test_nothing_without_models_of_listeners(self, tmp_path):
        import soundfile
        from toy_recordings import RATE, voice

        soundfile.write(tmp_path / "voice.wav", voice(0.6, 0), RATE)
        results = evaluate(
            tmp_path,
            [Rounding()],
            [1, 2, 4],
            ["si_sdr_raw"],
            domain="speech",
            workers=0,
        )
        assert disagreement(results) == []


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
class TestBrowser:
    def browse(self, tmp_path, *options: str) -> str:
        command = [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--hide-scrollbars",
            "--disable-component-update", "--disable-sync",
            f"--user-data-dir={tmp_path / 'profile'}", *options,
        ]  # fmt: skip
        return subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=True
        ).stdout

    @pytest.mark.parametrize("size", ["1280,900", "500,900"])
    def test_layout_sounds_and_sorting(self, folder, tmp_path, size):
        page = tmp_path / "probe.html"
        page.write_text((folder / "report.html").read_text() + PROBE)
        dom = self.browse(
            tmp_path, f"--window-size={size}", "--virtual-time-budget=20000",
            "--dump-dom", page.as_uri(),
        )  # fmt: skip
        seen = dict(re.findall(r'data-(\w+)="([^"]*)"', dom.partition("<head")[0]))
        assert int(seen["width"]) <= int(seen["window"]), "something sticks out"
        assert int(seen["sounds"]) == dom.count("<audio")
        assert int(seen["pictures"]) >= 3
        rising, falling = (
            [float(v) for v in seen[way].split() if v] for way in ("rising", "falling")
        )
        assert rising == sorted(rising)
        assert falling == sorted(falling, reverse=True)
        assert rising[0] < rising[-1]

    def test_all_standard_metrics_fit_a_laptop(self, folder, tmp_path):
        """A table with the ten standard metrics, at 1440 pixels: nothing is cut."""
        from evaluation.metrics import METRICS, STANDARD

        text = (folder / "report.html").read_text()
        head, cells = "", ""
        for metric in (METRICS[name] for name in STANDARD):
            head += f"<th class=n>{metric.title}, {metric.unit} ↑</th>"
            ends = [(-13.4 if metric.unit else 4.6) + end for end in (0, -2, 2)]
            mean, low, high = (f"{end:.{metric.decimals}f}" for end in ends)
            cells += f"<td class=n>{mean}<small>{low} … {high}</small></td>"
        row = f"<th scope=row>16khz-small K=12</th><td class=n>256.00</td>{cells}"
        table = (
            '<div class="scroll" id="wide"><table class="sticky dense"><thead><tr>'
            f"<th>System</th><th class=n>kbps</th>{head}</tr></thead>"
            f"<tbody><tr>{row}</tr></tbody></table></div>"
        )
        page = tmp_path / "wide.html"
        page.write_text(
            text.replace('<section id="listen">', f"{table}<section id='listen'>")
            + "<script>const s = document.documentElement.dataset, w ="
            " document.getElementById('wide'); s.needs = w.scrollWidth;"
            " s.has = w.clientWidth;</script>"
        )
        dom = self.browse(
            tmp_path, "--window-size=1440,900", "--dump-dom", page.as_uri()
        )
        seen = dict(re.findall(r'data-(\w+)="([^"]*)"', dom.partition("<head")[0]))
        assert int(seen["needs"]) <= int(seen["has"])

    def test_prints(self, folder, tmp_path):
        """On paper: no player, no menu, and no more than a few pages."""
        paper = tmp_path / "report.pdf"
        self.browse(
            tmp_path, f"--print-to-pdf={paper}", "--no-pdf-header-footer",
            (folder / "report.html").as_uri(),
        )  # fmt: skip
        content = paper.read_bytes()
        assert content.startswith(b"%PDF")
        assert 2 <= len(re.findall(rb"/Type\s*/Page\b", content)) <= 12

    def test_screenshot_shows_something(self, folder, tmp_path):
        from matplotlib.image import imread

        picture = tmp_path / "report.png"
        self.browse(
            tmp_path, "--window-size=1280,3000", f"--screenshot={picture}",
            (folder / "report.html").as_uri(),
        )  # fmt: skip
        pixels = imread(picture)[..., :3]
        assert pixels.shape[:2] == (3000, 1280)
        # Text and pictures down to the end of the window, on a plain ground.
        for part in range(3):
            strip = pixels[1000 * part : 1000 * (part + 1)]
            assert strip.std() > 0.04
        assert (pixels[:, 0].std(axis=0) < 0.2).all()
