"""Memory on large pages is memory like any other."""

from __future__ import annotations

import os

import pytest
import torch

from dac_lobe.execution import pages

MANY = pages.SMALLEST // 4 + 3


@pytest.mark.parametrize("count", [0, 1, MANY])
def test_all_of_it_can_be_written_and_read(count):
    memory = pages.empty(count)
    memory.copy_(torch.arange(count))
    assert memory.dtype == torch.float32
    assert torch.equal(memory, torch.arange(count, dtype=torch.float32))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_writes_into_its_own():
    memory = pages.empty(MANY)
    memory.numpy()[:] = 1.0
    child = os.fork()
    if child == 0:
        memory.numpy()[:] = 2.0
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert memory.numpy().max() == 1.0


def test_what_is_large_begins_on_a_page():
    if pages._LARGE_PAGES is None:
        pytest.skip("this system has no large pages to ask for")
    assert pages.empty(MANY).data_ptr() % pages.PAGE == 0
