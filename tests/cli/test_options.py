"""Options that several commands share."""

from __future__ import annotations

import sys

import pytest
import torch

from dac_lobe.cli.options import FilesAtOnce, shared_cores


@pytest.fixture
def two_threads():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("workers", "device", "files", "at_once", "threads"),
    [
        (None, "cpu", 7, FilesAtOnce(1, 1), 2),
        (None, "cpu", 8, FilesAtOnce(2, 0), 1),
        (None, "cuda", 8, FilesAtOnce(1, 0), 2),
        (1, "cpu", 8, FilesAtOnce(1, 1), 2),
        (2, "cpu", 1, FilesAtOnce(2, 0), 1),
        (5, "cpu", 1, FilesAtOnce(5, 0), 1),
    ],
)
def test_files_share_the_cores(two_threads, workers, device, files, at_once, threads):
    interval = sys.getswitchinterval()
    with shared_cores(workers, device, files) as given:
        assert given == at_once
        assert torch.get_num_threads() == threads
        assert (sys.getswitchinterval() < interval) == (given.workers > 1)
    assert torch.get_num_threads() == 2
    assert sys.getswitchinterval() == interval
