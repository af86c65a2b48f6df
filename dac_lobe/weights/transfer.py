"""One file from one address: whole and verified, or not there at all.

    url --> .NAME.part --size, zip, sha256--> NAME + NAME.json

Several processes may ask at once: a lock lets one fetch, the others then find
the file. What a killed process has received stays in the part file, and is
continued. A file that no longer agrees with its record is fetched again.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests
from filelock import FileLock
from tqdm import tqdm

from dac_lobe.disk.atomic import part_of, publish, replacing

__all__ = ["FetchError", "fetch_weights", "offline"]

logger = logging.getLogger(__name__)

BACKOFF = 0.25  # seconds; doubled after each attempt that brings nothing new
LONGEST_WAIT = 60.0
BLOCK = 1 << 16  # bytes; what is lost of a connection that breaks off


class FetchError(OSError):
    """A file could not be fetched; the message says which, why, and what to do."""


def offline() -> bool:
    """Tell whether the network is switched off."""
    switches = ("DAC_LOBE_OFFLINE", "HF_HUB_OFFLINE")
    values = (os.environ.get(switch, "").strip().lower() for switch in switches)
    return any(value in ("1", "true", "yes", "on") for value in values)


def fetch_weights(
    url: str, path: Path, timeout: float, retries: int, progress: bool
) -> Path:
    """Fetch a zip file into ``path``, unless it is there and intact.

    Arguments
    ---------
    url : str
        Address, http or https.
    path : Path
        Final name; missing folders above it are made.
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
    if _intact(path):
        return path
    if offline():
        state = "as it was fetched" if path.exists() else "there"
        raise FetchError(
            f"{path} is not {state}, and the network is switched off (DAC_LOBE_OFFLINE "
            f"or HF_HUB_OFFLINE). Fetch it where there is network, from {url}."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock")):
            if not _intact(path):
                _receive(url, path, timeout, retries, progress)
    except FetchError:
        raise
    except OSError as error:
        raise FetchError(
            f"cannot write {path}: {error.strerror or error}. Choose another folder "
            "with cache_dir= or DAC_LOBE_CACHE."
        ) from error
    return path


def _intact(path: Path) -> bool:
    """Tell whether ``path`` is there and as it was when it was fetched.

    The hash is computed again only if the file has been touched since. A file
    that something else put there is adopted, with a record, if it is whole.
    """
    if not path.is_file():
        return False
    found, record = path.stat(), _read_note(path)
    if not record:
        whole = zipfile.is_zipfile(path)
    elif found.st_size != record.get("size"):
        return False
    elif found.st_mtime_ns == record.get("mtime_ns"):
        return True
    else:
        whole = _sha256(path) == record.get("sha256")
    if whole:
        _record(path, record.get("url"))
    return whole


def _receive(
    url: str, path: Path, timeout: float, retries: int, progress: bool
) -> None:
    """Fetch in as many attempts as it takes, each continuing the one before."""
    if path.exists():
        logger.warning("%s is not what was fetched and will be fetched again", path)
    part = part_of(path)
    best, failures = 0, 0
    while True:
        try:
            _attempt(url, part, timeout, progress)
            break
        except requests.RequestException as error:
            reason, wait = _reason(error), _wait(error)
            if wait is None:
                raise FetchError(f"cannot fetch {url}: {reason}.") from error
            size = _size(part)
            failures = 0 if size > best else failures + 1
            best = max(best, size)
            if failures > retries:
                raise FetchError(
                    f"cannot fetch {url}: {reason} ({retries + 1} attempts). What has "
                    f"come so far is kept; run again, or put the file at {path}."
                ) from error
            pause = min(max(BACKOFF * 2**failures, wait), LONGEST_WAIT)
            # Once aloud, so that nobody wonders at the silence; then for the curious.
            level = logging.WARNING if failures == 1 else logging.INFO
            logger.log(level, "%s: %s; trying again in %.1f s", url, reason, pause)
            time.sleep(pause)
        except OSError:  # a full disk, most often: give back what was taken of it
            _discard(part)
            raise
    if not zipfile.is_zipfile(part):
        _discard(part)
        raise FetchError(
            f"{url} sent something else than {path.name}. Is a proxy or a login page "
            "in between?"
        )
    with open(part, "r+b") as file:
        publish(file, part, path)
    _discard(part)
    _record(path, url)


def _attempt(url: str, part: Path, timeout: float, progress: bool) -> None:
    """Ask once for what is missing of a part file and append it."""
    note = _read_note(part)
    total = note.get("total") or 0
    have = _size(part) if total and note.get("url") == url else 0
    if have and have == total:
        return  # Killed between the last byte and the renaming.
    headers = {
        "Accept-Encoding": "identity",
        "Range": f"bytes={have}-" if have else None,
        "If-Range": note.get("validator") if have else None,
    }
    with requests.get(url, headers=headers, stream=True, timeout=timeout) as reply:
        continued = reply.status_code == 206
        rest = f"bytes {have}-{total - 1}/{total}"
        other = continued and reply.headers.get("Content-Range") != rest
        if other or reply.status_code == 416:
            _discard(part)
            raise requests.RequestException("the server has another file than before")
        reply.raise_for_status()
        if not continued:
            have, length = 0, reply.headers.get("Content-Length", "")
            total = int(length) if length.isdigit() else 0
        etag = reply.headers.get("ETag", "W/")
        # A weak tag promises a like meaning, not like bytes.
        weak = etag.startswith("W/")
        validator = reply.headers.get("Last-Modified") if weak else etag
        bar = tqdm(
            desc=part.stem[1:],
            total=total or None,
            initial=have,
            unit="B",
            unit_scale=True,
            disable=None if progress else True,
        )
        with open(part, "ab" if continued else "wb") as file, bar:
            # After the old content has gone, for which it would be wrong.
            _write_note(part, url=url, validator=validator, total=total)
            for block in reply.iter_content(BLOCK):
                file.write(block)
                bar.update(len(block))
    if total and _size(part) != total:
        raise requests.exceptions.ChunkedEncodingError("fewer bytes than announced")


def _reason(error: requests.RequestException) -> str:
    """Say in a few words what went wrong on the network."""
    if error.response is not None:
        return f"status {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    root: BaseException = error
    while root.__context__ is not None:
        root = root.__context__
    if isinstance(error, requests.Timeout) or isinstance(root, TimeoutError):
        return "the server does not answer in time"
    if isinstance(error, requests.ConnectionError):
        return f"no connection ({root})"
    return str(error)


def _wait(error: requests.RequestException) -> float | None:
    """How many seconds a server wants to be left alone; None: it is of no use."""
    if error.response is None:
        return None if isinstance(error, ValueError) else 0.0  # no address
    status = error.response.status_code
    if status < 500 and status not in (408, 425, 429):
        return None
    after = error.response.headers.get("Retry-After", "")
    return float(after) if after.isdigit() else 0.0


def _record(path: Path, url: str | None) -> None:
    """Keep size and hash beside a file; a folder that is read-only does without."""
    if os.access(path.parent, os.W_OK):
        found, sha256 = path.stat(), _sha256(path)
        facts = {"size": found.st_size, "mtime_ns": found.st_mtime_ns}
        with suppress(OSError):
            _write_note(path, url=url, sha256=sha256, **facts)


def _sha256(path: Path) -> str:
    """Hash a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(path: Path) -> int:
    """Count the bytes of a file that may not be there."""
    return path.stat().st_size if path.exists() else 0


def _note(path: Path) -> Path:
    """Where it is noted what a file, or a part of one, is."""
    return path.with_name(f"{path.name}.json")


def _read_note(path: Path) -> dict[str, Any]:
    """Read what is noted of a file; an unreadable note is an empty one."""
    try:
        value = json.loads(_note(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _write_note(path: Path, **facts: Any) -> None:
    """Note what a file is."""
    with replacing(_note(path)) as file:
        file.write((json.dumps(facts, indent=2) + "\n").encode())


def _discard(part: Path) -> None:
    """Remove a part file and its note."""
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)
