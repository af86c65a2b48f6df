"""Datasets of the recipes: read by name, or refused with the manifest's name."""

from __future__ import annotations

import re

import pytest

from dac_lobe.data import write_manifest
from dac_lobe.nnet.datasets import read_datasets


def test_rows_are_read_with_the_root_put_in(tmp_path):
    row = {"ID": "a", "duration": 1.5, "wav": "$data_root/a.wav"}
    path = write_manifest(tmp_path / "train.csv", [row])
    dataset = read_datasets({"train": path}, "corpus")["train"]
    dataset.set_output_keys(["id", "wav"])
    assert list(dataset) == [{"id": "a", "wav": "corpus/a.wav"}]


@pytest.mark.parametrize("text", ["ID,duration,wav\n", ""])
def test_an_empty_manifest_is_named(tmp_path, text):
    path = tmp_path / "valid.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=re.escape(f"manifest {path} is empty. Nee")):
        read_datasets({"valid": path}, tmp_path)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("b,1.0", "line 3: 2 values, and there are 4 columns: ID, duration, wav, end"),
        ("b,1.0,b.wav,0.5", "line 3: end is '0.5', without a start and a stop"),
    ],
)
def test_a_row_that_cannot_be_is_named(tmp_path, row, said):
    path = tmp_path / "train.csv"
    path.write_text(f"ID,duration,wav,end\na,1.0,a.wav,\n{row}\n")
    with pytest.raises(ValueError, match=re.escape(f"manifest {path}, {said}")):
        read_datasets({"train": path}, tmp_path)
