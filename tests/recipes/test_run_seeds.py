"""Rows of several seeds: what is run, what is kept, and what the table says."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# A recipe as far as run_seeds knows: an output folder with results of a seed.
RECIPE = """
import argparse, json, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--worse", type=int, default=0)
parser.add_argument("--for_speaker", default="s")
parser.add_argument("--seed", type=int)
parser.add_argument("--output_folder", type=pathlib.Path)
parser.add_argument("--noprogressbar", action="store_true")
options = parser.parse_args()
options.output_folder.mkdir(parents=True, exist_ok=True)
print("seed", options.seed)
if pathlib.Path("broken").exists() and options.seed == 2:
    raise SystemExit("out of memory")
# Six speakers with two utterances each: s0a, s1b, s0c, s1d, s0e, s1f.
speakers = [f"s{item // 2 % 2}{'abcdef'[item // 2]}" for item in range(12)]
errors = [(options.seed + item) % 2 for item in range(12)]
for item, speaker in enumerate(speakers):
    if speaker.startswith(options.for_speaker):
        errors[item] += options.worse
lines = ["ID,spk_id,word_errors,words,char_errors,chars"]
lines += [f"u{i},{speakers[i]},{e},5,{e},20" for i, e in enumerate(errors)]
(options.output_folder / "utterances_test.csv").write_text("\\n".join(lines) + "\\n")
wer = 100 * sum(errors) / 60 + options.seed
results = {"training": {"codec": "0123456789abcdef"}, "test": {"WER": wer, "CER": wer / 2}}
(options.output_folder / "results.json").write_text(json.dumps(results))
"""


@pytest.fixture
def run_seeds(tmp_path):
    """Run the script on rows of the small recipe."""
    (tmp_path / "train.py").write_text(RECIPE)

    def run(*arguments, **options):
        return subprocess.run(
            [sys.executable, str(ROOT / "recipes/run_seeds.py"), *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            **options,
        )

    return run


ROWS = ["good=train.py", "bad=train.py --worse 1", "--seeds", "1", "2", "4"]


def test_table(run_seeds, tmp_path):
    done = run_seeds(*ROWS)
    assert done.returncode == 0, done.stderr
    table = (tmp_path / "results/seeds/seeds.md").read_text()
    good, bad = (
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in table.splitlines()[2:4]
    )
    # Ten errors of a hundred words, and the seed; one error more in five words.
    assert good[0:2] == ["good", "3"]
    assert good[4] == "12.3 (11.0 to 14.0)"
    assert good[-1] == "-"
    assert bad[4] == "32.3 (31.0 to 34.0)"
    assert bad[-1] == "+20.0 [+20.0, +20.0]"
    assert "drawing the 6 speakers" in table
    assert "fingerprint 0123456789ab: good, bad." in table


def test_table_of_one_test(run_seeds, tmp_path):
    rows = [*ROWS[:2], "--seeds", "1"]
    run_seeds(*rows)
    for path in (tmp_path / "results/seeds").glob("*/*/results.json"):
        results = json.loads(path.read_text())
        path.write_text(json.dumps({**results, "test, 1 codebooks": results["test"]}))
    both = run_seeds(*rows, "--table_only").stdout
    one = run_seeds(*rows, "--table_only", "--test", "test").stdout
    assert (tmp_path / "results/seeds/seeds.md").read_text() == both
    assert one.splitlines() == [line for line in both.splitlines() if ", 1" not in line]
    assert len(both.splitlines()) == len(one.splitlines()) + 2


def test_speakers_are_drawn_whole(run_seeds, tmp_path):
    """Worse for three of six: the ends of the interval are of whole speakers."""
    done = run_seeds(*ROWS[:1], "odd=train.py --worse 2 --for_speaker s1", *ROWS[2:])
    assert done.returncode == 0, done.stderr
    (ends,) = re.findall(r"\| \+20.0 \[\+(.*), \+(.*)\] \|", done.stdout)
    drawn = [float(end) / (40 / 6) for end in ends]
    assert drawn == pytest.approx([round(count) for count in drawn], abs=0.02)
    assert drawn[0] < 3 < drawn[1]


def test_no_interval_of_few_speakers(run_seeds, tmp_path):
    recipe = (tmp_path / "train.py").read_text()
    (tmp_path / "train.py").write_text(recipe.replace("'abcdef'", "'aabbaa'"))
    done = run_seeds(*ROWS)
    assert done.returncode == 0, done.stderr
    assert "| +20.0 [n/a] |" in done.stdout
    assert "n/a: fewer than 5 speakers" in done.stdout


def test_goes_on_and_keeps_logs(run_seeds, tmp_path):
    (tmp_path / "broken").touch()
    stopped = run_seeds(*ROWS)
    assert stopped.returncode == 1
    assert "not finished: good, seed 2; bad, seed 2" in stopped.stderr
    assert "out of memory" in stopped.stdout
    table = (tmp_path / "results/seeds/seeds.md").read_text()
    assert "| good | 2 |" in table
    folder = tmp_path / "results/seeds/good"
    kept = (folder / "1/results.json").stat().st_mtime_ns
    (tmp_path / "broken").unlink()
    done = run_seeds(*ROWS)
    assert done.returncode == 0, done.stderr
    assert (folder / "1/results.json").stat().st_mtime_ns == kept
    log = (folder / "2.txt").read_text()
    assert log.count("seed 2\n") == 2
    assert "out of memory" in log
    assert len(json.loads((folder / "2.json").read_text())) == 2
    assert len(json.loads((folder / "1.json").read_text())) == 1


def test_an_interrupted_start_costs_what_it_took(run_seeds, tmp_path):
    """Ctrl-C reaches the recipe and the script, as from a terminal."""
    with (tmp_path / "train.py").open("a") as file:
        file.write("import os, signal\nos.killpg(0, signal.SIGINT)\n")
    # What a shell runs in the background ignores Ctrl-C, and so would all that it starts.
    done = run_seeds(
        *(*ROWS[:1], "--seeds", "1"),
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert "KeyboardInterrupt" in done.stderr
    (spent,) = json.loads((tmp_path / "results/seeds/good/1.json").read_text())
    assert spent > 0


# Judges what the recipe has left, as recipes/tts/evaluate.py does.
JUDGE = """
import json, pathlib, shutil, sys
run, seed = pathlib.Path(sys.argv[1]), int(sys.argv[2])
(run / "heard").mkdir()
shutil.copy(run / "utterances_test.csv", run / "heard/utterances_model_speech.csv")
rows = {"model speech": {"WER": {"mean": 40.0 + seed, "low": 0, "high": 90}}}
results = {"options": {}, "training": {"codec": "c0dec" * 5}, "rows": rows}
(run / "heard/results.json").write_text(json.dumps(results))
"""


def test_rows_of_several_commands(run_seeds, tmp_path):
    """What the last one leaves counts, and what failed is gone on with."""
    rows = ["a=train.py && judge.py {run} {seed}"]
    rows += ["b=train.py --worse 1 && judge.py {run} {seed}", "--results", "heard"]
    failed = run_seeds(*rows, "--seeds", "1")
    assert "not finished: a, seed 1; b, seed 1" in failed.stderr
    (tmp_path / "judge.py").write_text(JUDGE)
    done = run_seeds(*rows, "--seeds", "1", "2")
    assert done.returncode == 0, done.stderr
    cells = [line.split(" | ") for line in done.stdout.splitlines() if "speech" in line]
    assert [line[-3:] for line in cells] == [
        ["model speech", "41.5 (41.0 to 42.0)", "- |"],
        ["model speech", "41.5 (41.0 to 42.0)", "+20.0 [+20.0, +20.0] |"],
    ]
    assert "fingerprint c0decc0decc0: a, b." in done.stdout


def test_rows_that_are_none(run_seeds):
    for wrong, said in (
        (["tokens"], "give NAME=COMMAND"),
        (["a=train.py", "--reference", "b"], "rows: a"),
    ):
        done = run_seeds(*wrong)
        assert done.returncode == 2
        assert said in done.stderr


def test_utterances_of_a_run_add_up(samples, tmp_path):
    """The recogniser's per-utterance errors make its word error rate."""
    from tests.recipes.running import ROWS as RECIPES
    from tests.recipes.running import flags_of, run

    row = RECIPES["asr/hparams/an4_fbank"]
    done = run(row, flags_of(row, samples), tmp_path / "run")
    assert done.returncode == 0, done.stderr[-3000:]
    with (tmp_path / "run/utterances_test.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert {line["spk_id"] for line in table} == {"g", "h"}
    rate = sum(int(line["word_errors"]) for line in table)
    rate *= 100 / sum(int(line["words"]) for line in table)
    results = json.loads((tmp_path / "run/results.json").read_text())
    assert results["test"]["WER"] == pytest.approx(rate)
    assert "beam WER" in results["test"]  # beside it, by the n-gram
