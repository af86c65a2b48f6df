#!/usr/bin/env python3
r"""Train rows of a table with several seeds each, and write the table.

    results/seeds/<row>/<seed>/      a run's output folder
                 /<row>/<seed>.txt   its log
                 /<row>/<seed>.json  CPU minutes of every start
                 /seeds.md           the table

A row is a name and a recipe's command, without seed and output folder. Run in a
recipe's folder:

> python ../run_seeds.py --seeds 1986 1987 1988 \
>     tokens="train.py hparams/an4_tiny.yaml --data_folder D --token_folder S" \
>     filterbanks="train.py hparams/an4_fbank.yaml --data_folder D"

A row of several commands has them joined by " && ". One that names {run} gets a
run's output folder there, and {seed} replaced, instead of the options that a
recipe's train.py takes. The last one may leave the results in a folder of its own
(recipes/tts: the judge's), which --results names.

Finished runs are kept, so the same command goes on after an interruption, and
adds a seed or a row. The first seed of every row comes before the second. The
table has what has finished, and says how many seeds that is, and which codec the
tokens are of. With --table_only --test test one of a single test is printed, and
the file stays.

Authors
 * The dac-lobe developers 2026
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dac_lobe.disk.atomic import replacing  # noqa: E402
from dac_lobe.nnet.utterances import read_utterances  # noqa: E402
from evaluation.results.statistics import LEAST_CLUSTERS, interval  # noqa: E402

LABELS = ("WER", "CER", "beam WER", "accuracy", "CE")


def parse_arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="+", metavar="NAME=COMMAND")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1986, 1987, 1988])
    parser.add_argument("--output_folder", type=Path, default=Path("results/seeds"))
    parser.add_argument("--reference", help="row to compare with; the first by default")
    parser.add_argument(
        "--results", default=".", help="folder in a run's with results.json"
    )
    parser.add_argument("--table_only", action="store_true", help="train nothing")
    parser.add_argument("--test", help="the only test in the table; all by default")
    options = parser.parse_args()
    for row in options.rows:
        if not all(row.partition("=")[::2]):
            parser.error(
                f"row {row!r}; give NAME=COMMAND, such as tokens='train.py ...'"
            )
    options.output_folder = options.output_folder.resolve()
    options.rows = dict(row.split("=", 1) for row in options.rows)
    options.reference = options.reference or next(iter(options.rows))
    if options.reference not in options.rows:
        parser.error(
            f"--reference {options.reference}; rows: {', '.join(options.rows)}"
        )
    return options


def split_command(command, folder, seed):
    """Split a row into the commands of one seed."""
    for part in command.split(" && "):
        if "{run}" in part:
            part = part.replace("{run}", shlex.quote(str(folder)))
            yield [sys.executable, *shlex.split(part.replace("{seed}", str(seed)))]
        else:
            options = ["--seed", str(seed), "--output_folder", str(folder)]
            yield [sys.executable, *shlex.split(part), *options, "--noprogressbar"]


def train(command, folder, seed):
    """Run or resume the commands of one seed; return whether all finished."""
    log, cost = folder.with_suffix(".txt"), folder.with_suffix(".json")
    folder.parent.mkdir(parents=True, exist_ok=True)
    search = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    before = children_seconds()
    try:
        with log.open("a", encoding="utf-8") as file:  # what was said before stays
            for part in split_command(command, folder, seed):
                file.write(f"# {shlex.join(part[1:])}\n")
                file.flush()
                done = subprocess.run(
                    part,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, "PYTHONPATH": search},
                )
                if done.returncode:
                    break
    finally:  # Ctrl-C, too
        spent = json.loads(cost.read_text()) if cost.exists() else []
        spent.append((children_seconds() - before) / 60)
        with replacing(cost) as file:
            file.write(json.dumps(spent).encode() + b"\n")
    if done.returncode:
        last = log.read_text(encoding="utf-8").strip().splitlines()[-1]
        print(f"{folder}: ended with {done.returncode}: {last} (see {log})")
    return done.returncode == 0


def children_seconds():
    """CPU seconds of the processes that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def results_folder(options, row, seed):
    """Where a run of a row leaves its results."""
    return options.output_folder / row / str(seed) / options.results


def read_runs(options):
    """Results of what has finished: row, then seed, then test, then metric."""
    found = {}
    for row in options.rows:
        found[row] = {}
        for seed in options.seeds:
            path = results_folder(options, row, seed) / "results.json"
            if path.is_file():
                results = json.loads(path.read_text())
                if "rows" in results:  # of recipes/tts/evaluate.py
                    results = {"training": results["training"], **results["rows"]}
                nested = isinstance(next(iter(results.values())), dict)
                found[row][seed] = results if nested else {"test": results}
    return found


def compare(options, row, seeds, test):
    """Difference of word error rates in points, with its interval over speakers.

    Errors of an utterance are averaged over the seeds that both have; then whole
    speakers are drawn, with all their utterances in both rows.
    """
    deltas, words, speakers = {}, {}, {}
    for seed in seeds:
        first, second = (
            read_utterances(results_folder(options, name, seed), test)
            for name in (row, options.reference)
        )
        if not first or first.keys() != second.keys():
            return None
        for name, found in first.items():
            delta = found.word_errors - second[name].word_errors
            deltas[name] = deltas.get(name, 0) + delta / len(seeds)
            words[name] = found.words
            speakers[name] = found.spk_id
    names = sorted(deltas)
    rates = [100 * deltas[name] / words[name] for name in names]
    clusters = [speakers[name] for name in names]
    weights = [words[name] for name in names]
    return interval(rates, clusters, weights, label=f"{row} {options.reference} {test}")


def difference(gap):
    """Write a difference with its interval, which few speakers do not have."""
    if np.isnan(gap.low):
        return f"{gap.mean:+.1f} [n/a]"
    return f"{gap.mean:+.1f} [{gap.low:+.1f}, {gap.high:+.1f}]"


def minutes(options, row, seeds):
    """CPU minutes of a row's runs, all starts counted."""
    costs = [options.output_folder / row / f"{seed}.json" for seed in seeds]
    return [sum(json.loads(path.read_text())) for path in costs if path.exists()]


def mean(value):
    """Take a value, or the mean of one that has an interval."""
    return value["mean"] if isinstance(value, dict) else value


def spread(values, form="{:.1f}"):
    """Mean, and lowest to highest."""
    shown = [
        form.format(value) for value in (np.mean(values), min(values), max(values))
    ]
    return shown[0] if len(values) == 1 else f"{shown[0]} ({shown[1]} to {shown[2]})"


def footnote(found, speakers):
    """Say what the cells are, and which codec the tokens of each row are of."""
    said = ["Percent: mean (lowest to highest) over seeds."]
    if speakers:
        said.append(
            "Difference in points, with its 95 % interval from drawing the "
            f"{' or '.join(map(str, sorted(speakers)))} speakers; errors averaged over "
            "seeds first."
        )
        if min(speakers) < LEAST_CLUSTERS:
            said.append(f"n/a: fewer than {LEAST_CLUSTERS} speakers.")
    rows_of = {}
    for row, runs in found.items():
        for run in runs.values():
            codec = run.get("training", {}).get("codec")
            if codec:
                rows_of.setdefault(codec, {})[row] = True
    for codec, rows in sorted(rows_of.items()):
        said.append(f"Codec with the fingerprint {codec[:12]}: {', '.join(rows)}.")
    return " ".join(said)


def make_table(options):
    """Write a row for each row and each of its tests."""
    found, reference = read_runs(options), options.reference
    results = [
        (test, values)
        for row in found.values()
        for run in row.values()
        for test, values in run.items()
        if test != "training" and options.test in (None, test)
    ]
    speakers = set()
    metrics = [name for name in LABELS if any(name in values for _, values in results)]
    lines = [
        f"| row | seeds | CPU min | test | {' | '.join(metrics)} | WER - {reference} |",
        "|---" * (5 + len(metrics)) + "|",
    ]
    for test in dict(results):
        for row, runs in found.items():
            have = {seed: run[test] for seed, run in runs.items() if test in run}
            if not have:
                continue
            cost = minutes(options, row, have)
            cells = [row, str(len(have)), spread(cost) if cost else "-", test]
            for metric in metrics:
                values = [mean(run[metric]) for run in have.values() if metric in run]
                cells.append(spread(values) if values else "-")
            both = [seed for seed in have if test in found[reference].get(seed, {})]
            gap = None
            if row != reference and both:
                gap = compare(options, row, both, test)
                speakers |= {gap.clusters} if gap else set()
            cells.append(difference(gap) if gap else "-")
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", footnote(found, speakers)]
    return "\n".join(lines)


def main():
    """Train what is missing, write the table; return an error or None."""
    options = parse_arguments()
    failed = []
    for seed in options.seeds if not options.table_only else ():
        for row, command in options.rows.items():
            if (results_folder(options, row, seed) / "results.json").is_file():
                continue
            print(f"{row}, seed {seed} ...", flush=True)
            if not train(command, options.output_folder / row / str(seed), seed):
                failed.append(f"{row}, seed {seed}")
    table = make_table(options)
    if options.test is None:
        with replacing(options.output_folder / "seeds.md") as file:
            file.write(f"{table}\n".encode())
    print(table)
    return f"not finished: {'; '.join(failed)}" if failed else None


if __name__ == "__main__":
    sys.exit(main())
