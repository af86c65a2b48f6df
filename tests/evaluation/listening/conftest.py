"""A run, and the page of a listening test that is made of it."""

from __future__ import annotations

import pytest
from toy_recordings import make_clips

from evaluation import evaluate
from evaluation.listening.page import make_page


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """An evaluation of two codecs and a control."""
    folder = tmp_path_factory.mktemp("listening")
    evaluate(
        make_clips(folder / "clips"), ["toy_systems:Rounding"], [1, 2, 4], ["si_sdr_raw"],
        baselines=["opus:1.0/0.95", "identity"], output=folder / "run", workers=0,
        report=False, domain="speech",
    )  # fmt: skip
    return folder / "run"


@pytest.fixture(scope="session")
def mushra(run, tmp_path_factory):
    """The page and key of a MUSHRA test with two recordings."""
    return make_page(run, tmp_path_factory.mktemp("mushra"), "mushra", 2)
