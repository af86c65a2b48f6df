"""Local pool, torchrun ranks and Ray write the same bytes, with workers killed too."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import torch

from dac_lobe.cli import main
from dac_lobe.data import read_manifest
from dac_lobe.tokens import TokenStore, extract
from dac_lobe.tokens.engines import local, ray_data, torchrun
from dac_lobe.tokens.plan import plan_shards
from dac_lobe.tokens.shards import shard_path
from dac_lobe.tokens.worker import load_shard

ROOT = Path(__file__).resolve().parents[2]
RANK = """
import sys
from dac_lobe.tokens import extract
manifest, store, model, shard_hours = sys.argv[1:]
extract(manifest, store, model, engine="torchrun", shard_hours=float(shard_hours))
"""


def children(mark: str) -> list[int]:
    """Processes below this one whose command line holds ``mark``."""
    parents, names = {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rsplit(")", 1)[1].split()
            names[int(path.name)] = (path / "cmdline").read_text()
            parents[int(path.name)] = int(fields[1])
        except (OSError, IndexError):
            continue  # it has ended meanwhile
    found, queue = [], [os.getpid()]
    while queue:
        parent = queue.pop()
        below = [child for child, its in parents.items() if its == parent]
        found += [child for child in below if mark in names[child]]
        queue += below
    return found


class Stuck:
    """A corpus with one recording at which a worker waits until it is killed.

    The recording is a named pipe: who opens it sleeps. When all other shards
    are written, `release` puts the recording in its place and kills processes.
    """

    def __init__(self, corpus: Path, folder: Path, store: Path, name: str):
        self.folder = shutil.copytree(corpus, folder)
        self.recording = folder / "wav" / f"{name}.wav"
        self.store = store
        self.killed: list[int] = []
        self.hidden = self.recording.rename(folder / "hidden")
        os.mkfifo(self.recording)

    def release(self, shards: int, *marks: str) -> None:
        """Wait for the other shards, then kill the processes of each mark."""
        deadline = time.monotonic() + 240
        while len(list(self.store.glob("shards/*.safetensors"))) < shards - 1:
            if time.monotonic() > deadline:
                # An empty recording lets the run end, with a failure listed.
                os.close(os.open(self.recording, os.O_WRONLY | os.O_NONBLOCK))
                raise TimeoutError("the other shards are not written")
            time.sleep(0.05)
        self.hidden.replace(self.recording)
        for mark in marks:
            victims = children(mark)
            for victim in victims[:1] if mark == marks[0] else victims:
                os.kill(victim, signal.SIGKILL)
                self.killed.append(victim)


@pytest.fixture
def stuck(corpus, tmp_path):
    """The corpus with a worker trap in its last shard."""
    return Stuck(corpus, tmp_path / "corpus", tmp_path / "store", "utt6")


def _run_released(stuck, tiny_model, shard_hours, *marks, **options):
    """Extract the stuck corpus while another thread kills workers."""
    manifest = stuck.folder / "all.csv"
    shards = len(plan_shards(read_manifest(manifest), shard_hours))
    thread = threading.Thread(target=stuck.release, args=(shards, *marks))
    thread.start()
    report = extract(
        manifest, stuck.store, tiny_model, shard_hours=shard_hours, **options
    )
    thread.join()
    assert stuck.killed
    assert report.failures == {}
    assert report.items == 7


@pytest.mark.slow
def test_local_pool_with_a_killed_worker(
    stuck, tiny_model, shard_hours, store_folder, contents
):
    _run_released(stuck, tiny_model, shard_hours, "multiprocessing.spawn", workers=2)
    assert contents(stuck.store) == contents(store_folder)


def _runs(process: int) -> bool:
    """Tell whether a process is there, and no zombie."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.slow
def test_workers_end_with_a_killed_run(stuck, tiny_model, shard_hours):
    code = "import sys; from dac_lobe.tokens import extract; " + (
        "extract(*sys.argv[1:4], shard_hours=float(sys.argv[4]), workers=2)"
    )
    arguments = [stuck.folder / "all.csv", stuck.store, tiny_model, shard_hours]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    shards = len(plan_shards(read_manifest(arguments[0]), shard_hours))
    stuck.release(shards)
    workers = children("multiprocessing.spawn")
    process.kill()
    process.wait()
    assert len(workers) == 2
    deadline = time.monotonic() + 20
    while any(map(_runs, workers)):
        assert time.monotonic() < deadline, "workers wait for a parent that has ended"
        time.sleep(0.05)


def test_workers_that_always_die(monkeypatch, corpus, tiny_model, tmp_path):
    """The local engine gives up, and says how much is left."""
    from concurrent.futures.process import BrokenProcessPool

    def die(job, shards, workers):
        raise BrokenProcessPool("killed")
        yield

    monkeypatch.setattr(local, "_pool", die)
    with pytest.raises(RuntimeError, match="died 3 times without finishing"):
        extract(corpus / "all.csv", tmp_path / "s", tiny_model, workers=2)


@pytest.mark.slow
def test_torchrun(corpus, tiny_model, tmp_path, shard_hours, store_folder, contents):
    """Two ranks under the real launcher."""
    script = tmp_path / "rank.py"
    script.write_text(RANK)
    arguments = [corpus / "all.csv", tmp_path / "s", tiny_model, shard_hours]
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        + ["--nproc_per_node", "2", str(script), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        check=True,
        timeout=120,
    )
    assert contents(tmp_path / "s") == contents(store_folder)


def test_a_dead_rank_leaves_its_shards_only(
    monkeypatch, corpus, tiny_model, tmp_path, shard_hours, store_folder, contents
):
    """Ranks share nothing: each makes its part, in any order, and no other's."""
    options = {"engine": "torchrun", "shard_hours": shard_hours}
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    extract(corpus / "all.csv", tmp_path / "s", tiny_model, **options)
    assert not shard_path(tmp_path / "s", 0).exists()
    assert shard_path(tmp_path / "s", 1).exists()
    with pytest.raises(ValueError, match="not finished"):
        TokenStore(tmp_path / "s")
    monkeypatch.setenv("RANK", "0")
    extract(corpus / "all.csv", tmp_path / "s", tiny_model, **options)
    assert contents(tmp_path / "s") == contents(store_folder)


def test_a_rank_with_unreadable_recordings_does_not_end_the_others(
    monkeypatch, corpus, tiny_model, tmp_path, capsys
):
    """The launcher ends all ranks when one exits with another code than 0."""
    copy = tmp_path / "corpus"
    shutil.copytree(corpus, copy)
    (copy / "wav" / "utt1.wav").unlink()
    given = ["extract", str(copy / "all.csv"), str(tmp_path / "s")]
    given += ["-m", str(tiny_model), "--device", "cpu"]
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv("RANK", "0")
    assert main([*given, "--engine", "torchrun"]) == 0
    assert "utt1: no such file" in capsys.readouterr().err
    assert main(given) == 1


def test_ranks_of_slurm(monkeypatch):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="torchrun --nproc_per_node"):
        torchrun.place()
    monkeypatch.setenv("SLURM_PROCID", "3")
    monkeypatch.setenv("SLURM_NTASKS", "8")
    assert torchrun.place() == (3, 8)


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="Ray is not installed")
def test_ray_with_killed_workers(
    monkeypatch, stuck, tiny_model, shard_hours, store_folder, contents
):
    """An actor dies between shards, and the decoder of the last one in its middle."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    _run_released(
        stuck,
        tiny_model,
        shard_hours,
        "ray::MapWorker(MapBatches(_Encoder))",
        "ray::Map(_load)",
        engine="ray",
        workers=2,
    )
    assert contents(stuck.store) == contents(store_folder)


def test_a_relative_corpus_is_found_from_any_folder(corpus, monkeypatch):
    """The processes of a cluster stand in folders of their own."""
    monkeypatch.chdir(corpus.parent)
    shards = plan_shards(read_manifest(f"{corpus.name}/all.csv"))
    (shard,) = map(ray_data._located, shards)
    monkeypatch.chdir("/")
    assert load_shard(shard, 16000).failures == []


@pytest.mark.parametrize("found", ["cpu", "cuda", "cuda:1"])
def test_the_device_is_settled_before_engines_begin(
    monkeypatch, corpus, tiny_model, tmp_path, found
):
    """An engine that is told 'auto' gives no worker a GPU of its own."""
    jobs = []
    module = sys.modules["dac_lobe.tokens.extract"]  # the package has the function
    monkeypatch.setattr(module, "check_device", lambda device: torch.device(found))
    monkeypatch.setattr(local, "run", lambda job, *given: jobs.append(job) or [])
    extract(corpus / "all.csv", tmp_path / "s", tiny_model, device="auto")
    assert [job.device for job in jobs] == [found]


@pytest.mark.parametrize("address", [None, "10.0.0.1:6379"])
def test_ray_joins_no_cluster_that_is_not_named(monkeypatch, address):
    """A Ray that was killed leaves its address behind; `ray.init` would look for it."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if address is not None:
        monkeypatch.setenv("RAY_ADDRESS", address)
    ray = MagicMock()
    ray_data._start(ray, 2)
    (begun,) = ray.init.call_args_list
    assert begun.kwargs.get("address") == ("local" if address is None else None)


def test_ray_is_optional(monkeypatch, corpus, tiny_model, tmp_path):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "ray" else find(name)
    )
    with pytest.raises(ModuleNotFoundError, match=r"dac-lobe\[distributed\]"):
        extract(corpus / "all.csv", tmp_path / "s", tiny_model, engine="ray")
