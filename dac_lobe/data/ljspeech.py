"""LJSpeech: 24 hours of one speaker, https://keithito.com/LJ-Speech-Dataset.

    LJSpeech-1.1/metadata.csv     LJ001-0001|text|text with numbers written out
                 wavs/LJ001-0001.wav

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from pathlib import Path

from dac_lobe.data.corpus import Utterance, audio_files, prepare, split_by
from dac_lobe.data.text import normalise_all

__all__ = ["prepare_ljspeech"]

LAYOUT = (
    "metadata.csv and wavs/LJ001-0001.wav and so on, from "
    "https://keithito.com/LJ-Speech-Dataset"
)


def prepare_ljspeech(
    data_folder: str | Path,
    save_folder: str | Path,
    valid_share: float = 0.02,
    test_share: float = 0.02,
    skip_prep: bool = False,
) -> dict[str, Path]:
    """Write train.csv, valid.csv and test.csv.

    The corpus has one speaker and no official split; utterances are drawn by a
    hash of their ids, the same ones everywhere.

    Arguments
    ---------
    data_folder : str or Path
        The folder that holds ``metadata.csv``.
    save_folder : str or Path
        Where the manifests go.
    valid_share, test_share : float
        Shares of the utterances.
    skip_prep : bool
        Do nothing.

    Returns
    -------
    dict
        Manifest by name.

    Raises
    ------
    ValueError
        If the folder is no LJSpeech, a recording is missing, or there are fewer than
        three.
    """
    if skip_prep:
        return {}
    folder = Path(data_folder)
    metadata = folder / "metadata.csv"
    if not metadata.is_file():
        raise ValueError(f"{folder} holds no metadata.csv. Expected is {LAYOUT}.")
    files = audio_files(folder / "wavs", (".wav", ".flac"), LAYOUT)
    wavs, said = {}, {}
    for line in metadata.read_text(encoding="utf-8").splitlines():
        fields = line.split("|")
        if len(fields) != 3 or fields[0] not in files:
            raise ValueError(
                f"{metadata}: {line[:60]!r} is not an id of a recording, a text and a "
                f"normalised text, separated by bars. Expected is {LAYOUT}."
            )
        wavs[fields[0]] = files[fields[0]].relative_to(folder).as_posix()
        said[fields[0]] = fields[2] or fields[1]
    utterances = [
        Utterance(name, wavs[name], "LJ", text)
        for name, text in normalise_all(said).items()
    ]
    splits = split_by(utterances, lambda row: row.id, valid_share, test_share)
    return prepare(folder, save_folder, splits._asdict())
