"""Any corpus that has a manifest with transcripts, in SpeechBrain's CSV or JSON.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from dac_lobe.data.corpus import Utterance, prepare, split_by
from dac_lobe.data.item import Item
from dac_lobe.data.manifest import read_manifest
from dac_lobe.data.text import normalise_all

__all__ = ["prepare_manifests"]


def prepare_manifests(
    data_folder: str | Path,
    save_folder: str | Path,
    train: str | Path,
    valid: str | Path | None = None,
    test: str | Path | None = None,
    text: str = "wrd",
    speaker: str = "spk_id",
    valid_share: float = 0.1,
    test_share: float = 0.1,
    punctuation: bool = False,
    skip_prep: bool = False,
) -> dict[str, Path]:
    """Write train.csv, valid.csv and test.csv of manifests that are there.

    With one manifest, validation and test are split off: whole speakers where
    there is a speaker column, single utterances where there is none.

    Arguments
    ---------
    data_folder : str or Path
        The corpus, ``$data_root`` in the manifests.
    save_folder : str or Path
        Where the new manifests go.
    train : str or Path
        Manifest to train on, or the only one.
    valid, test : str or Path, optional
        The others: both or neither.
    text, speaker : str
        Columns of the transcript and of the speaker.
    valid_share, test_share : float
        Shares of the speakers to split off.
    punctuation : bool
        Whether the transcripts keep theirs.
    skip_prep : bool
        Do nothing.

    Returns
    -------
    dict
        Manifest by name.

    Raises
    ------
    ValueError
        If a column is missing, nothing is left of a text, or a split cannot be made.
    """
    if skip_prep:
        return {}
    if (valid is None) != (test is None):
        raise ValueError(
            "one of valid and test is given. Give both, or neither to split them off."
        )
    folder = Path(data_folder)
    given = {
        name: _utterances(
            folder, path, read_manifest(path, folder), text, speaker, punctuation
        )
        for name, path in (("train", train), ("valid", valid), ("test", test))
        if path is not None
    }
    if valid is None:
        rows = given["train"]
        known = all(row.speaker for row in rows)
        split = split_by(
            rows, lambda row: row.speaker if known else row.id, valid_share, test_share
        )
        given = split._asdict()
    return prepare(folder, save_folder, given)


def _utterances(
    folder: Path,
    path: str | Path,
    items: Sequence[Item],
    text: str,
    speaker: str,
    punctuation: bool,
) -> list[Utterance]:
    """Make Utterances of a manifest's items."""
    for item in items:
        if not item.fields.get(text, "").strip():
            raise ValueError(
                f"{path}, {item.id!r}: no text in the column {text!r}; there are ID, "
                f"duration, wav{''.join(f', {name}' for name in item.fields)}."
            )
    said = {f"{path}, {item.id!r}": item.fields[text] for item in items}
    return [
        Utterance(
            item.id,
            # Recordings outside the corpus folder are reached from it.
            Path(os.path.relpath(item.wav, folder)).as_posix(),
            item.fields.get(speaker, ""),
            words,
            item.segment,
        )
        for item, words in zip(
            items, normalise_all(said, punctuation).values(), strict=True
        )
    ]
