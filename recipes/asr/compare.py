#!/usr/bin/env python3
"""Put finished runs side by side, as a Markdown table.

> python compare.py tokens=results/an4_tiny/1986 filterbanks=results/an4_fbank/1986

A cell for a prefix of the codebooks is there where the run has tested it. Times
are those of the process that finished the run: a run that was stopped and went
on shows the last part.

Authors
 * The dac-lobe developers 2026
"""

import argparse
import json
from pathlib import Path


def make_table(runs):
    """Write a row for each run and each of its test sets."""
    lines = [
        "| input | parameters | epochs | CPU min | test | WER % | CER % |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, folder in runs:
        results = json.loads((Path(folder) / "results.json").read_text())
        cost = results.pop("training")
        for label, found in results.items():
            lines.append(
                f"| {name} | {cost['parameters'] / 1e6:.2f} M | {cost['epochs']} | "
                f"{cost['cpu_minutes']:.1f} | {label} | {found['WER']:.1f} | "
                f"{found['CER']:.1f} |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="NAME=FOLDER")
    options = parser.parse_args()
    print(make_table([run.split("=", 1) for run in options.runs]))
