"""The demo codes what is there, says what it left out, and scores honestly."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console
from rich.progress import Progress

from dac_lobe.cli.tasks import plan
from dac_lobe.disk.suffixes import AUDIO_SUFFIXES

ROOT = Path(__file__).parents[2]
DEMO = runpy.run_path(str(ROOT / "scripts" / "demo.py"))


@pytest.fixture
def recordings(tmp_path):
    """A folder as people have them: rates, channels and one file that is broken."""
    folder = tmp_path / "talks"
    (folder / "day").mkdir(parents=True)
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, (4000, 2))
    soundfile.write(folder / "one.wav", noise[:, 0], 16000)
    soundfile.write(folder / "day" / "two.flac", noise, 44100)
    (folder / "broken.wav").write_bytes(b"RIFF and nothing else")
    (folder / "notes.txt").write_text("not audio")
    return folder


def test_code(recordings, tiny_dac, tmp_path):
    """Every readable file is coded once and decoded at every bitrate."""
    output = tmp_path / "out"
    tasks = plan([recordings], output / "coded", AUDIO_SUFFIXES, ".dac").tasks
    with Progress(disable=True) as bars:
        done, problems = DEMO["code"](tiny_dac, tasks, output, [1, 3], bars)
        assert [bar.percentage for bar in bars.tasks] == pytest.approx([100, 100])
    assert [task.source.name for task in done] == ["two.flac", "one.wav"]
    (problem,) = problems
    assert problem.startswith(str(recordings / "broken.wav"))
    assert "\n" not in problem
    for number in (1, 3):
        decoded = output / "decoded" / f"{number:02d}_codebooks"
        info = soundfile.info(decoded / "day" / "two.wav")
        assert (info.frames, info.samplerate, info.channels) == (4000, 44100, 2)
        assert soundfile.info(decoded / "one.wav").frames == 4000
    first, second = (
        soundfile.read(output / "decoded" / name / "one.wav")[0]
        for name in ("01_codebooks", "03_codebooks")
    )
    assert np.abs(first - second).max() > 0


def test_another_model_leaves_nothing_of_the_first(
    recordings, tiny_dac, other_dac, tmp_path
):
    def made(codec, output):
        tasks = plan([recordings], output / "coded", AUDIO_SUFFIXES, ".dac").tasks
        with Progress(disable=True) as bars:
            DEMO["code"](codec, tasks, output, [1, 3], bars)
        return {
            path.relative_to(output): path.read_bytes() for path in output.rglob("*.*")
        }

    first = made(tiny_dac, tmp_path / "a")
    fresh = made(other_dac, tmp_path / "b")
    assert made(other_dac, tmp_path / "a") == fresh != first


def test_render_shows_what_is_missing():
    import pandas as pd

    row = {"num_codebooks": 4, "kbps": 2.0, "n_ok": 5, "n_total": 6}
    row |= {"pesq_wb_mean": 1.4567, "stoi_mean": None, "si_sdr_mean": float("nan")}
    table = DEMO["render"](pd.DataFrame([{**row, "mel_dac7_mean": 1.5}]))
    console = Console(width=120, record=True, quiet=True)
    console.print(table)
    cells = [list(column.cells)[0] for column in table.columns]
    assert cells == ["4", "2.00", "1.46", "-", "1.50", "-", "5/6"]


@pytest.mark.parametrize("kind", ["missing", "empty"])
def test_one_line_for_a_folder_without_recordings(tmp_path, kind):
    folder = tmp_path / "talks"
    if kind == "empty":
        folder.mkdir()
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "demo.py", folder, "--output", tmp_path],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert str(folder) in done.stderr


@pytest.mark.slow
def test_whole(tmp_path):
    """On a bundled clip, more codebooks are better by every measure."""
    import pandas as pd

    folder = tmp_path / "talks"
    folder.mkdir()
    shutil.copy(ROOT / "demo" / "clips" / "english_man.flac", folder)
    DEMO["demo"](folder, tmp_path / "out", "16khz-small", Console(quiet=True))
    summary = pd.read_csv(tmp_path / "out" / "scores" / "summary.csv")
    assert list(summary["num_codebooks"]) == [1, 2, 4, 8, 12]
    assert summary["kbps"].tolist() == pytest.approx([0.5, 1, 2, 4, 6])
    assert summary["pesq_wb_mean"].is_monotonic_increasing
    assert summary["stoi_mean"].is_monotonic_increasing
    assert summary["mel_dac7_mean"].is_monotonic_decreasing
    coded = (tmp_path / "out" / "coded" / "english_man.dac").stat().st_size
    assert coded * 8 / 4.1 < 6000 * 1.2
