"""Which codec the tokens of a run are of: kept with it, and compared when it goes on."""

from __future__ import annotations

import pytest
import torch
from speechbrain.utils.checkpoints import Checkpointer

from dac_lobe.nnet.token_codec import TokenCodec
from dac_lobe.nnet.training import RecipeBrain


class Brain(RecipeBrain):
    """Only made, never trained."""

    def start_scores(self):
        pass

    def finish_scores(self, stage_loss):
        return {}


def start(folder, fingerprint):
    """Start a run in a folder, as a recipe does; return its checkpointer."""
    model = torch.nn.Linear(2, 1)
    checkpointer = Checkpointer(folder, {"model": model})
    tokens = None if fingerprint is None else {"fingerprint": fingerprint}
    hparams = {"token_meta": tokens}
    Brain({"model": model}, hparams=hparams, checkpointer=checkpointer)
    return checkpointer


@pytest.mark.parametrize("end_of_epoch", [True, False])
def test_a_run_goes_on_with_the_same_codec_alone(tmp_path, end_of_epoch):
    made = start(tmp_path, "ab12").save_checkpoint(end_of_epoch=end_of_epoch)
    assert TokenCodec.of(made) == "ab12"
    assert start(tmp_path, "ab12").recover_if_possible() is not None
    with pytest.raises(ValueError, match=r"of the codec cd34, .* tokens of ab12"):
        start(tmp_path, "cd34")
    assert start(tmp_path / "other", "cd34").list_checkpoints() == []


def test_a_newer_checkpoint_without_it_hides_none(tmp_path):
    start(tmp_path, "ab12").save_checkpoint()
    start(tmp_path, None).save_checkpoint()
    with pytest.raises(ValueError, match="another output_folder or seed"):
        start(tmp_path, "cd34")


def test_runs_of_earlier_versions_go_on(tmp_path):
    """Their checkpoints do not say; the next one does."""
    old = start(tmp_path, None).save_checkpoint()
    assert TokenCodec.of(old) is None
    going_on = start(tmp_path, "ab12")
    with pytest.warns(UserWarning, match="optional"):
        assert going_on.recover_if_possible() is not None
    assert TokenCodec.of(going_on.save_checkpoint()) == "ab12"
