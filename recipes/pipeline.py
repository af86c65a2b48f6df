#!/usr/bin/env python3
"""All recipes in one go, on a small corpus and two cores.

    codec/train --> tokens/extract --+--> asr/train (tokens)     --+
                                     |    asr/train (the judge)  --+--> tts/evaluate
                                     +--> tts/train              --+

> python recipes/pipeline.py --data_folder /path/to/an4

What follows from the same tokens runs side by side, a core each. Every command
is one that could be typed in its recipe's folder; it is written down with its
log. Started again, it goes on where it was.

Authors
 * The dac-lobe developers 2026
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

RECIPES = Path(__file__).resolve().parent
SEED = 1986


class Step(NamedTuple):
    """A command of the pipeline, run in its recipe's folder."""

    name: str
    folder: str
    command: list[str]


class StepFailed(RuntimeError):
    """A command ended with an error."""


def parse_arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data_folder", required=True, help="AN4, see recipes/asr")
    parser.add_argument("--output_folder", default="results/pipeline")
    parser.add_argument("--source", default="16khz-small", help="codec to start from")
    parser.add_argument("--codec_steps", type=int, default=40)
    parser.add_argument("--asr_epochs", type=int, help="those of the YAML by default")
    parser.add_argument("--tts_epochs", type=int, help="those of the YAML by default")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    return parser.parse_args()


def make_steps(options):
    """Write the commands: first one after the other, then lanes, then the last."""
    data = str(Path(options.data_folder).resolve())
    output = Path(options.output_folder).resolve()
    codec, store = str(output / "codec/codec.safetensors"), str(output / "tokens/store")

    def recipe(name, script, hparams, **overrides):
        folder, _, _ = script.partition("/")
        command = [sys.executable, Path(script).name, f"hparams/{hparams}.yaml"]
        command += ["--data_folder", data, "--output_folder", str(output / name)]
        command += ["--device", "cpu"]
        if Path(script).name == "train.py":
            command += ["--noprogressbar", "--seed", str(SEED)]
        for key, value in overrides.items():
            if value is not None:
                command += [f"--{key}", str(value)]
        return Step(name, folder, command)

    def export(name):
        command = [sys.executable, "-m", "dac_lobe", "export", str(output / name)]
        command += [str(output / "exported" / name), "--model", codec]
        return Step(f"export_{name}", ".", command)

    first = [
        recipe(
            "codec",
            "codec/train.py",
            "finetune",
            source=options.source,
            total_steps=options.codec_steps,
            steps_per_epoch=options.codec_steps,
            batch_size=4,
        ),
        recipe(
            "tokens", "tokens/extract.py", "an4", model=codec, workers=options.workers
        ),
    ]
    epochs = {"number_of_epochs": options.asr_epochs}
    lanes = [
        [
            recipe("judge", "asr/train.py", "an4_fbank", apart="sentences", **epochs),
            recipe("asr", "asr/train.py", "an4_tiny", token_folder=store, **epochs),
            export("asr"),
            export("judge"),
        ],
        [
            recipe(
                "tts",
                "tts/train.py",
                "an4_tiny",
                token_folder=store,
                number_of_epochs=options.tts_epochs,
            ),
            export("tts"),
        ],
    ]
    judge = [sys.executable, "evaluate.py"]
    judge += [str(output / "exported/tts"), str(output / "exported/judge")]
    judge += ["--manifest", str(output / "tts/test.csv"), "--data_folder", data]
    judge += ["--output_folder", str(output / "evaluation")]
    return first, lanes, [Step("evaluation", "tts", judge)]


def run(step, output, threads, minutes):
    """Run a command; keep what it says, and how long it took."""
    log = output / "logs" / f"{step.name}.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    root = str(RECIPES.parent)
    variables = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]),
    }
    started = time.perf_counter()
    print(f"{step.name} ...", flush=True)
    with log.open("w", encoding="utf-8") as file:
        file.write(f"# in recipes/{step.folder}: {shlex.join(step.command)}\n")
        file.flush()
        done = subprocess.run(
            step.command,
            cwd=RECIPES / step.folder,
            env=variables,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    minutes[step.name] = (time.perf_counter() - started) / 60
    if done.returncode:
        last = log.read_text(encoding="utf-8").strip().splitlines()[-1]
        raise StepFailed(
            f"{step.name} ended with {done.returncode}: {last} (see {log})"
        )
    print(f"{step.name}: {minutes[step.name]:.1f} min", flush=True)


def run_lanes(lanes, output, minutes):
    """Run lanes side by side; the first error stops what has not begun."""
    failed = threading.Event()

    def run_lane(steps):
        for step in steps:
            if failed.is_set():
                return
            try:
                run(step, output, 1, minutes)
            except StepFailed:
                failed.set()
                raise

    with ThreadPoolExecutor(len(lanes)) as pool:
        for future in [pool.submit(run_lane, lane) for lane in lanes]:
            future.result()


def report(output, minutes, total):
    """Write what came out, as Markdown."""
    asr = json.loads((output / "asr/results.json").read_text())
    judge = json.loads((output / "judge/results.json").read_text())
    lines = [f"{total:.1f} minutes in all.", "", "| step | minutes |", "|---|---|"]
    lines += [f"| {name} | {spent:.1f} |" for name, spent in minutes.items()]
    lines += ["", "| recogniser | test WER % | test CER % |", "|---|---|---|"]
    for name, found in (("tokens", asr), ("filterbanks, the judge", judge)):
        lines.append(
            f"| {name} | {found['test']['WER']:.1f} | {found['test']['CER']:.1f} |"
        )
    lines += ["", (output / "evaluation/results.md").read_text()]
    (output / "pipeline.md").write_text("\n".join(lines))
    return "\n".join(lines)


def main():
    """Run everything; return an error or None."""
    options = parse_arguments()
    output = Path(options.output_folder).resolve()
    first, lanes, last = make_steps(options)
    minutes, started = {}, time.perf_counter()
    try:
        for step in first:
            run(step, output, options.workers, minutes)
        run_lanes(lanes, output, minutes)
        for step in last:
            run(step, output, options.workers, minutes)
    except StepFailed as error:
        return str(error)
    print(report(output, minutes, (time.perf_counter() - started) / 60))
    return None


if __name__ == "__main__":
    sys.exit(main())
