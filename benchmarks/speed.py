"""Measure speed and memory against the other implementations of DAC.

    python benchmarks/speed.py --quick     16khz, 5 s: under 3 minutes
    python benchmarks/speed.py             all models and lengths
    python benchmarks/speed.py --write     and put the tables into docs/speed.md
    python benchmarks/speed.py --require-idle ...    or nothing on a busy machine

The same weights and the same audio through each implementation in turn, round
by round in one process, so that whatever else the machine does meets all of
them. See benchmarks/README.md for how to read the result.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import soundfile  # noqa: E402
import torch  # noqa: E402

from benchmarks import limits, machine, memory, report  # noqa: E402
from benchmarks.contenders import (  # noqa: E402
    CONTENDERS,
    OURS,
    REFERENCE,
    Codec,
    MissingError,
    load,
    prepare,
)
from benchmarks.weights import make_codec  # noqa: E402
from dac_lobe import DAC  # noqa: E402
from dac_lobe.weights.variants import VARIANTS  # noqa: E402

SHARED = ROOT.parent / "shared" / "audio"


class Case(NamedTuple):
    """A model and a length of audio."""

    model: str
    seconds: float
    rounds: int


QUICK = (Case("16khz", 5, 3),)
FULL = (
    Case("16khz-small", 10, 7),
    Case("16khz", 5, 5),
    Case("16khz", 30, 3),
    Case("44khz", 5, 3),
)


def speech(sample_rate: int, seconds: float) -> torch.Tensor:
    """Read real speech, or make a noise that is shaped like it, [1, 1, T]."""
    kilohertz = round(sample_rate / 1000)
    wanted = round(sample_rate * seconds)
    clips = sorted((SHARED / f"eval_speech_{kilohertz}k").glob("*.flac"))
    parts: list[np.ndarray] = []
    while clips and sum(map(len, parts)) < wanted:
        parts += [soundfile.read(clip, dtype="float32")[0] for clip in clips]
    if not parts:
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(wanted, generator=generator).cumsum(0)
        envelope = torch.sin(torch.arange(wanted) * 9.0 / sample_rate).square()
        parts = [(0.3 * envelope * noise / noise.abs().max()).numpy()]
    return torch.from_numpy(np.concatenate(parts)[:wanted])[None, None]


def load_codec(model: str) -> DAC:
    """Load the bundled codec, or make one of a known shape."""
    if VARIANTS[model].bundled:
        return DAC.from_pretrained(model, backend="torch")
    config = dict(VARIANTS[model].config)
    return make_codec(config, speech(config["sample_rate"], 1.0))


class Clock:
    """Times calls, by the wall's clock or by the processor's.

    The processor's leaves out what other processes take, on a machine that is
    not idle; with several threads it would count their waiting for each other.
    """

    def __init__(self, kind: str):
        self._now = time.perf_counter if kind == "wall" else time.process_time

    def __call__(self, work: Callable[..., Any], *given: Any) -> tuple[float, Any]:
        """Call ``work(*given)``; return seconds and result."""
        start = self._now()
        result = work(*given)
        return self._now() - start, result


def compare(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Signal-to-noise ratio of ``ours``, in dB; infinite if equal."""
    length = min(ours.shape[-1], theirs.shape[-1])
    truth = theirs[..., :length].double()
    noise = (ours[..., :length].double() - truth).square().sum()
    return float(10 * torch.log10(truth.square().sum() / noise))


@torch.inference_mode()
def run_case(case: Case, codec: DAC, folder: Path, clock: Clock) -> dict[str, Any]:
    """Measure one case."""
    hop = codec.hop_length
    wav = speech(codec.sample_rate, case.seconds)
    wav = wav[..., : wav.shape[-1] // hop * hop]
    loaded: dict[str, Codec] = {}
    rows: dict[str, dict[str, Any]] = {}
    for name in CONTENDERS:
        try:
            loaded[name] = load(name, folder)
        except MissingError as error:
            rows[name] = {"missing": str(error)}
            continue
        rows[name] = {"encode": [], "decode": [], "note": loaded[name].note}
        rows[name]["first_encode"], (_, z) = clock(loaded[name].encode, wav)
        rows[name]["first_decode"], _ = clock(loaded[name].decode, z)
    reference_codes, z = loaded[REFERENCE].encode(wav)
    reference_wav = loaded[REFERENCE].decode(z)
    for _ in range(case.rounds):
        for name, contender in loaded.items():
            taken, (codes, _) = clock(contender.encode, wav)
            rows[name]["encode"].append(taken)
            taken, decoded = clock(contender.decode, z)
            rows[name]["decode"].append(taken)
            # Compared outside of what is timed.
            equal = (
                codes[..., : reference_codes.shape[-1]] == reference_codes
            ).double()
            rows[name]["codes_equal"] = float(equal.mean())
            rows[name]["decode_db"] = compare(decoded, reference_wav)
    seconds = wav.shape[-1] / codec.sample_rate
    return {
        "model": case.model,
        "seconds": seconds,
        "cost": {k: v._asdict() for k, v in limits.cost_per_second(codec).items()},
        "rows": {name: _summary(row, seconds) for name, row in rows.items()},
    }


def _summary(row: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Add medians and real-time factors to a row."""
    for what in ("encode", "decode"):
        if what in row:
            row[f"{what}_median"] = statistics.median(row[what])
            row[f"{what}_xrt"] = seconds / row[f"{what}_median"]
    return row


def environment(options: argparse.Namespace) -> dict[str, Any]:
    """Describe the machine."""
    return {
        "processor": machine.processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "threads": options.threads,
        "clock": options.clock,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "load_before": machine.load(),
        "peak_gflops": limits.peak_gflops(options.threads, Clock(options.clock)),
    }


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="16khz, 5 s only")
    parser.add_argument("--model", help="this model only")
    parser.add_argument("--rounds", type=int, help="rounds of each case")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--clock",
        choices=["wall", "cpu"],
        default="wall",
        help="cpu: of one thread, on a busy machine",
    )
    parser.add_argument("--output", type=Path, help="folder for speed.md, speed.json")
    parser.add_argument("--write", action="store_true", help="update docs/speed.md")
    parser.add_argument(
        "--require-idle",
        action="store_true",
        help=f"measure nothing above a load average of {machine.IDLE}",
    )
    options = parser.parse_args()
    if options.require_idle and (problem := machine.busy()):
        parser.error(problem)
    if options.clock == "cpu":
        options.threads = 1
    torch.set_num_threads(options.threads)
    cases = [
        case._replace(rounds=options.rounds or case.rounds)
        for case in (QUICK if options.quick else FULL)
        if options.model in (None, case.model)
    ]
    found = {"environment": environment(options), "cases": []}
    with tempfile.TemporaryDirectory() as folder:
        for model in dict.fromkeys(case.model for case in cases):
            codec = load_codec(model)
            place = Path(folder) / model
            place.mkdir()
            prepare(codec, place)
            for case in (case for case in cases if case.model == model):
                print(f"{model}, {case.seconds:g} s ...", file=sys.stderr, flush=True)
                result = run_case(case, codec, place, Clock(options.clock))
                if not options.quick:
                    result["memory"] = {
                        name: taken._asdict()
                        for name in CONTENDERS
                        if "missing" not in result["rows"][name]
                        and (taken := memory.measure(place, name, case.seconds))
                    }
                found["cases"].append(result)
    found["environment"]["load_after"] = machine.load()
    text = report.markdown(found)
    print(text)
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "speed.json").write_text(json.dumps(found, indent=1) + "\n")
        (options.output / "speed.md").write_text(text + "\n")
    if options.write:
        both = f"{report.summary(found)}\n\n{text}"
        report.write_table(ROOT / "docs" / "speed.md", both)
    print(report.ratios_line(found, OURS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
