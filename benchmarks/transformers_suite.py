"""Run transformers' own DAC tests against dac_lobe.hf.

    python benchmarks/transformers_suite.py CHECKOUT

CHECKOUT is a clone of https://github.com/huggingface/transformers at the tag of
the installed version; nothing of it is kept here. Its tests/models/dac run twice,
against transformers' classes and against ours, each in a process of its own.
Tests that need the hub are skipped. What passes with theirs must pass with ours.
Needs what the clone's tests import, parameterized among it.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import types
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
FACES = ("DacConfig", "DacFeatureExtractor", "DacModel")

# Tests that must differ, because they pin down a defect that is mended: name of the
# test -> the defect. None so far.
MENDED: dict[str, str] = {}


class Recorder:
    """A pytest plugin that keeps how each test ended."""

    def __init__(self):
        self.outcomes: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items):
        """Run a test that looks for a copyright year in the file of the class."""
        switch = "test_can_init_all_missing_weights_before_2023"
        for item in items:
            if hasattr(item.cls, switch):
                setattr(item.cls, switch, True)

    def pytest_runtest_logreport(self, report):
        """Keep the worst of set-up, call and tear-down."""
        name = report.nodeid.partition("::")[2]
        if report.failed or (report.when == "call" or report.skipped):
            if self.outcomes.get(name) != "failed":
                self.outcomes[name] = report.outcome

    def pytest_collectreport(self, report):
        """Count a file that cannot be imported as a failure."""
        if report.failed:
            self.outcomes[report.nodeid] = "failed"


def run(checkout: Path, face: str, output: Path) -> None:
    """Run the suite in this process and write the outcomes."""
    import pytest
    import transformers

    def needs_the_hub(*_, **__):
        pytest.skip("needs the hub")

    datasets = types.ModuleType("datasets")
    datasets.Audio = datasets.load_dataset = needs_the_hub
    sys.modules["datasets"] = datasets
    if face == "ours":
        from dac_lobe import hf

        for name in FACES:
            setattr(transformers, name, getattr(hf, name))
    os.chdir(checkout)
    recorder = Recorder()
    pytest.main(
        [
            "tests/models/dac",
            "-q",
            "--no-header",
            "--tb=short",
            "--disable-warnings",
            "-p",
            "no:cacheprovider",
        ],
        plugins=[recorder],
    )
    output.write_text(json.dumps(recorder.outcomes))


def outcomes(checkout: Path, face: str) -> dict[str, str]:
    """Run the suite in another process; return how each test ended."""
    paths = [str(ROOT), str(checkout), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }
    with TemporaryDirectory() as folder:
        output = Path(folder) / "outcomes.json"
        command = [sys.executable, __file__, str(checkout), "--face", face]
        subprocess.run([*command, "--output", str(output)], env=environment, check=True)
        return json.loads(output.read_text())


def main() -> int:
    """Compare both faces; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("checkout", type=Path, help="a clone of transformers")
    parser.add_argument("--face", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    checkout = options.checkout.resolve()
    if not (checkout / "tests" / "models" / "dac").is_dir():
        parser.error(f"{checkout} holds no tests/models/dac: not such a clone")
    if options.face:
        run(checkout, options.face, options.output)
        return 0
    theirs, ours = outcomes(checkout, "theirs"), outcomes(checkout, "ours")
    worse = sorted(
        name
        for name, outcome in theirs.items()
        if outcome == "passed" and ours.get(name) != "passed" and name not in MENDED
    )
    print("transformers' classes:", dict(Counter(theirs.values())))
    print("dac_lobe.hf:          ", dict(Counter(ours.values())))
    for name in sorted(theirs.keys() & MENDED.keys()):
        print(f"mended: {name}: {MENDED[name]}")
    for name in worse:
        print(f"WORSE: {name}: {theirs[name]} -> {ours.get(name, 'not run')}")
    if not any(outcome == "passed" for outcome in theirs.values()):
        print("nothing passed even with transformers' classes: is the tag the same?")
        return 1
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
