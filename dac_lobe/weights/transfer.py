"""One file from one address: whole and verified, or not there at all.

    url --> .NAME.part --size, check, sha256--> NAME + NAME.json

Several processes may ask at once: a lock lets one fetch, the others then find
the file. What a killed process has received stays in the part file, and is
continued. A file that no longer agrees with its record is fetched again.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import time
from pathlib import Path
from typing import BinaryIO

import requests
from filelock import FileLock
from tqdm import tqdm

from dac_lobe.disk.atomic import publish, replacing
from dac_lobe.weights.record import Check, intact, read_json, write_record

__all__ = ["FetchError", "fetch_url"]

logger = logging.getLogger(__name__)

BACKOFF = 0.5  # seconds after the first failure; doubled after each further one
LONGEST_WAIT = 60.0
BLOCK = 1 << 16  # bytes; what is lost of a connection that breaks off


class FetchError(OSError):
    """A file could not be fetched; the message says which, why, and what to do."""


class _Interrupted(Exception):
    """An attempt failed in a way that may pass."""

    def __init__(self, reason: str, wait: float = 0.0):
        super().__init__(reason)
        self.wait = wait


def fetch_url(
    url: str,
    path: Path,
    *,
    check: Check | None = None,
    timeout: float = 30.0,
    retries: int = 4,
    progress: bool = True,
) -> Path:
    """Fetch ``url`` into ``path``, unless it is there and intact.

    Arguments
    ---------
    url : str
        Address, http or https.
    path : Path
        Final name; missing folders above it are made.
    check : callable, optional
        Tells by the content whether a file can be what was asked for (and not,
        say, an error page). Files without a record must pass it too.
    timeout : float
        Seconds to wait for a connection, and for each block of data.
    retries : int
        How many further attempts may bring nothing new before giving up.
    progress : bool
        Whether to show a bar, if somebody is watching.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    FetchError
        If the file cannot be fetched or written.
    """
    if intact(path, check):
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock")):
            if not intact(path, check):
                _receive(url, path, check, timeout, retries, progress)
    except FetchError:
        raise
    except OSError as error:
        raise FetchError(
            f"cannot write {path}: {error.strerror or error}. Choose another folder "
            "with cache_dir= or DAC_LOBE_CACHE."
        ) from error
    return path


def _receive(
    url: str,
    path: Path,
    check: Check | None,
    timeout: float,
    retries: int,
    progress: bool,
) -> None:
    """Fetch in as many attempts as it takes, each continuing the one before."""
    part = path.with_name(f".{path.name}.part")
    best, failures = 0, 0
    while True:
        try:
            with open(part, "ab") as file:
                _attempt(url, file, part, timeout, progress, path.name)
                if check is None or check(part):
                    publish(file, part, path)
                    break
            _discard(part)
            raise FetchError(
                f"{url} sent something else than {path.name}. Is a proxy or a login "
                "page in between?"
            )
        except _Interrupted as error:
            size = part.stat().st_size if part.exists() else 0
            failures = 0 if size > best else failures + 1
            best = max(best, size)
            if failures > retries:
                if not size:
                    _discard(part)
                raise FetchError(
                    f"cannot fetch {url}: {error} ({retries + 1} attempts). What has "
                    f"come so far is kept; run again, or put the file at {path}."
                ) from error
            pause = max(BACKOFF * 2 ** max(failures - 1, 0), error.wait)
            # Once aloud, so that nobody wonders at the silence; then for the curious.
            level = logging.WARNING if failures == 1 else logging.INFO
            logger.log(level, "%s: %s; trying again in %.1f s", url, error, pause)
            time.sleep(min(pause, LONGEST_WAIT))
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                _discard(part)
            raise
    _stamp_path(part).unlink(missing_ok=True)
    write_record(path, url)


def _attempt(
    url: str, file: BinaryIO, part: Path, timeout: float, progress: bool, name: str
) -> None:
    """Ask once for what is missing in ``file`` and append it."""
    have, stamp = file.seek(0, os.SEEK_END), read_json(_stamp_path(part))
    if have and stamp.get("url") != url:
        have = _restart(file)
    if have and have == stamp.get("total"):
        return  # Killed between the last byte and the renaming.
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if stamp.get("validator"):
            headers["If-Range"] = stamp["validator"]
    try:
        with requests.get(url, headers=headers, stream=True, timeout=timeout) as reply:
            _refuse(reply, url)
            if reply.status_code == 416:
                _restart(file)
                raise _Interrupted("the server has another file than before")
            begin, total = _extent(reply)
            if begin != have or (have and total != stamp.get("total")):
                if begin != 0:
                    _restart(file)
                    raise _Interrupted("the server answered with another part")
                have = _restart(file)
            _write_stamp(part, url, reply, total)
            bar = tqdm(
                desc=name,
                total=total,
                initial=have,
                unit="B",
                unit_scale=True,
                disable=None if progress else True,
            )
            with bar:
                for block in reply.iter_content(BLOCK):
                    file.write(block)
                    bar.update(len(block))
    except requests.RequestException as error:
        if isinstance(error, ValueError):
            raise FetchError(f"cannot fetch {url}: {error}") from error
        raise _Interrupted(_reason(error)) from error
    finally:
        file.flush()
    size = file.tell()
    if total is not None and size != total:
        if size > total:
            _restart(file)
        raise _Interrupted(f"{size} of {total} bytes came")


def _refuse(reply: requests.Response, url: str) -> None:
    """Raise for every status that brings no data."""
    status = reply.status_code
    if status in (200, 206, 416):
        return
    if status in (408, 425, 429) or status >= 500:
        after = reply.headers.get("Retry-After", "")
        raise _Interrupted(
            f"status {status} {reply.reason}", float(after) if after.isdigit() else 0.0
        )
    raise FetchError(f"cannot fetch {url}: status {status} {reply.reason}.")


def _extent(reply: requests.Response) -> tuple[int, int | None]:
    """First byte and total size of what a reply brings."""
    if reply.status_code == 206:
        match = re.fullmatch(
            r"bytes (\d+)-\d+/(\d+|\*)", reply.headers.get("Content-Range", "")
        )
        if match is None:
            return -1, None
        total = match[2]
        return int(match[1]), None if total == "*" else int(total)
    length = reply.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _reason(error: requests.RequestException) -> str:
    """Say in a few words what went wrong on the network."""
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    root: BaseException = error
    while root.__context__ is not None:
        root = root.__context__
    if isinstance(error, requests.Timeout) or isinstance(root, TimeoutError):
        return "the server does not answer in time"
    return f"no connection ({root})"


def _restart(file: BinaryIO) -> int:
    """Forget what has come so far."""
    file.truncate(0)
    return file.seek(0)


def _discard(part: Path) -> None:
    """Remove a part file and its stamp."""
    part.unlink(missing_ok=True)
    _stamp_path(part).unlink(missing_ok=True)


def _stamp_path(part: Path) -> Path:
    """Where it is noted what a part file is part of."""
    return part.with_name(f"{part.name}.json")


def _write_stamp(
    part: Path, url: str, reply: requests.Response, total: int | None
) -> None:
    """Note which version of which file is being received."""
    etag = reply.headers.get("ETag", "")
    # A weak tag promises a like meaning, not like bytes.
    strong = etag if etag and not etag.startswith("W/") else None
    validator = strong or reply.headers.get("Last-Modified")
    stamp = {"url": url, "validator": validator, "total": total}
    with replacing(_stamp_path(part)) as file:
        file.write(json.dumps(stamp).encode())
