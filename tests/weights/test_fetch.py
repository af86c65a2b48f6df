"""Downloads against a local server that misbehaves in every way known to happen."""

from __future__ import annotations

import builtins
import errno
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dac_lobe import DAC
from dac_lobe.audio import write_audio
from dac_lobe.weights import fetch, transfer
from dac_lobe.weights.fetch import FetchError, download, download_hub
from dac_lobe.weights.fingerprint import fingerprint

ROOT = Path(__file__).resolve().parents[2]
ASSET = "/0.0.5/weights_16khz.pth"
NAME = "weights_16khz_8kbps_0.0.5.pth"


class Server(ThreadingHTTPServer):
    """Serves ``files``; the attributes say how badly.

    Attributes
    ----------
    files : dict
        Content by path.
    ranges : bool
        Whether Range is understood.
    cut : list of int
        For each coming request, after how many bytes to hang up.
    statuses : list of int
        For each coming request, an error to answer with.
    pause : float
        Seconds between blocks of 64 KiB.
    early : int
        How many bytes too early a continued answer begins.
    silence : float
        Seconds before the answer.
    etag : str
        Sent with every file, if not empty.
    gets : Counter
        How often each path was asked for.
    spans : list of str
        The Range headers that came.
    """

    daemon_threads = True

    def __init__(self, handler=None):
        super().__init__(("127.0.0.1", 0), handler or Handler)
        self.files: dict[str, bytes] = {}
        self.ranges, self.etag, self.pause, self.silence = True, '"one"', 0.0, 0.0
        self.early = 0
        self.cut: list[int] = []
        self.statuses: list[int] = []
        self.gets: Counter[str] = Counter()
        self.spans: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        server.gets[self.path] += 1
        time.sleep(server.silence)
        if server.statuses:
            self.send_error(server.statuses.pop(0))
            return
        if self.path not in server.files:
            self.send_error(404)
            return
        body = server.files[self.path]
        span = self.headers.get("Range", "")
        server.spans.append(span)
        begin, status = 0, 200
        same = self.headers.get("If-Range") in (None, server.etag)
        if span and server.ranges and same:
            begin = int(re.fullmatch(r"bytes=(\d+)-", span)[1]) - server.early
            status = 206 if begin < len(body) else 416
        self.send_response(status)
        if status == 206:
            self.send_header(
                "Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}"
            )
        if status == 416:
            begin = len(body)
        if server.etag:
            self.send_header("ETag", server.etag)
        self.send_header("Content-Length", str(len(body) - begin))
        self.end_headers()
        end = begin + server.cut.pop(0) if server.cut else len(body)
        try:
            for start in range(begin, min(end, len(body)), 1 << 16):
                self.wfile.write(body[start : min(start + (1 << 16), end)])
                time.sleep(server.pause)
        except ConnectionError:
            self.close_connection = True  # whoever asked was killed


@contextmanager
def serving(handler):
    """Run a local server."""
    with Server(handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def server():
    """A local server of files."""
    with serving(Handler) as server:
        yield server


@pytest.fixture
def weights(tmp_path_factory) -> bytes:
    """A zip file as torch.save writes it, about 1 MB."""
    path = tmp_path_factory.mktemp("made") / "weights.pth"
    torch.save({"state_dict": {"w": torch.arange(1 << 18)}, "metadata": {}}, path)
    return path.read_bytes()


@pytest.fixture
def mirror(server, weights, tmp_path, monkeypatch):
    """The server as upstream's release page; no hub, no waiting; returns the server."""
    server.files[ASSET] = weights
    monkeypatch.setenv("DAC_LOBE_MIRROR", server.url)
    monkeypatch.setenv("DAC_LOBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DAC_LOBE_OFFLINE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(transfer, "BACKOFF", 0.01)

    def no_hub(hub_id, **_):
        raise FetchError(f"no hub for {hub_id}")

    monkeypatch.setattr(fetch, "download_hub", no_hub)
    return server


class HubHandler(BaseHTTPRequestHandler):
    """As much of the Hugging Face hub as fetching one model needs."""

    commit = "0" * 40

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = self.path.partition("?")[0]
        repository, _, file = path.lstrip("/").partition(f"/resolve/{self.commit}/")
        files = self.server.files
        names = [name for name in files if path.startswith("/api/models/descript")]
        self.server.gets[f"{self.command} {path}"] += 1
        headers, body = {}, b""
        if "/revision/" in path:
            siblings = [{"rfilename": name} for name in names]
            about = {"id": repository, "sha": self.commit, "siblings": siblings}
            body = json.dumps(about).encode()
        elif "/tree/" in path:
            tree = [
                {"type": "file", "path": n, "size": len(files[n]), "oid": "1" * 40}
                for n in names
            ]
            body = json.dumps(tree).encode()
        elif repository == "descript/dac_16khz" and file in files:
            body = files[file]
            etag = hashlib.sha1(body).hexdigest()
            headers = {"ETag": f'"{etag}"', "X-Repo-Commit": self.commit}
        self.send_response(200 if body else 404)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


def start(code: str, **environment: str) -> subprocess.Popen:
    """Run Python in another process."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


FETCH = "from dac_lobe.weights.fetch import download; print(download('16khz'))"


def left(folder: Path) -> set[str]:
    """Names in a folder, without the lock."""
    return {path.name for path in folder.iterdir()} - {f".{NAME}.lock"}


class TestGoodDays:
    def test_the_file_its_name_and_its_record(self, mirror, weights, tmp_path):
        path = download("16khz")
        assert path == tmp_path / "cache" / NAME
        assert path.read_bytes() == weights
        record = json.loads(path.with_name(f"{NAME}.json").read_text())
        assert record["size"] == len(weights)
        assert record["sha256"] == hashlib.sha256(weights).hexdigest()
        assert left(path.parent) == {NAME, f"{NAME}.json"}

    def test_the_lobe_has_its_name_and_so_have_its_files(
        self, mirror, make_dac, tmp_path
    ):
        path = make_dac().save(tmp_path / "tiny.pth")
        mirror.files[ASSET] = path.read_bytes()
        codec = DAC(model_type="16khz", load_pretrained=True)
        assert codec.source == "16khz"
        wav = write_audio(tmp_path / "a.wav", 0.1 * torch.randn(1, 800), 16000)
        assert codec.encode_file(wav).header.model == "16khz"

    def test_a_second_call_asks_nobody(self, mirror):
        assert download("16khz") == download("16khz", "8KBPS", "0.0.5")
        assert mirror.gets == {ASSET: 1}

    def test_cache_dir_wins_over_the_environment(self, mirror, tmp_path):
        assert download("16khz", cache_dir=tmp_path / "own").parent == tmp_path / "own"

    def test_the_default_cache_is_upstreams(self, monkeypatch, tmp_path):
        monkeypatch.delenv("DAC_LOBE_CACHE", raising=False)
        monkeypatch.setattr(Path, "home", lambda: tmp_path)
        assert fetch.cache_folder() == tmp_path / ".cache" / "descript" / "dac"

    def test_local_path_may_be_text(self, mirror, weights, tmp_path):
        path = download("16khz", local_path=str(tmp_path / "deep" / "mine.pth"))
        assert path.read_bytes() == weights

    def test_eight_processes_ask_once(self, mirror):
        mirror.pause = 0.02
        processes = [start(FETCH) for _ in range(8)]
        outputs = [process.communicate(timeout=60)[0] for process in processes]
        assert [process.returncode for process in processes] == [0] * 8, outputs
        assert mirror.gets == {ASSET: 1}


class TestBadDays:
    def test_a_killed_download_is_continued(self, mirror, weights, tmp_path):
        mirror.pause = 0.1
        process = start(FETCH)
        part = tmp_path / "cache" / f".{NAME}.part"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if part.exists() and part.stat().st_size > 0:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert left(part.parent) == {part.name, f"{part.name}.json"}
        have = part.stat().st_size
        assert 0 < have < len(weights)
        mirror.pause = 0
        assert download("16khz").read_bytes() == weights
        assert mirror.spans[-1] == f"bytes={have}-"
        assert left(part.parent) == {NAME, f"{NAME}.json"}

    def test_truncated_answers_are_continued(self, mirror, weights):
        mirror.cut = [100_000] * 40
        assert download("16khz", retries=0).read_bytes() == weights
        assert mirror.spans[:3] == ["", "bytes=65536-", "bytes=131072-"]

    def test_a_server_without_ranges_starts_again(self, mirror, weights):
        mirror.ranges = False
        mirror.cut = [300_000, 200_000]
        assert download("16khz").read_bytes() == weights

    def test_an_answer_from_elsewhere_is_not_appended(self, mirror, weights):
        mirror.cut, mirror.early = [300_000], 1000
        assert download("16khz").read_bytes() == weights
        assert mirror.spans == ["", "bytes=262144-", ""]

    def test_a_server_that_never_finishes_is_given_up(self, mirror, tmp_path):
        mirror.ranges = False
        mirror.cut = [300_000] * 100
        with pytest.raises(FetchError, match="3 attempts"):
            download("16khz", retries=2)
        assert sum(mirror.gets.values()) == 4
        assert not (tmp_path / "cache" / NAME).exists()

    def test_another_file_in_between_is_not_mixed_in(self, mirror, weights, tmp_path):
        mirror.etag, mirror.files[ASSET] = '"old"', bytes(len(weights))
        mirror.cut = [300_000, 0]
        with pytest.raises(FetchError, match="broke off"):
            download("16khz", retries=0)
        assert (tmp_path / "cache" / f".{NAME}.part").stat().st_size > 0
        mirror.etag, mirror.files[ASSET], mirror.cut = '"new"', weights, []
        assert download("16khz").read_bytes() == weights

    def test_without_a_tag_the_size_must_agree(self, mirror, weights):
        mirror.etag = ""
        mirror.files[ASSET] = bytes(len(weights) + 5)
        mirror.cut = [300_000, 0]
        with pytest.raises(FetchError, match="broke off"):
            download("16khz", retries=0)
        mirror.files[ASSET], mirror.cut = weights, []
        assert download("16khz").read_bytes() == weights

    def test_a_part_longer_than_the_file_is_dropped(self, mirror, weights, tmp_path):
        part = tmp_path / "cache" / f".{NAME}.part"
        part.parent.mkdir()
        part.write_bytes(bytes(len(weights) + 9))
        stamp = {"url": mirror.url + ASSET, "validator": '"one"', "total": 10**9}
        part.with_name(f"{part.name}.json").write_text(json.dumps(stamp))
        assert download("16khz").read_bytes() == weights

    def test_killed_before_the_renaming(self, mirror, weights, tmp_path):
        part = tmp_path / "cache" / f".{NAME}.part"
        part.parent.mkdir()
        part.write_bytes(weights)
        stamp = {"url": mirror.url + ASSET, "validator": '"one"', "total": len(weights)}
        part.with_name(f"{part.name}.json").write_text(json.dumps(stamp))
        assert download("16khz").read_bytes() == weights
        assert not mirror.gets

    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_what_may_pass_is_tried_again(self, mirror, weights, status):
        mirror.statuses = [status, status]
        assert download("16khz").read_bytes() == weights

    @pytest.mark.parametrize("status", [401, 403, 404, 410])
    def test_what_will_not_pass_is_not(self, mirror, status):
        mirror.statuses = [status] * 9
        with pytest.raises(FetchError, match=f"status {status}.*no hub"):
            download("16khz")
        assert mirror.gets == {ASSET: 1}

    def test_a_login_page_is_no_weights(self, mirror, tmp_path):
        mirror.files[ASSET] = b"<html>please log in</html>"
        with pytest.raises(FetchError, match="something else"):
            download("16khz")
        assert left(tmp_path / "cache") == set()

    def test_a_silent_server_times_out(self, mirror):
        mirror.silence = 1
        with pytest.raises(FetchError, match="in time"):
            download("16khz", timeout=0.2, retries=0)

    def test_no_server_at_all(self, mirror, monkeypatch):
        monkeypatch.setenv("DAC_LOBE_MIRROR", "http://127.0.0.1:9")
        with pytest.raises(FetchError, match="no connection.*refused"):
            download("16khz", retries=1)

    def test_a_mirror_that_is_no_address(self, mirror, monkeypatch):
        monkeypatch.setenv("DAC_LOBE_MIRROR", "weights.example")
        with pytest.raises(FetchError, match="weights.example"):
            download("16khz")


class TestCacheGoneBad:
    def test_a_changed_file_is_fetched_again(self, mirror, weights):
        path = download("16khz")
        damaged = bytearray(weights)
        damaged[5000] ^= 1
        path.write_bytes(damaged)
        os.utime(path, ns=(1, 1))
        assert download("16khz").read_bytes() == weights
        assert mirror.gets == {ASSET: 2}

    def test_a_shortened_file_is_fetched_again(self, mirror, weights):
        path = download("16khz")
        path.write_bytes(weights[:-1])
        assert download("16khz").read_bytes() == weights

    def test_a_touched_file_is_verified_and_kept(self, mirror):
        path = download("16khz")
        os.utime(path, ns=(1, 1))
        download("16khz")
        assert mirror.gets == {ASSET: 1}
        record = json.loads(path.with_name(f"{NAME}.json").read_text())
        assert record["mtime_ns"] == 1

    def test_whole_files_of_others_are_adopted(self, mirror, weights, tmp_path):
        path = tmp_path / "cache" / NAME
        path.parent.mkdir()
        path.write_bytes(weights)
        assert download("16khz") == path
        assert path.with_name(f"{NAME}.json").exists()
        assert not mirror.gets

    def test_half_files_of_others_are_not(self, mirror, weights, tmp_path):
        path = tmp_path / "cache" / NAME
        path.parent.mkdir()
        path.write_bytes(weights[: len(weights) // 2])
        assert download("16khz").read_bytes() == weights

    def test_an_unreadable_record_is_made_again(self, mirror, weights):
        path = download("16khz")
        path.with_name(f"{NAME}.json").write_text("{")
        assert download("16khz").read_bytes() == weights
        assert mirror.gets == {ASSET: 1}


class TestNoRoom:
    def test_a_cache_that_is_a_file(self, mirror, tmp_path):
        (tmp_path / "cache").write_text("in the way")
        with pytest.raises(FetchError, match="cannot write.*cache_dir="):
            download("16khz")

    def test_a_cache_that_is_read_only(self, mirror, monkeypatch, tmp_path):
        def refuse(path, *_, **__):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

        monkeypatch.setattr(transfer.FileLock, "acquire", refuse)
        with pytest.raises(FetchError, match="Permission denied.*DAC_LOBE_CACHE"):
            download("16khz")

    def test_a_read_only_cache_that_has_it_will_do(self, mirror, monkeypatch):
        path = download("16khz")
        path.with_name(f"{NAME}.json").unlink()
        monkeypatch.setattr(os, "access", lambda *_: False)
        assert download("16khz") == path
        assert not path.with_name(f"{NAME}.json").exists()

    def test_a_full_disk(self, mirror, monkeypatch, tmp_path):
        opened = builtins.open

        def open_full(file, mode="r", *rest, **options):
            handle = opened(file, mode, *rest, **options)
            return Full(handle) if str(file).endswith(".part") else handle

        class Full:
            """A file on a disk with 200 kB left."""

            def __init__(self, handle):
                self.handle = handle

            def __getattr__(self, name):
                return getattr(self.handle, name)

            def __enter__(self):
                return self

            def __exit__(self, *_):
                self.handle.close()

            def write(self, block):
                if self.handle.tell() + len(block) > 200_000:
                    raise OSError(errno.ENOSPC, "No space left on device")
                return self.handle.write(block)

        monkeypatch.setattr(builtins, "open", open_full)
        with pytest.raises(FetchError, match="No space left on device"):
            download("16khz")
        assert left(tmp_path / "cache") == set()


class TestOffline:
    @pytest.mark.parametrize("switch", ["DAC_LOBE_OFFLINE", "HF_HUB_OFFLINE"])
    def test_the_network_is_not_touched(self, mirror, monkeypatch, switch):
        monkeypatch.setenv(switch, "1")
        with pytest.raises(FetchError, match="switched off.*weights_16khz.pth"):
            download("16khz")
        assert not mirror.gets

    def test_hub_ids_name_the_switch(self, monkeypatch, tmp_path):
        monkeypatch.setenv("DAC_LOBE_OFFLINE", "1")
        with pytest.raises(FetchError, match="'org/name'.*switched off") as caught:
            download_hub("org/name", cache_dir=tmp_path)
        assert "local_files_only" not in str(caught.value)

    def test_what_is_there_is_found(self, mirror, monkeypatch):
        path = download("16khz")
        monkeypatch.setenv("DAC_LOBE_OFFLINE", "true")
        assert download("16khz") == path

    def test_what_is_damaged_is_told_from_what_is_missing(self, mirror, monkeypatch):
        path = download("16khz")
        path.write_bytes(path.read_bytes()[:-1])
        monkeypatch.setenv("DAC_LOBE_OFFLINE", "1")
        with pytest.raises(FetchError, match=r"\.pth is not as it was fetched"):
            download("16khz")

    def test_zero_is_not_offline(self, mirror, monkeypatch):
        monkeypatch.setenv("DAC_LOBE_OFFLINE", "0")
        assert download("16khz").exists()


class TestHub:
    """The hub as second source, against as much of a hub as that needs."""

    @pytest.fixture
    def hub(self, tmp_path, make_dac):
        folder = make_dac().save(tmp_path / "on-the-hub")
        with serving(HubHandler) as hub:
            hub.files = {path.name: path.read_bytes() for path in folder.iterdir()}
            hub.folder = folder
            yield hub

    def run(self, hub, **environment):
        telemetry = {"HF_HUB_DISABLE_TELEMETRY": "1"}
        process = start(FETCH, HF_ENDPOINT=hub.url, **telemetry, **environment)
        output = process.communicate(timeout=120)[0]
        return process.returncode, output

    @pytest.mark.parametrize("old", [False, True])
    def test_it_helps_where_upstream_is_gone(self, hub, mirror, tmp_path, old):
        mirror.files.clear()
        if old:
            state = load_file(hub.folder / "model.safetensors")
            torch.save(state, tmp_path / "old.bin")
            del hub.files["model.safetensors"]
            hub.files["pytorch_model.bin"] = (tmp_path / "old.bin").read_bytes()
        code, output = self.run(hub)
        assert code == 0, output
        folder = output.splitlines()[-1]
        assert folder.startswith(str(tmp_path / "cache"))
        loaded = DAC.from_pretrained(folder)
        assert fingerprint(loaded) == fingerprint(DAC.from_pretrained(hub.folder))
        hub.gets.clear()
        assert self.run(hub, HF_HUB_OFFLINE="1") == (0, f"{folder}\n")
        assert not hub.gets

    def test_both_reasons_are_given_where_neither_helps(self, hub, mirror):
        mirror.files.clear()
        hub.files.clear()
        code, output = self.run(hub)
        assert code == 1
        assert "status 404 Not Found. The copy on the hub failed too" in output


class TestWords:
    @pytest.mark.parametrize(
        "labels",
        [("48khz", "8kbps"), ("16khz", "16kbps"), ("44khz", "8kbps", "1.0.0")],
    )
    def test_unknown_models_are_value_errors(self, labels):
        with pytest.raises(ValueError, match="There are: 16khz 8kbps 0.0.5"):
            download(*labels)

    def test_all_labels_ignore_case(self, mirror):
        assert download("16KHZ", "8KBPS", "LATEST").name == NAME

    def test_a_bar_is_drawn_only_if_wanted(self, mirror, monkeypatch):
        asked = []
        bar = transfer.tqdm

        def spy(*values, **options):
            asked.append(options["disable"])
            return bar(*values, **{**options, "disable": True})

        monkeypatch.setattr(transfer, "tqdm", spy)
        download("16khz", progress=False)
        download("16khz", progress=True, local_path=fetch.cache_folder() / "b.pth")
        # None leaves it to tqdm, which draws on terminals alone.
        assert asked == [True, None]
