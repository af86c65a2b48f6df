#!/usr/bin/env python3
"""Draw the curves of training logs; several are stages of one model.

> python curves.py results/small_16khz/1986/train_log.txt curves.svg
> python curves.py logs/small_16khz.txt logs/small_16khz_continued.txt curves.svg

Authors
 * The dac-lobe developers 2026
"""

import re
import sys

import matplotlib
import pandas as pd

matplotlib.use("Agg")
import matplotlib.pyplot as plt

PANELS = {
    "mel": "mel distance (7 scales)",
    "wav": "waveform L1 / level",
    "pesq_wb": "PESQ-WB",
    "stoi": "STOI",
}


def read_log(path):
    """Read a train_log.txt: one row per validation, numbers only."""
    rows = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith("epoch"):
                pairs = re.findall(r"([a-z][\w ]*): ([-+.\de]+)", line)
                rows.append({name: float(value) for name, value in pairs})
    return pd.DataFrame(rows)


def join(paths):
    """Read the logs of a model's stages: steps count on, the skeleton is left out.

    Returns the rows, and at which steps a stage ended.
    """
    logs, ends = [], [0]
    for path in paths:
        log = read_log(path)
        log["step"] += ends[-1]
        ends.append(log["step"].max())
        logs.append(log[log["train commitment"].notna()])
    return pd.concat(logs), ends[1:-1]


def draw(log, ends=()):
    """Draw held-out scores over steps, one line per number of codebooks."""
    shown = {
        title: [c for c in log if re.fullmatch(rf"valid {name}\d+", c)]
        for name, title in PANELS.items()
    }
    shown = {title: columns for title, columns in shown.items() if columns}
    figure, axes = plt.subplots(
        1, len(shown), figsize=(3.2 * len(shown), 2.8), layout="constrained"
    )
    for axis, (title, columns) in zip(axes, shown.items(), strict=True):
        for column in columns:
            used = re.search(r"\d+$", column).group()
            scores = log[["step", column]].dropna()
            axis.plot(scores["step"], scores[column], label=f"{used} codebooks")
        for end in ends:
            axis.axvline(end, color="gray", linewidth=0.8, linestyle=":")
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("optimizer step")
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    return figure


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: curves.py TRAIN_LOG... PICTURE")
    # Without today's date: the same logs make the same bytes.
    dated = {"Date": None} if sys.argv[-1].endswith(".svg") else None
    draw(*join(sys.argv[1:-1])).savefig(sys.argv[-1], metadata=dated)
