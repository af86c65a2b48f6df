"""Peak memory of the file face for files of 1, 10 and 60 minutes.

    python benchmarks/long_file.py
    python benchmarks/long_file.py --minutes 1,3 --model 16khz-small --backend torch

Each row is measured in a process of its own, above the memory that it has when the
model is loaded and nothing was run. Exits with 1 if the streaming faces need more
for the longest file than for the shortest, by more than a tenth.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import soundfile  # noqa: E402

from benchmarks.memory import peak_above, status  # noqa: E402

# The first returns all codes, so it grows by 2 bytes a code; the others must not.
FACES = ("encode_file", "encode_file_to", "decode_file")
TOLERANCE = 1.1


def write_noise(path: Path, minutes: float, rate: int) -> None:
    """Write noise that swells like speech, second by second."""
    generator = np.random.default_rng(0)
    swell = 0.1 * (1 + np.sin(2 * np.pi * 4 * np.arange(rate) / rate))
    with soundfile.SoundFile(path, "w", rate, 1, "PCM_16") as file:
        for _ in range(round(60 * minutes)):
            file.write(swell * generator.standard_normal(rate))


def measure_here(face: str, audio: Path, packed: Path, options: dict) -> dict:
    """Run one face in this process; return megabytes and seconds."""
    from dac_lobe import DAC
    from dac_lobe.files import decode_file, encode_file, encode_file_to

    codec = DAC.from_pretrained(options["model"], backend=options["backend"])
    run = {
        "encode_file": lambda: encode_file(codec, audio),
        "encode_file_to": lambda: encode_file_to(codec, audio, packed, resume=False),
        "decode_file": lambda: decode_file(codec, packed, packed.with_suffix(".wav")),
    }[face]
    gc.collect()
    start = time.perf_counter()
    peak = peak_above(status("VmRSS"), run)
    return {"MB": peak, "seconds": time.perf_counter() - start}


def measure(face: str, audio: Path, packed: Path, options: dict) -> dict:
    """Run one face in a fresh process."""
    order = [face, str(audio), str(packed), json.dumps(options)]
    command = [sys.executable, __file__, "--here", *order]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def main() -> int:
    """Print the table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", default="1,10,60")
    parser.add_argument("--model", default="16khz-small")
    parser.add_argument("--backend", default="auto", help="auto, torch or native")
    arguments = parser.parse_args()
    options = {"model": arguments.model, "backend": arguments.backend}

    from dac_lobe import DAC

    rate = DAC.from_pretrained(arguments.model).sample_rate
    peaks: dict[str, list[float]] = {face: [] for face in FACES}
    print(f"| minutes | {' | '.join(f'{f}, MB | x real time' for f in FACES)} |")
    print("| --: |" + " --: |" * 2 * len(FACES))
    with tempfile.TemporaryDirectory() as folder:
        for minutes in map(float, arguments.minutes.split(",")):
            audio, packed = Path(folder, "audio.wav"), Path(folder, "packed.dac")
            write_noise(audio, minutes, rate)
            cells = [f"{minutes:g}"]
            for face in FACES:
                row = measure(face, audio, packed, options)
                peaks[face].append(row["MB"])
                cells += [f"{row['MB']:.0f}", f"{60 * minutes / row['seconds']:.1f}"]
            print(f"| {' | '.join(cells)} |", flush=True)
    flat = True
    for face in FACES[1:]:
        growth = peaks[face][-1] / peaks[face][0]
        flat &= growth <= TOLERANCE
        print(f"{face}: the longest file needs {growth:.2f} times the shortest's peak")
    return 0 if flat else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--here"]:
        face, audio, packed, options = sys.argv[2:]
        row = measure_here(face, Path(audio), Path(packed), json.loads(options))
        print(json.dumps(row))
    else:
        sys.exit(main())
