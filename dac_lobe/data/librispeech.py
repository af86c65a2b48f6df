"""LibriSpeech: 1,000 hours of read English, https://www.openslr.org/12.

    LibriSpeech/train-clean-100/103/1240/103-1240-0000.flac
                                         103-1240.trans.txt

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dac_lobe.data.corpus import Utterance, prepare

__all__ = ["prepare_librispeech"]

LAYOUT = (
    "<split>/<speaker>/<chapter>/<speaker>-<chapter>.trans.txt with .flac files "
    "beside it, from https://www.openslr.org/12"
)


def prepare_librispeech(
    data_folder: str | Path,
    save_folder: str | Path,
    train: Sequence[str] = ("train-clean-100",),
    valid: Sequence[str] = ("dev-clean",),
    test: Sequence[str] = ("test-clean", "test-other"),
    skip_prep: bool = False,
) -> dict[str, Path]:
    """Write train.csv, valid.csv and one manifest for each test split.

    Arguments
    ---------
    data_folder : str or Path
        The folder that holds ``train-clean-100`` and so on.
    save_folder : str or Path
        Where the manifests go.
    train, valid : sequence of str
        Official splits that make up the two.
    test : sequence of str
        Official splits to test on, each by itself.
    skip_prep : bool
        Do nothing.

    Returns
    -------
    dict
        Manifest by name.

    Raises
    ------
    ValueError
        If the folder is no LibriSpeech, or a recording is missing.
    """
    if skip_prep:
        return {}
    wanted = {"train": train, "valid": valid, **{name: [name] for name in test}}
    splits = {
        name: [
            utterance
            for official in officials
            for utterance in _utterances(Path(data_folder), official)
        ]
        for name, officials in wanted.items()
    }
    return prepare(data_folder, save_folder, splits)


def _utterances(folder: Path, split: str) -> list[Utterance]:
    """Read the transcripts of a split."""
    transcripts = sorted((folder / split).glob("*/*/*.trans.txt"))
    if not transcripts:
        raise ValueError(
            f"{folder} holds no transcripts of {split!r}. Expected is {LAYOUT}."
        )
    utterances = []
    for transcript in transcripts:
        recordings = transcript.parent.relative_to(folder).as_posix()
        for line in transcript.read_text(encoding="utf-8").splitlines():
            name, _, text = line.partition(" ")
            if not text:
                raise ValueError(f"{transcript}: the line {line!r} has no text.")
            wav = f"{recordings}/{name}.flac"
            utterances.append(Utterance(name, wav, name.split("-")[0], text.strip()))
    return utterances
