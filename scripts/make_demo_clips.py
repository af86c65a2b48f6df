"""Make the demo's clips: six synthetic voices, one in noise, one over music.

No recording of anybody is bundled. espeak-ng speaks sentences written for this
purpose, numpy makes the noise and the music. The clips are committed; run this
again only to change them (the espeak-ng version decides the exact samples):

    apt-get install espeak-ng
    python scripts/make_demo_clips.py demo/clips

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import soxr

__all__ = ["CLIPS", "Clip", "make_clip", "music", "pink_noise", "speak"]

SAMPLE_RATE = 16000
SPEECH_LEVEL = -26.0  # dB relative to full scale, root mean square


class Clip(NamedTuple):
    """What one clip is made of.

    Attributes
    ----------
    name : str
        File name without its ending.
    voice : str
        Voice of espeak-ng, with its variant.
    language : str
        ISO 639-1 code.
    background : str
        'none', 'noise' or 'music'.
    snr : float
        Level of the speech over the background, in dB.
    text : str
        What is said.
    """

    name: str
    voice: str
    language: str
    background: str
    snr: float
    text: str


CLIPS = (
    Clip(
        "english_man",
        "en-gb-x-rp+m3",
        "en",
        "none",
        np.inf,
        "A codec turns a second of speech into a few hundred small numbers.",
    ),
    Clip(
        "english_woman",
        "en-us+f3",
        "en",
        "none",
        np.inf,
        "She asked whether six thousand bits a second would be enough.",
    ),
    Clip(
        "german_woman",
        "de+f2",
        "de",
        "none",
        np.inf,
        "Zwölf kleine Tabellen genügen, um eine Stimme zu beschreiben.",
    ),
    Clip(
        "spanish_man",
        "es+m2",
        "es",
        "none",
        np.inf,
        "Cada tabla añade un detalle que la anterior dejó sin decir.",
    ),
    Clip(
        "french_man_noise",
        "fr-fr+m7",
        "fr",
        "noise",
        15.0,
        "Le bruit du vent se mêle à la voix, et il faut tout coder.",
    ),
    Clip(
        "italian_woman_music",
        "it+f4",
        "it",
        "music",
        12.0,
        "La musica suona piano mentre qualcuno racconta una storia.",
    ),
)


def speak(text: str, voice: str) -> np.ndarray:
    """Let espeak-ng say a text.

    Arguments
    ---------
    text : str
        What to say.
    voice : str
        Voice, for example 'en-gb+f3'.

    Returns
    -------
    np.ndarray
        Samples at 16 kHz, shape [T].
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        subprocess.run(
            ["espeak-ng", "-v", voice, "-s", "165", "-w", path, text], check=True
        )
        samples, rate = soundfile.read(path, dtype="float64")
    return soxr.resample(samples, rate, SAMPLE_RATE, quality="VHQ")


def pink_noise(samples: int, seed: int) -> np.ndarray:
    """Make noise whose power falls by 3 dB an octave.

    Arguments
    ---------
    samples : int
        Length.
    seed : int
        Seed of the generator.

    Returns
    -------
    np.ndarray
        Shape [samples].
    """
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(samples))
    spectrum /= np.sqrt(np.maximum(np.arange(spectrum.size), 1))
    return np.fft.irfft(spectrum, samples)


def music(samples: int) -> np.ndarray:
    """Play broken chords on a plucked string, eight notes in a second and a half.

    A note is a sum of harmonics h * f with amplitude 1 / h, of which the higher
    ones die sooner: exp(-(2 + h) * t).

    Arguments
    ---------
    samples : int
        Length.

    Returns
    -------
    np.ndarray
        Shape [samples].
    """
    chords = ((57, 60, 64, 69), (53, 57, 60, 65), (48, 55, 60, 64), (55, 59, 62, 67))
    step = int(0.1875 * SAMPLE_RATE)
    time = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    out = np.zeros(samples + time.size)
    for index, start in enumerate(range(0, samples, step)):
        chord = chords[index // 8 % len(chords)]
        frequency = 440.0 * 2 ** (
            (chord[(0, 1, 2, 3, 2, 1, 3, 2)[index % 8]] - 69) / 12
        )
        harmonics = np.arange(1, min(12, int(7000 / frequency)) + 1)[:, None]
        note = np.sin(2 * np.pi * frequency * harmonics * time) / harmonics
        note *= np.exp(-(2 + harmonics) * time)
        out[start : start + time.size] += note.sum(axis=0)
    return out[:samples]


def _at_level(signal: np.ndarray, decibels: float) -> np.ndarray:
    """Scale a signal to a root mean square level in dB of full scale."""
    return signal * (10 ** (decibels / 20) / np.sqrt(np.mean(signal**2)))


def make_clip(clip: Clip) -> np.ndarray:
    """Speak a clip's text and mix its background in.

    Arguments
    ---------
    clip : Clip
        What to make.

    Returns
    -------
    np.ndarray
        Samples at 16 kHz, shape [T], within [-1, 1].
    """
    speech = _at_level(speak(clip.text, clip.voice), SPEECH_LEVEL)
    if clip.background == "noise":
        speech += _at_level(pink_noise(speech.size, seed=0), SPEECH_LEVEL - clip.snr)
    elif clip.background == "music":
        speech += _at_level(music(speech.size), SPEECH_LEVEL - clip.snr)
    return speech / max(1.0, np.abs(speech).max() / 0.99)


def main() -> None:
    """Write the clips and their manifest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="folder to write to")
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    rows = []
    for clip in CLIPS:
        samples = make_clip(clip)
        path = output / f"{clip.name}.flac"
        soundfile.write(path, samples, SAMPLE_RATE, subtype="PCM_16")
        rows.append(
            {
                "path": path.name,
                "domain": "speech",
                "language": clip.language,
                "speaker": f"espeak-{clip.voice}",
                "background": clip.background,
                "duration_s": f"{samples.size / SAMPLE_RATE:.3f}",
                "transcript": clip.text,
            }
        )
    with (output / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
