"""What an exported recipe must keep: every label, as it was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from speechbrain.dataio.encoder import CTCTextEncoder

from dac_lobe.cli import main
from dac_lobe.inference.export import _read_labels


@given(st.text(min_size=1, max_size=20))
def test_labels_are_those_of_the_recipe(tmp_path_factory, said):
    """Apostrophes, quotes and backslashes too: LibriSpeech has DON'T."""
    encoder = CTCTextEncoder()
    encoder.insert_blank(index=0)
    encoder.update_from_iterable(said + "'", sequence_input=False)
    path = tmp_path_factory.mktemp("run") / "label_encoder.txt"
    encoder.save(path)
    numbers = range(len(encoder.ind2lab))
    assert _read_labels(path) == [encoder.ind2lab[number] for number in numbers]


@pytest.mark.parametrize("content", ["", "- 1", "seed: 1\nmodel: 16khz-small\n"])
def test_a_folder_of_another_recipe_is_refused(tmp_path, capsys, content):
    """recipes/tokens leaves hyperparameters too, and has no modules."""
    (tmp_path / "hyperparams.yaml").write_text(content)
    assert main(["export", str(tmp_path), str(tmp_path / "out")]) == 1
    assert "hyperparams.yaml names no modules" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
