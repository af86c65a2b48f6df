"""Callers share the cores: never more threads at work than there are."""

from __future__ import annotations

import sys
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


def interrupted_at(event, shared, seen):
    """Take cores in a function, and press Ctrl-C at one of the lines of `cores`.

    Says whether there were so many lines. The error is kept, as a notebook keeps it,
    and with it the frames that it came through.
    """
    lines = 0

    def trace(frame, kind, argument):
        nonlocal lines
        if frame.f_code.co_filename != cores.__file__:
            return None
        if kind in ("line", "call"):
            lines += 1
            if lines == event:
                raise KeyboardInterrupt
        return trace

    def work():
        with shared.taken(1):
            pass

    sys.settrace(trace)
    try:
        work()
    except KeyboardInterrupt as error:
        seen.append(error)
    finally:
        sys.settrace(None)
    return lines >= event


def test_ctrl_c_at_any_line_loses_no_core():
    event, seen = 1, []
    shared = Cores(1)
    while interrupted_at(event, shared, seen):
        taken = []

        def work(taken=taken):
            with shared.taken(1):
                taken.append(True)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(10)
        assert taken, f"interrupted at event {event}"
        assert shared.free == 1
        event += 1
    assert len(seen) == event - 1 > 10


def test_who_waits_is_not_struck_off():
    """However long: the cores are held all the while."""
    shared, order = Cores(1), []

    def work():
        with shared.taken(1):
            order.append("second")

    with shared.taken(1):
        thread = threading.Thread(target=work)
        thread.start()
        time.sleep(3 * cores.PATIENCE)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
