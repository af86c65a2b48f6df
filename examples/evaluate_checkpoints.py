"""Evaluate checkpoints in a loop, and say whether the second is better than the first.

python examples/evaluate_checkpoints.py recordings/ old.safetensors new.safetensors
"""

import sys

import pandas as pd

from evaluation import evaluate


def compare(
    recordings: str, checkpoints: list[str], metric: str = "mel_dac7"
) -> pd.DataFrame:
    """Score each checkpoint on the same recordings; one row a bitrate."""
    columns = {}
    for checkpoint in checkpoints:
        results = evaluate(recordings, [checkpoint], metrics=[metric], workers=0)
        rows = results.summary
        if results.failed_share:
            raise SystemExit(f"{checkpoint}: {results.commonest_failure}")
        columns[checkpoint] = rows.set_index("kbps")[f"{metric}_mean"]
    return pd.DataFrame(columns)


def paired(
    recordings: str, checkpoints: list[str], metric: str = "mel_dac7"
) -> pd.DataFrame:
    """Differences from the first, paired by recording, with intervals."""
    return evaluate(recordings, checkpoints, metrics=[metric], workers=0).paired


if __name__ == "__main__":
    folder, *files = sys.argv[1:]
    print(compare(folder, files).round(3).to_string())
    print(paired(folder, files).round(3).to_string())
