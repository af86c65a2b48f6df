"""CMU AN4: 50 minutes of letters, digits and commands, many speakers.

    an4/etc/an4_train.fileids          an4_clstk/fash/an251-fash-b
            an4_train.transcription    <s> YES </s> (an251-fash-b)
            an4_test.fileids, an4_test.transcription
        wav/an4_clstk/fash/an251-fash-b.wav (or .sph, .flac)

http://www.speech.cs.cmu.edu/databases/an4. A folder that holds train.csv,
valid.csv and test.csv (`ID,duration,wav,spk_id,wrd`) is taken as it is.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

from dac_lobe.data.corpus import Utterance, audio_files, draw, prepare
from dac_lobe.data.manifest import read_manifest
from dac_lobe.data.text import normalise_all

__all__ = ["prepare_an4"]

LAYOUT = (
    "etc/an4_train.fileids, etc/an4_train.transcription, the same for an4_test, and "
    "the recordings below wav/ as .wav, .flac or .sph (not headerless .raw), from "
    "http://www.speech.cs.cmu.edu/databases/an4"
)
SPLITS = ("train", "valid", "test")
LINE = re.compile(r"^(?:<s>)?\s*(?P<text>.*?)\s*(?:</s>)?\s*\((?P<id>[^()]+)\)\s*$")


def prepare_an4(
    data_folder: str | Path,
    save_folder: str | Path,
    valid_share: float = 0.1,
    apart: str = "speakers",
    skip_prep: bool = False,
) -> dict[str, Path]:
    """Write train.csv, valid.csv and test.csv.

    With ``apart="speakers"``, for recognition, no speaker is in two of them. The
    test split is the official one. The corpus has no split for validation:
    speakers of the training split are drawn, the same ones everywhere.

    With ``apart="sentences"``, for synthesis, no sentence is in two of them, and
    every speaker of valid and test is in train: sentences that were recorded
    once are drawn from the whole corpus.

    Arguments
    ---------
    data_folder : str or Path
        The folder that holds ``etc`` and ``wav``, or the three manifests.
    save_folder : str or Path
        Where the manifests go.
    valid_share : float
        Share of the training speakers, or of the sentences recorded once, to
        validate on; as many sentences are tested on.
    apart : str
        'speakers' or 'sentences'.
    skip_prep : bool
        Do nothing.

    Returns
    -------
    dict
        Manifest by name.

    Raises
    ------
    ValueError
        If the folder is no AN4, or a recording is missing.
    """
    if skip_prep:
        return {}
    folder = Path(data_folder)
    if apart not in ("speakers", "sentences"):
        raise ValueError(f"apart={apart!r}; choose 'speakers' or 'sentences'.")
    splits = _by_speakers(folder, valid_share)
    if apart == "sentences":
        splits = _by_sentences(
            [row for rows in splits.values() for row in rows], valid_share
        )
    return prepare(folder, save_folder, splits)


def _by_sentences(
    utterances: list[Utterance], share: float
) -> dict[str, list[Utterance]]:
    """Split off sentences that were recorded once, of speakers who said more."""
    times = Counter(row.text for row in utterances)
    once = {row.text for row in utterances if times[row.text] == 1}
    test = draw(once, share)
    valid = draw(once - test, share)
    train = [row for row in utterances if row.text not in test | valid]
    known = {row.speaker for row in train}
    heard = [row for row in utterances if row.speaker in known]
    return {
        "train": train,
        "valid": [row for row in heard if row.text in valid],
        "test": [row for row in heard if row.text in test],
    }


def _by_speakers(folder: Path, valid_share: float) -> dict[str, list[Utterance]]:
    """Take the official split, with training speakers to validate on."""
    if all((folder / f"{name}.csv").is_file() for name in SPLITS):
        return {name: _given(folder, name) for name in SPLITS}
    files = audio_files(folder / "wav", (".wav", ".flac", ".sph"), LAYOUT)
    official = _transcribed(folder, "train", files)
    valid = draw((utterance.speaker for utterance in official), valid_share)
    return {
        "train": [row for row in official if row.speaker not in valid],
        "valid": [row for row in official if row.speaker in valid],
        "test": _transcribed(folder, "test", files),
    }


def _given(folder: Path, split: str) -> list[Utterance]:
    """Utterances of a manifest that is there already."""
    items = read_manifest(folder / f"{split}.csv")
    for item in items:
        if "spk_id" not in item.fields or "wrd" not in item.fields:
            raise ValueError(
                f"{folder / split}.csv has the columns ID, duration, wav, "
                f"{', '.join(item.fields)}; spk_id and wrd are needed too."
            )
    said = {f"{split}.csv, {item.id!r}": item.fields["wrd"] for item in items}
    texts = normalise_all(said, punctuation=False).values()
    return [
        Utterance(
            item.id,
            # Not all ways to name the same folder are a prefix of one another.
            Path(os.path.relpath(item.wav, folder)).as_posix(),
            item.fields["spk_id"],
            text,
            item.segment,
        )
        for item, text in zip(items, texts, strict=True)
    ]


def _transcribed(folder: Path, split: str, files: dict[str, Path]) -> list[Utterance]:
    """Utterances of an official split."""
    lists = folder / "etc" / f"an4_{split}.fileids"
    transcripts = lists.with_suffix(".transcription")
    if not lists.is_file() or not transcripts.is_file():
        raise ValueError(
            f"{folder} lacks {lists.name} or {transcripts.name} in etc/. Expected is "
            f"{LAYOUT}."
        )
    texts = {}
    for line in transcripts.read_text(encoding="utf-8").splitlines():
        match = LINE.match(line)
        if match is None:
            raise ValueError(f"{transcripts}: {line!r} has no (id) at its end.")
        texts[match["id"]] = match["text"]
    texts = normalise_all(texts, punctuation=False)
    utterances = []
    for line in lists.read_text(encoding="utf-8").split():
        name, speaker = Path(line).name, Path(line).parent.name
        if name not in texts or name not in files:
            missing = "transcript" if name not in texts else "recording"
            raise ValueError(
                f"{folder}: {name} has no {missing}. Expected is {LAYOUT}."
            )
        wav = files[name].relative_to(folder).as_posix()
        utterances.append(Utterance(name, wav, speaker, texts[name]))
    return utterances
