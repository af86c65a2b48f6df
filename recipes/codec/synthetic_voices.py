#!/usr/bin/env python3
"""Let espeak-ng read the transcripts of a corpus, as a small share of training speech.

> python synthetic_voices.py /path/to/corpus/manifest.csv voices/ --minutes 12

The demo's clips are synthetic voices; these are others, with other texts, so that such
voices are not foreign to the codec. Writes FLAC files and a manifest.csv. Needs
espeak-ng (Debian: apt-get install espeak-ng).

Authors
 * The dac-lobe developers 2026
"""

import argparse
import csv
import random
import subprocess
import tempfile
from pathlib import Path

import soundfile
import soxr

SAMPLE_RATE = 16000
LANGUAGES = (
    "en-us",
    "en-gb",
    "en-gb-scotland",
    "de",
    "es-419",
    "fr-be",
    "it",
    "pt",
    "nl",
    "pl",
)
# Those of the demo (m2, m3, m7, f2, f3, f4) are left out.
VARIANTS = ("m1", "m4", "m5", "m6", "m8", "f1", "f5")


def speak(text, voice, speed, pitch):
    """Waveform of a text, at 16 kHz."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        options = ["-v", voice, "-s", str(speed), "-p", str(pitch), "-w", str(path)]
        subprocess.run(["espeak-ng", *options, "--", text], check=True)
        wav, rate = soundfile.read(path, dtype="float32")
    return soxr.resample(wav, rate, SAMPLE_RATE, quality="VHQ")


def main():
    """Write the voices and their manifest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path, help="CSV with a column 'transcript'")
    parser.add_argument("output", type=Path)
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--seed", type=int, default=1986)
    given = parser.parse_args()
    with given.manifest.open(newline="", encoding="utf-8") as file:
        texts = [row["transcript"] for row in csv.DictReader(file)]
    texts = sorted({text.lower() for text in texts if 20 <= len(text) <= 160})
    draw = random.Random(given.seed)
    draw.shuffle(texts)
    given.output.mkdir(parents=True, exist_ok=True)
    rows, seconds = [], 0.0
    for number, text in enumerate(texts):
        if seconds >= 60 * given.minutes:
            break
        voice = f"{draw.choice(LANGUAGES)}+{draw.choice(VARIANTS)}"
        wav = speak(text, voice, draw.randint(130, 190), draw.randint(30, 70))
        wav *= 10 ** (draw.uniform(-32, -22) / 20) / max(1e-4, (wav**2).mean() ** 0.5)
        wav = wav.clip(-0.98, 0.98)
        name = f"{number:04d}.flac"
        soundfile.write(given.output / name, wav, SAMPLE_RATE)
        duration = len(wav) / SAMPLE_RATE
        seconds += duration
        rows.append({"path": name, "speaker": voice, "duration_s": f"{duration:.3f}"})
    with (given.output / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["path", "speaker", "duration_s"])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
