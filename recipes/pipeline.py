#!/usr/bin/env python3
"""All recipes in one go, on a small corpus and two cores.

    codec/train --> tokens/extract --+--> asr/train (tokens)     --+
                                     |    asr/train (the judge)  --+--> tts/evaluate
                                     +--> tts/train              --+

> python recipes/pipeline.py --data_folder /path/to/an4

What follows from the same tokens runs side by side, a core each. Every command
is one that could be typed in its recipe's folder; it is written down with its
log. While a step runs, its own progress is printed, with the share of the whole
that is done and about how long the rest takes. Started again, it goes on where
it was.

Authors
 * The dac-lobe developers 2026
"""

import argparse
import json
import os
import re
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
# Minutes of each step when the README's table was made: their shares of the whole.
MINUTES = {
    "codec": 3.2,
    "tokens": 1.1,
    "judge": 4.6,
    "asr": 4.4,
    "export_asr": 0.1,
    "export_judge": 0.1,
    "tts": 7.5,
    "export_tts": 0.1,
    "evaluation": 0.9,
}
POLL_SECONDS = 2
EPOCH = re.compile(r"\bepoch: (\d+)")
COUNT = re.compile(r": (\d+) of (\d+)\s*$", re.MULTILINE)


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


class Progress:
    """How far each step is, in print."""

    def __init__(self, names):
        self.total = sum(MINUTES.get(name, 1.0) for name in names)
        self.done = dict.fromkeys(names, 0.0)
        self.started = time.perf_counter()
        self.lock = threading.Lock()
        self.last = {}

    def share(self):
        """Share of the whole that is done, from 0 to 1."""
        done = sum(MINUTES.get(name, 1.0) * part for name, part in self.done.items())
        return done / self.total

    def tell(self, name, said, part):
        """Print what a step says, if it is news."""
        with self.lock:
            if self.last.get(name) == said:
                return
            self.last[name], self.done[name] = said, part
            share = self.share()
            line = f"{name}: {said} | {100 * share:.0f} % of all"
            if 0 < share < 1:
                spent = (time.perf_counter() - self.started) / 60
                line += f", about {spent * (1 - share) / share:.1f} min left"
            print(line, flush=True)


def read_progress(log, step):
    """Read what a step's log says last, and the part of the step that it means."""
    text = log.read_text(encoding="utf-8", errors="replace")
    counts = COUNT.findall(text)
    if counts:
        done, total = map(int, counts[-1])
        return f"{done} of {total}", done / total
    epochs, total = EPOCH.findall(text), count_epochs(step)
    if epochs and total:
        done = int(epochs[-1])
        return f"epoch {done} of {total}", min(done / total, 1.0)
    return None


def count_epochs(step):
    """Epochs of a training: of its command, or of its YAML."""
    if "--number_of_epochs" in step.command:
        return int(step.command[step.command.index("--number_of_epochs") + 1])
    for word in step.command:
        if word.startswith("hparams/"):
            text = (RECIPES / step.folder / word).read_text(encoding="utf-8")
            found = re.search(r"^number_of_epochs: (\d+)", text, re.MULTILINE)
            return int(found[1]) if found else None
    return None


def run(step, output, threads, minutes, progress):
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
    progress.tell(step.name, "started", 0.0)
    with log.open("w", encoding="utf-8") as file:
        file.write(f"# in recipes/{step.folder}: {shlex.join(step.command)}\n")
        file.flush()
        process = subprocess.Popen(
            step.command,
            cwd=RECIPES / step.folder,
            env=variables,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        try:
            while process.poll() is None:
                try:
                    process.wait(POLL_SECONDS)
                except subprocess.TimeoutExpired:
                    said = read_progress(log, step)
                    if said:
                        progress.tell(step.name, *said)
        finally:
            process.terminate()  # if we were interrupted; one that ended ignores it
            process.wait()
    minutes[step.name] = (time.perf_counter() - started) / 60
    if process.returncode:
        last = log.read_text(encoding="utf-8").strip().splitlines()[-1]
        raise StepFailed(
            f"{step.name} ended with {process.returncode}: {last} (see {log})"
        )
    progress.tell(step.name, f"done in {minutes[step.name]:.1f} min", 1.0)


def run_lanes(lanes, output, minutes, progress):
    """Run lanes side by side; the first error stops what has not begun."""
    failed = threading.Event()

    def run_lane(steps):
        for step in steps:
            if failed.is_set():
                return
            try:
                run(step, output, 1, minutes, progress)
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
    steps = [*first, *(step for lane in lanes for step in lane), *last]
    progress = Progress([step.name for step in steps])
    try:
        for step in first:
            run(step, output, options.workers, minutes, progress)
        run_lanes(lanes, output, minutes, progress)
        for step in last:
            run(step, output, options.workers, minutes, progress)
    except StepFailed as error:
        return str(error)
    print(report(output, minutes, (time.perf_counter() - started) / 60))
    return None


if __name__ == "__main__":
    sys.exit(main())
