"""What a run's model was made from: kept with it, and compared when it goes on."""

from __future__ import annotations

import pytest
import torch
from speechbrain.utils.checkpoints import Checkpointer

from dac_lobe.nnet.blueprint import Blueprint
from tests.nnet.test_token_codec import Brain

YAML = """
number_of_epochs: 2
encoder: &encoder !new:torch.nn.LSTM
  input_size: 4
  init_from: /here/store
  subsample: 2
modules:
  encoder: *encoder
"""


def start(folder, text):
    """Start a run in a folder, as a recipe does; return its checkpointer."""
    if text is not None:
        (folder / "hyperparams.yaml").write_text(text)
    model = torch.nn.Linear(2, 1)
    checkpointer = Checkpointer(folder / "save", {"model": model})
    hparams = {"output_folder": str(folder)}
    Brain({"model": model}, hparams=hparams, checkpointer=checkpointer)
    return checkpointer


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("subsample: 2", "subsample: 1", "with encoder.subsample: 2, not 1. Give"),
        ("  subsample: 2\n", "", "with encoder.subsample: 2, not nothing. Give"),
        (
            "nn.LSTM",
            "nn.GRU",
            "with encoder: !new:torch.nn.LSTM, not !new:torch.nn.GRU",
        ),
    ],
)
def test_another_model_is_refused(tmp_path, old, new, said):
    start(tmp_path, YAML).save_checkpoint()
    with pytest.raises(ValueError, match=said):
        start(tmp_path, YAML.replace(old, new))


def test_the_same_model_goes_on(tmp_path):
    """For more epochs, with its token store in another place."""
    start(tmp_path, YAML).save_checkpoint()
    changed = YAML.replace("epochs: 2", "epochs: 3").replace("/here", "/there")
    going_on = start(tmp_path, changed)
    assert going_on.recover_if_possible() is not None
    assert Blueprint.of(going_on.save_checkpoint()) == changed.strip()


def test_runs_of_earlier_versions_go_on(tmp_path):
    """Their checkpoints do not say; the next one does."""
    old = start(tmp_path, None).save_checkpoint()
    assert Blueprint.of(old) is None
    going_on = start(tmp_path, YAML)
    with pytest.warns(UserWarning, match="optional"):
        assert going_on.recover_if_possible() is not None
    assert Blueprint.of(going_on.save_checkpoint()) == YAML.strip()
