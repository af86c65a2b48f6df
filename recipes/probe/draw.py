#!/usr/bin/env python3
"""Draw what the first codebooks of tokens keep, and write it as a table.

> python draw.py speaker=results/an4_speaker/1986 words=results/an4_words/1986 keeps.svg

Authors
 * The dac-lobe developers 2026
"""

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

# Text as text, and nothing in the file that changes from run to run.
plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "dac-lobe"})


def read_task(folder):
    """Scores by number of codebooks, what guessing would find, and a note."""
    results = json.loads((Path(folder) / "results.json").read_text())
    codec = results.pop("training")["codec"]
    scores = {int(name.split()[0]): found for name, found in results.items()}
    one = next(iter(scores.values()))
    note = (
        f"{one['labels']} labels, {one['items']} test recordings, "
        f"codec {codec[:12]} (fingerprint)"
    )
    return scores, one["guessed"], note


def draw(tasks):
    """Draw a line a task, with its chance level dotted."""
    figure, axis = plt.subplots(figsize=(5, 3.2), layout="constrained")
    for name, (scores, guessed, _) in tasks.items():
        found = [run["accuracy"] for run in scores.values()]
        (line,) = axis.plot(list(scores), found, marker="o", label=name)
        axis.axhline(guessed, color=line.get_color(), linewidth=0.8, linestyle=":")
    axis.set_xlabel("codebooks")
    axis.set_ylabel("right, %")
    axis.set_ylim(0, 100)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=9)
    return figure


def make_table(tasks):
    """Write a row for each number of codebooks."""
    counts = sorted({count for scores, *_ in tasks.values() for count in scores})
    lines = [f"| codebooks | {' | '.join(f'{name} %' for name in tasks)} |"]
    lines.append("|---" * (1 + len(tasks)) + "|")
    guesses = " | ".join(f"{guessed:.1f}" for _, guessed, _ in tasks.values())
    lines.append(f"| none: the commonest | {guesses} |")
    for count in counts:
        cells = [
            f"{scores[count]['accuracy']:.1f}" if count in scores else "-"
            for scores, *_ in tasks.values()
        ]
        lines.append(f"| {count} | {' | '.join(cells)} |")
    notes = [f"{name}: {note}" for name, (_, _, note) in tasks.items()]
    lines += ["", f"{'; '.join(notes)}."]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("picture", help="a .svg or .png file to write")
    options = parser.parse_args()
    found = {}
    for run in options.runs:
        name, _, folder = run.partition("=")
        if not folder:
            parser.error(f"run {run!r}; give NAME=FOLDER, such as words=results/...")
        found[name] = read_task(folder)
    dated = {"Date": None} if options.picture.endswith(".svg") else None
    draw(found).savefig(options.picture, metadata=dated)
    print(make_table(found))
