"""Callers share the cores: never more threads at work than there are."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from dac_lobe.execution import attach, cores
from dac_lobe.execution.cores import Cores


@pytest.mark.parametrize(("count", "wanted", "together"), [(1, 1, 1), (4, 2, 2)])
def test_no_more_are_taken_than_there_are(count, wanted, together):
    shared, lock = Cores(count), threading.Lock()
    inside = most = 0

    def work(_):
        nonlocal inside, most
        with shared.taken(wanted):
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.01)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(16)))
    assert most == together
    assert shared.free == count


def test_who_wants_more_than_there_are_gets_all():
    with Cores(2).taken(8):
        pass


def test_they_are_given_back_after_an_error():
    shared = Cores(1)
    with pytest.raises(ValueError, match="broken"), shared.taken(1):
        raise ValueError("broken")
    assert shared.free == 1


def test_a_codec_waits_for_its_cores(make_dac, monkeypatch):
    busy = Cores(1)
    monkeypatch.setattr(cores, "_cores", busy)
    codec = attach(make_dac())
    wav = torch.randn(1, 1, 4000)
    alone = codec.encode(wav).codes
    with ThreadPoolExecutor(1) as pool:
        with busy.taken(1):
            waiting = pool.submit(codec.encode, wav)
            time.sleep(0.05)
            assert not waiting.done()
        assert torch.equal(waiting.result(timeout=60).codes, alone)
