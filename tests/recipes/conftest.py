"""Small corpora in the layouts of the real ones, and their tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dac_lobe.audio import write_audio
from dac_lobe.data import write_manifest
from dac_lobe.tokens import extract

WORDS = ("YES", "NO", "GO ON", "STOP IT", "ERASE", "TWO")
EVERY_LETTER = ("THE QUICK", "BROWN FOX", "JUMPS", "OVER A", "LAZY DOG", "GO ON")


def speak(path: Path, text: str, rate: int = 16000) -> float:
    """Write a recording in which each letter is a tone; return its duration."""
    noise = np.random.default_rng(len(text))
    time = np.arange(int(0.12 * rate)) / rate
    tones = [np.sin(2 * np.pi * (200 + 20 * ord(letter)) * time) for letter in text]
    wav = 0.3 * np.concatenate(tones)
    write_audio(path, wav + 0.01 * noise.standard_normal(len(wav)), rate)
    return len(wav) / rate


def make_an4(folder: Path, words: tuple[str, ...] = WORDS) -> None:
    """Three manifests with eight speakers."""
    for split, speakers in (("train", "abcd"), ("valid", "ef"), ("test", "gh")):
        rows = []
        for speaker in speakers:
            for number in range(3):
                text = words[(number + ord(speaker)) % len(words)]
                if number == 2:
                    # Recorded once: the speaker's number, in letters that all know.
                    code = f"{ord(speaker) - ord('a'):03b}"
                    text = f"{text} {code.replace('0', 'N').replace('1', 'O')}"
                name = f"{speaker}{number}"
                duration = speak(folder / "wav" / speaker / f"{name}.flac", text)
                rows.append(
                    {
                        "ID": name,
                        "duration": duration,
                        "wav": f"$data_root/wav/{speaker}/{name}.flac",
                        "spk_id": speaker,
                        "wrd": text,
                    }
                )
        write_manifest(folder / f"{split}.csv", rows)


def make_librispeech(folder: Path, items: int = 2) -> None:
    """Every official split, with a chapter of some recordings."""
    for number, split in enumerate(
        ["train-clean-100", "train-clean-360", "train-other-500"]
        + ["dev-clean", "dev-other", "test-clean", "test-other"]
    ):
        chapter = folder / split / str(10 + number) / "1"
        names = [f"{10 + number}-1-{line:04d}" for line in range(items)]
        lines = [f"{name} {text}" for name, text in zip(names, WORDS, strict=False)]
        for line in lines:
            name, _, text = line.partition(" ")
            speak(chapter / f"{name}.flac", text)
        (chapter / f"{10 + number}-1.trans.txt").write_text("\n".join(lines) + "\n")


def make_ljspeech(folder: Path, items: int = 10) -> None:
    """Some sentences of the first book."""
    lines = []
    for number in range(items):
        text = f"{WORDS[number % len(WORDS)].capitalize()}, he said."
        speak(folder / "wavs" / f"LJ001-{number:04d}.wav", text, 22050)
        lines.append(f"LJ001-{number:04d}|{text}|{text}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="session")
def samples(tmp_path_factory) -> Path:
    """What ``tests/tmp`` stands for in the CSV files: corpora and their stores."""
    folder = tmp_path_factory.mktemp("samples")
    for name, make in (
        ("an4", make_an4),
        ("librispeech", make_librispeech),
        ("ljspeech", make_ljspeech),
    ):
        make(folder / name)
        extract(_by_stem(folder / name), folder / f"{name}_store")
    return folder


@pytest.fixture(scope="session")
def miniatures(tmp_path_factory) -> Path:
    """LibriSpeech and LJSpeech in their real layouts, some forty items each."""
    folder = tmp_path_factory.mktemp("miniatures")
    make_librispeech(folder / "librispeech", items=6)  # in each of seven splits
    make_ljspeech(folder / "ljspeech", items=40)
    for name in ("librispeech", "ljspeech"):
        extract(_by_stem(folder / name), folder / f"{name}_store")
    return folder


@pytest.fixture
def every_letter(tmp_path) -> Path:
    """AN4 with all letters, as the recognisers' output layer has them."""
    make_an4(tmp_path / "every_letter", EVERY_LETTER)
    return tmp_path / "every_letter"


def _by_stem(corpus: Path) -> Path:
    """A manifest of a whole corpus, with the ids that preparers give."""
    from dac_lobe.data import read_duration

    files = [file for file in corpus.rglob("*") if file.suffix in (".wav", ".flac")]
    rows = [
        {"ID": file.stem, "duration": read_duration(file), "wav": str(file)}
        for file in files
    ]
    return write_manifest(corpus.parent / f"{corpus.name}.csv", rows)
