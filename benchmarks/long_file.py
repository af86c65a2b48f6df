"""Peak memory of the file face for files of 1, 10 and 60 minutes.

    python benchmarks/long_file.py
    python benchmarks/long_file.py --minutes 1,10 --model 16khz --random --backend torch

Each face runs in a process of its own. Two figures are printed: the resident peak
above what the process held when the model was loaded and nothing was run, and the
peak in all, interpreter, libraries and weights included. Exits with 1 if a streaming
face needs more for the longest file than for the shortest, by more than a tenth of
the latter's peak in all.

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
import torch  # noqa: E402

from benchmarks.memory import peak_above, status  # noqa: E402
from dac_lobe import DAC  # noqa: E402
from dac_lobe.weights.variants import variant  # noqa: E402

FACES = ("encode_file", "encode_file_to", "decode_file")
RETURNS_ALL = "encode_file"  # all codes, 2 bytes each: the others must not grow
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
    from dac_lobe.files import decode_file, encode_file, encode_file_to

    codec = DAC.from_pretrained(options["model"], backend=options["backend"])
    run = {
        "encode_file": lambda: encode_file(codec, audio),
        "encode_file_to": lambda: encode_file_to(codec, audio, packed, resume=False),
        "decode_file": lambda: decode_file(codec, packed, packed.with_suffix(".wav")),
    }[face]
    gc.collect()
    start, base = time.perf_counter(), status("VmRSS")
    peak = peak_above(base, run)
    seconds = time.perf_counter() - start
    return {"above": peak, "in_all": base + peak, "seconds": seconds}


def measure(face: str, audio: Path, packed: Path, options: dict) -> dict:
    """Run one face in a fresh process."""
    order = [face, str(audio), str(packed), json.dumps(options)]
    command = [sys.executable, __file__, "--here", *order]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def random_weights(name: str, folder: Path) -> Path:
    """Write the network of a variant with weights drawn at random: memory is the same."""
    torch.manual_seed(0)
    return DAC(**variant(name).config).save(folder / "random.safetensors")


def main() -> int:
    """Print the table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", default="1,10,60")
    parser.add_argument("--model", default="16khz-small")
    parser.add_argument(
        "--random", action="store_true", help="its network, with random weights"
    )
    parser.add_argument("--backend", default="auto", help="auto, torch or native")
    parser.add_argument("--faces", default=",".join(FACES))
    arguments = parser.parse_args()
    faces = arguments.faces.split(",")
    peaks: dict[str, list[float]] = {face: [] for face in faces}
    heads = [f"{face}: MB above the model | in all | x real time" for face in faces]
    print(f"| minutes | {' | '.join(heads)} |")
    print("| --: |" + " --: |" * 3 * len(faces))
    with tempfile.TemporaryDirectory() as name:
        folder, model = Path(name), arguments.model
        if arguments.random:
            model = str(random_weights(model, folder))
        options = {"model": model, "backend": arguments.backend}
        rate = DAC.from_pretrained(model).sample_rate
        for minutes in map(float, arguments.minutes.split(",")):
            audio, packed = folder / "audio.wav", folder / "packed.dac"
            write_noise(audio, minutes, rate)
            cells = [f"{minutes:g}"]
            for face in faces:
                row = measure(face, audio, packed, options)
                peaks[face].append(row["in_all"])
                cells += [f"{row['above']:.0f}", f"{row['in_all']:.0f}"]
                cells.append(f"{60 * minutes / row['seconds']:.1f}")
            print(f"| {' | '.join(cells)} |", flush=True)
    flat = True
    for face in faces:
        growth = peaks[face][-1] / peaks[face][0]
        flat &= face == RETURNS_ALL or growth <= TOLERANCE
        print(f"{face}: the longest file's peak is {growth:.2f} times the shortest's")
    return 0 if flat else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--here"]:
        face, audio, packed, options = sys.argv[2:]
        row = measure_here(face, Path(audio), Path(packed), json.loads(options))
        print(json.dumps(row))
    else:
        sys.exit(main())
