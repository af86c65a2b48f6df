"""Make a small corpus of spoken digits, offline: AN4 in miniature.

    python scripts/make_digits.py digits --utterances 120

Twelve speakers say strings of two to five digits. A voice is a pulse train through
three moving formants, a fricative is noise in a band (source and filter; vowels from
Peterson and Barney, "Control methods used in a study of the vowels", 1952). Nobody's
recording is needed, and every run gives the same samples. It is for tutorials and
tests: enough to train something and see that it learns, nothing to report.

The folder gets ``train.csv``, ``valid.csv`` and ``test.csv``, which
`dac_lobe.data.prepare_an4` takes, with no speaker in two of them; and ``manifest.csv``
for the codec's recipe.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import ShortTimeFFT

__all__ = ["make_digits", "speak"]

RATE = 16000  # Hz
HOP = 80  # samples between targets: 5 ms
BANDWIDTHS = (80.0, 110.0, 160.0)  # of the formants, Hz

# Three formants in Hz, milliseconds.
VOICED = {
    "IY": (270, 2290, 3010, 130), "IH": (390, 1990, 2550, 90),
    "EH": (530, 1840, 2480, 110), "AH": (640, 1190, 2390, 100),
    "AA": (730, 1090, 2440, 110), "AO": (570, 840, 2410, 130),
    "UW": (300, 870, 2240, 140), "W": (290, 610, 2150, 60),
    "R": (330, 1060, 1400, 70), "N": (250, 1350, 2500, 80),
    "V": (250, 1100, 2400, 50), "Z": (250, 1500, 2500, 80),
}  # fmt: skip
# Centre and width of the noise in Hz, milliseconds.
NOISE = {
    "F": (3500, 2500, 100), "S": (6000, 1200, 120), "Z": (6000, 1200, 80),
    "TH": (4500, 2500, 80), "T": (4500, 1500, 40), "K": (1900, 700, 40),
    "V": (3000, 2000, 50),
}  # fmt: skip
DIGITS = {
    "ZERO": "Z IH R AO UW", "ONE": "W AH N", "TWO": "T UW", "THREE": "TH R IY",
    "FOUR": "F AO R", "FIVE": "F AA IH V", "SIX": "S IH K S",
    "SEVEN": "S EH V AH N", "EIGHT": "EH IH T", "NINE": "N AA IH N",
}  # fmt: skip


def _targets(words: list[str], speed: float) -> tuple[np.ndarray, ...]:
    """Lay out formants, noise bands, voicing and frication, one row each 5 ms."""
    rows: list[tuple[float, ...]] = []
    formants, band = (500.0, 1500.0, 2500.0), (4000.0, 2000.0)
    for word in words:
        for phone in DIGITS[word].split():
            voiced, noise = VOICED.get(phone), NOISE.get(phone)
            formants = voiced[:3] if voiced else formants
            band = noise[:2] if noise else band
            length = round((voiced or noise)[-1] / speed / (1000 * HOP / RATE))
            # A plosive is a closure and a burst.
            closed = length if phone in ("T", "K") else 0
            level = (float(voiced is not None), 0.5 * (noise is not None))
            rows += [(*formants, *band, 0.0, 0.0)] * closed
            rows += [(*formants, *band, *level)] * length
        rows += [(*formants, *band, 0.0, 0.0)] * 16
    track = np.array([rows[0]] * 10 + rows)
    # Articulators move: 35 ms from one target to the next.
    window = np.hanning(9)[1:-1]
    padded = np.pad(track, ((3, 3), (0, 0)), mode="edge")
    smooth = np.stack(
        [np.convolve(c, window / window.sum(), "valid") for c in padded.T]
    )
    return smooth[:3].T, smooth[3:5].T, smooth[5], smooth[6]


def speak(
    words: list[str],
    rng: np.random.Generator,
    pitch: float = 120.0,
    tract: float = 1.0,
    speed: float = 1.0,
) -> np.ndarray:
    """Say some digits.

    Arguments
    ---------
    words : list of str
        'ZERO' to 'NINE'.
    rng : numpy.random.Generator
        What varies from one utterance to the next.
    pitch : float
        Of the voice, in Hz.
    tract : float
        Factor on the formants: above 1 a shorter vocal tract.
    speed : float
        Factor on the rate of speaking.

    Returns
    -------
    numpy.ndarray
        Samples in [-1, 1] at 16 kHz, shape [T].

    Example
    -------
    >>> speak(["SIX"], np.random.default_rng(0)).shape
    (8640,)
    """
    formants, band, voicing, frication = _targets(words, speed)
    frames = len(voicing)
    time = np.arange(frames) * HOP
    samples = np.arange(frames * HOP)
    # Falling pitch with some jitter; a pulse wherever the phase passes a cycle.
    contour = pitch * np.linspace(1.12, 0.88, frames) * rng.normal(1, 0.02, frames)
    phase = np.cumsum(np.interp(samples, time, contour)) / RATE
    pulses = np.diff(np.floor(phase), prepend=0.0)
    source = pulses * np.sqrt(RATE / pitch) * np.interp(samples, time, voicing)
    noise = rng.normal(size=samples.size) * np.interp(samples, time, frication)

    transform = ShortTimeFFT(np.hanning(322)[1:-1], HOP, RATE)
    hertz = transform.f[:, None]
    columns = np.clip(
        np.arange(transform.p_num(samples.size)) + transform.p_min, 0, None
    )
    columns = np.minimum(columns, frames - 1)
    vowel = 1.0 / (1.0 + hertz / 500.0)  # the glottis' tilt
    for centre, width in zip(formants[columns].T * tract, BANDWIDTHS, strict=True):
        vowel = vowel * (1.0 + 12.0 / (1.0 + ((hertz - centre) / width) ** 2))
    centre, width = band[columns].T
    hiss = np.exp(-0.5 * ((hertz - centre) / width) ** 2)
    spectrum = transform.stft(source) * vowel / 20 + transform.stft(noise) * hiss / 3
    wav = transform.istft(spectrum, k1=samples.size)
    wav = wav / (np.abs(wav).max() + 1e-9) * rng.uniform(0.3, 0.7)
    return wav + rng.normal(size=wav.size) * 10 ** (-55 / 20)


def make_digits(folder: str | Path, utterances: int = 120, seed: int = 0) -> Path:
    """Write the corpus.

    Arguments
    ---------
    folder : str or Path
        Where it goes.
    utterances : int
        How many, over twelve speakers: eight to train on, two to validate on, two
        to test on.
    seed : int
        Of everything that is drawn.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        If there are fewer utterances than speakers.
    """
    if utterances < 12:
        raise ValueError(f"utterances={utterances}; at least 12, one of each speaker.")
    folder = Path(folder)
    (folder / "wav").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    # Pitch and vocal tract go together, as they do in people.
    size = np.linspace(0, 1, 12)
    voices = np.stack([90 + 130 * size, 0.95 + 0.2 * size]) * rng.normal(
        1, 0.02, (2, 12)
    )
    split = dict.fromkeys(range(12), "train")
    split |= {2: "valid", 8: "valid", 4: "test", 9: "test"}
    rows: dict[str, list[dict[str, object]]] = {"train": [], "valid": [], "test": []}
    for number in range(utterances):
        speaker = number % 12
        words = list(rng.choice(list(DIGITS), size=rng.integers(2, 6)))
        pitch, tract = voices[:, speaker]
        wav = speak(words, rng, pitch, tract, speed=rng.uniform(0.85, 1.15))
        name = f"speaker{speaker:02d}-{number:04d}"
        soundfile.write(folder / "wav" / f"{name}.flac", wav, RATE)
        rows[split[speaker]].append(
            {
                "ID": name,
                "duration": f"{wav.size / RATE:.4f}",
                "wav": f"$data_root/wav/{name}.flac",
                "spk_id": f"speaker{speaker:02d}",
                "wrd": " ".join(words),
            }
        )
    for name, part in rows.items():
        _write_csv(folder / f"{name}.csv", part)
    everything = [
        {
            "path": str(row["wav"]).removeprefix("$data_root/"),
            "speaker": row["spk_id"],
            "duration_s": row["duration"],
        }
        for part in rows.values()
        for row in part
    ]
    _write_csv(folder / "manifest.csv", everything)
    return folder


def _write_csv(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the corpus goes")
    parser.add_argument("--utterances", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(make_digits(arguments.folder, arguments.utterances, arguments.seed))
