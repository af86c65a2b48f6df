"""What the probe's table says, and that its picture says the same each time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def write_run(folder: Path, accuracies: dict[int, float], guessed: float) -> Path:
    """Leave behind what recipes/probe/train.py does."""
    folder.mkdir()
    sizes = {"labels": 3, "items": 20, "guessed": guessed}
    results = {
        f"{count} codebooks": {"accuracy": accuracy, **sizes}
        for count, accuracy in accuracies.items()
    }
    results["training"] = {"codec": "0123456789abcdef"}
    (folder / "results.json").write_text(json.dumps(results))
    return folder


def test_table_and_picture(tmp_path):
    speaker = write_run(tmp_path / "s", {1: 50.0, 2: 62.5}, 10.0)
    words = write_run(tmp_path / "w", {1: 25.0, 12: 75.0}, 5.0)
    command = [sys.executable, str(ROOT / "recipes/probe/draw.py")]
    command += [f"speaker={speaker}", f"words={words}"]
    pictures = [tmp_path / "first.svg", tmp_path / "second.svg"]
    for picture in pictures:
        done = subprocess.run([*command, picture], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "| codebooks | speaker % | words % |",
        "|---|---|---|",
        "| none: the commonest | 10.0 | 5.0 |",
        "| 1 | 50.0 | 25.0 |",
        "| 2 | 62.5 | - |",
        "| 12 | - | 75.0 |",
        "",
        "speaker: 3 labels, 20 test recordings, codec 0123456789ab "
        "(fingerprint); words: 3 labels, 20 test recordings, codec "
        "0123456789ab (fingerprint).",
    ]
    assert pictures[0].read_bytes() == pictures[1].read_bytes()
    assert ">words</text>" in pictures[0].read_text()
