"""Small operations on one thread, and the number that networks may use."""

from __future__ import annotations

import threading

import pytest
import torch

from dac_lobe.network import threads
from dac_lobe.network.threads import one_thread, thread_count


@pytest.fixture
def three_threads(monkeypatch):
    """Let torch have three threads, and the process four cores."""
    monkeypatch.setattr(threads, "core_count", lambda: 4)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.skipif(not torch.backends.openmp.is_available(), reason="no OpenMP")
def test_torch_has_one_thread_and_networks_all(three_threads):
    assert (torch.get_num_threads(), thread_count()) == (3, 3)
    with one_thread():
        assert (torch.get_num_threads(), thread_count()) == (1, 3)
        with one_thread():
            assert (torch.get_num_threads(), thread_count()) == (1, 3)
        assert (torch.get_num_threads(), thread_count()) == (1, 3)
    assert (torch.get_num_threads(), thread_count()) == (3, 3)


def test_errors_leave_the_number_as_it_was(three_threads):
    @one_thread()
    def fails():
        raise KeyError("x")

    for _ in range(2):
        with pytest.raises(KeyError):
            fails()
        assert torch.get_num_threads() == thread_count() == 3


def test_other_threads_are_not_touched(three_threads):
    """One that begins meanwhile has all; `torch.set_num_threads` would leave it one."""
    seen = []

    def ask():
        torch.ones(3).sum()
        seen.append((torch.get_num_threads(), thread_count()))

    with one_thread():
        other = threading.Thread(target=ask)
        other.start()
        other.join()
    ask()
    assert seen == [(3, 3), (3, 3)]


def test_threads_that_are_changed_outside_are_noticed(three_threads):
    torch.set_num_threads(2)
    with one_thread():
        assert thread_count() == 2


def test_no_more_threads_than_cores(three_threads, monkeypatch):
    monkeypatch.setattr(threads, "core_count", lambda: 2)
    assert (torch.get_num_threads(), thread_count()) == (3, 2)
    with one_thread():
        assert thread_count() == 2
