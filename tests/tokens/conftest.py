"""A small corpus, a small codec on disk, and the store that they make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dac_lobe.audio import write_audio
from dac_lobe.data import write_manifest
from dac_lobe.tokens import TokenStore, extract


@pytest.fixture(scope="session")
def shard_hours() -> float:
    """Audio in a shard: half a second, so that the corpus has several."""
    return 0.5 / 3600


@pytest.fixture(scope="session")
def contents():
    """A function: every file below a folder, by its relative name."""

    def read(folder: Path) -> dict[str, bytes]:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    return read


@pytest.fixture(scope="session")
def tiny_model(tiny_dac, tmp_path_factory) -> Path:
    """The tiny codec as a file."""
    return tiny_dac.save(tmp_path_factory.mktemp("model") / "tiny.safetensors")


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    """Seven recordings of different rates, channels and lengths, and a manifest."""
    folder = tmp_path_factory.mktemp("corpus")
    noise = np.random.default_rng(0)
    rows = []
    for number, (rate, channels, samples) in enumerate(
        [(16000, 1, 4001), (16000, 2, 1), (8000, 1, 900), (44100, 2, 9000)]
        + [(16000, 1, 16), (22050, 1, 5000), (16000, 1, 7993)]
    ):
        name = f"utt{number}"
        wav = 0.3 * noise.standard_normal((channels, samples)).clip(-3, 3)
        write_audio(folder / "wav" / f"{name}.wav", wav, rate)
        rows.append(
            {
                "ID": name,
                "duration": samples / rate,
                "wav": f"$data_root/wav/{name}.wav",
                "wrd": "SOME, WORDS",
            }
        )
    write_manifest(folder / "all.csv", rows)
    return folder


@pytest.fixture(scope="session")
def store_folder(corpus, tiny_model, shard_hours, tmp_path_factory) -> Path:
    """The store that one process makes. Do not change it."""
    folder = tmp_path_factory.mktemp("tokens") / "store"
    extract(corpus / "all.csv", folder, tiny_model, shard_hours=shard_hours)
    return folder


@pytest.fixture
def store(store_folder) -> TokenStore:
    """The store, opened."""
    return TokenStore(store_folder)
