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
