"""What a fetched file was like: its size and SHA-256, kept beside it as JSON.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dac_lobe.disk.atomic import replacing

__all__ = ["Check", "intact", "read_json", "write_record"]

logger = logging.getLogger(__name__)

Check = Callable[[Path], bool]


def intact(path: Path, check: Check | None = None) -> bool:
    """Tell whether ``path`` is there and as it was when it was fetched.

    The hash is computed again only if the file has been touched since. A file
    that something else put there is adopted, with a record, if ``check`` agrees.

    Arguments
    ---------
    path : Path
        The file.
    check : callable, optional
        Tells by the content whether a file can be what is wanted.

    Returns
    -------
    bool
    """
    if not path.is_file():
        return False
    found, record = path.stat(), read_json(_record_path(path))
    if not record:
        if check is not None and not check(path):
            logger.warning("%s is damaged and will be fetched again", path)
            return False
        write_record(path, url=None)
        return True
    if found.st_size == record.get("size"):
        if found.st_mtime_ns == record.get("mtime_ns"):
            return True
        if _sha256(path) == record.get("sha256"):
            write_record(path, url=record.get("url"))
            return True
    logger.warning("%s is not what was fetched and will be fetched again", path)
    return False


def write_record(path: Path, url: str | None) -> None:
    """Keep size and hash beside a file; a folder that is read-only does without.

    Arguments
    ---------
    path : Path
        The file.
    url : str, optional
        Where it came from, if that is known.
    """
    if not os.access(path.parent, os.W_OK):
        return
    found = path.stat()
    record = {
        "url": url,
        "size": found.st_size,
        "sha256": _sha256(path),
        "mtime_ns": found.st_mtime_ns,
    }
    try:
        with replacing(_record_path(path)) as file:
            file.write((json.dumps(record, indent=2) + "\n").encode())
    except OSError as error:
        logger.debug("no record beside %s: %s", path, error)


def read_json(path: Path) -> dict[str, Any]:
    """Read a small JSON object; an unreadable one is an empty one."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _sha256(path: Path) -> str:
    """Hash a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _record_path(path: Path) -> Path:
    """Where size and hash of a file are kept."""
    return path.with_name(f"{path.name}.json")
