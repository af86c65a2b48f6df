"""Modules of version 0.1 are found under their old names, with a warning."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest

from dac_lobe import audio
from dac_lobe.moved import MOVED
from dac_lobe.nnet import datasets, losses, training


@pytest.mark.parametrize("old", MOVED)
def test_an_old_name_gives_the_module_that_it_has_become(old):
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=f"{old} is now {MOVED[old]}"):
        module = import_module(old)
    assert module is import_module(MOVED[old])


def test_a_name_imported_from_an_old_module():
    code = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "from dac_lobe.layers import fold_weight_norm\n"
        "from dac_lobe import fast\n"
        "from dac_lobe import execution\n"
        "assert fast is execution and callable(fold_weight_norm)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", training.MOVED)
def test_a_name_of_the_recipes_that_has_moved(name):
    with pytest.warns(DeprecationWarning, match="now in dac_lobe.nnet.datasets"):
        found = getattr(training, name)
    assert found is getattr(datasets, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = training.nothing


def test_mel_filters_of_before_are_a_tensor():
    with pytest.warns(DeprecationWarning, match="now dac_lobe.audio.mel_filters"):
        found = losses.mel_filters(16000, 512, 40)
    np.testing.assert_allclose(found.numpy(), audio.mel_filters(16000, 512, 40), 1e-6)
