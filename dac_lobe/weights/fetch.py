"""Official weights, from upstream's releases or the Hugging Face hub, kept in a cache.

    DAC_LOBE_CACHE    folder for fetched weights (default ~/.cache/descript/dac)
    DAC_LOBE_OFFLINE  1: never use the network (HF_HUB_OFFLINE=1 means it too)
    DAC_LOBE_MIRROR   address that replaces upstream's release page:
                      <mirror>/<tag>/<file>
    HF_ENDPOINT       mirror of the hub, as everywhere

Names and labels are those of SpeechBrain's and upstream's ``download``, and so
is the cache: weights that they fetched are found, after a look at whether they
are whole.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from dac_lobe.weights.transfer import FetchError, fetch_weights, offline
from dac_lobe.weights.variants import RELEASES, VARIANTS, WEIGHT_FILES, Variant

__all__ = [
    "FetchError",
    "cache_folder",
    "download",
    "download_hub",
    "released_variant",
]

logger = logging.getLogger(__name__)

_BESIDE = ("config.json", "preprocessor_config.json")


def download(
    model_type: str = "44khz",
    model_bitrate: str = "8kbps",
    tag: str = "latest",
    local_path: str | os.PathLike[str] | None = None,
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    timeout: float = 30.0,
    retries: int = 4,
    progress: bool = True,
) -> Path:
    """Return the weights of an official model, fetching them if need be.

    Arguments
    ---------
    model_type : str
        '16khz', '24khz' or '44khz'.
    model_bitrate : str
        '8kbps' or '16kbps', upstream's labels: not the true bitrates.
    tag : str
        Release; 'latest' is the newest that has this model.
    local_path : str or Path, optional
        File to put the weights in, in place of one in the cache.
    cache_dir : str or Path, optional
        Folder for fetched weights.
    timeout : float
        Seconds to wait for an answer.
    retries : int
        How many further attempts may bring nothing new before giving up.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    Path
        The official file; or, where upstream cannot be reached and the hub can,
        the folder of the hub's copy. `read_checkpoint` reads both.

    Raises
    ------
    ValueError
        If there is no such model.
    FetchError
        If it is not in the cache and cannot be fetched.

    Example
    -------
    >>> download("48khz")
    Traceback (most recent call last):
    ...
    ValueError: no weights for model_type='48khz', model_bitrate='8kbps', tag='latest'. There are: 16khz 8kbps 0.0.5, 24khz 8kbps 0.0.4, 44khz 8kbps 0.0.1, 44khz 16kbps 1.0.0.
    """
    row = released_variant(model_type, model_bitrate, tag)
    if local_path is not None:
        path = Path(local_path).expanduser()
    else:
        path = cache_folder(cache_dir) / row.cache_name
    url = row.url_at(os.environ.get("DAC_LOBE_MIRROR", RELEASES))
    try:
        return fetch_weights(url, path, timeout, retries, progress)
    except FetchError as first:
        if row.hub_id is None or local_path is not None:
            raise
        logger.info("%s Trying the hub: %s", first, row.hub_id)
        try:
            return download_hub(row.hub_id, cache_dir=cache_dir)
        except FetchError as second:
            if offline():
                raise first from None
            raise FetchError(
                f"{first} The copy on the hub failed too: {second}"
            ) from first


def download_hub(
    hub_id: str, *, cache_dir: str | os.PathLike[str] | None = None
) -> Path:
    """Return a model of the Hugging Face hub as a folder, fetching it if need be.

    Arguments
    ---------
    hub_id : str
        'org/name'.
    cache_dir : str or Path, optional
        Folder for fetched weights; DAC_LOBE_CACHE, or else the hub's own cache.

    Returns
    -------
    Path
        Folder in the layout of transformers.

    Raises
    ------
    FetchError
        If it is not in the cache and cannot be fetched.
    """
    from huggingface_hub import errors, snapshot_download

    cache = cache_dir or os.environ.get("DAC_LOBE_CACHE")
    options = {"cache_dir": cache, "local_files_only": offline()}
    try:
        # The old format only where there is no other: it is as large again.
        for name in WEIGHT_FILES:
            wanted = [*_BESIDE, name]
            folder = Path(snapshot_download(hub_id, allow_patterns=wanted, **options))
            if (folder / name).is_file():
                return folder
    # Which HTTP library raises depends on the version of huggingface_hub;
    # `errors` re-exports the base class of its errors.
    except (errors.HTTPError, errors.EntryNotFoundError, OSError, ValueError) as error:
        if offline() and isinstance(error, errors.LocalEntryNotFoundError):
            raise FetchError(
                f"'{hub_id}' is not in the cache, and the network is switched off "
                "(DAC_LOBE_OFFLINE or HF_HUB_OFFLINE). Fetch it where there is "
                "network, or name a folder that holds it."
            ) from error
        reason = str(error).strip().split("\n")[0]
        raise FetchError(f"cannot fetch '{hub_id}' from the hub: {reason}") from error
    raise FetchError(f"'{hub_id}' on the hub holds none of {', '.join(WEIGHT_FILES)}.")


def cache_folder(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder that fetched weights are kept in.

    Example
    -------
    >>> cache_folder("weights").name
    'weights'
    """
    chosen = cache_dir or os.environ.get("DAC_LOBE_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    return Path.home() / ".cache" / "descript" / "dac"


def released_variant(
    model_type: str = "44khz", model_bitrate: str = "8kbps", tag: str = "latest"
) -> Variant:
    """Find the released weights that upstream's three labels mean.

    Arguments
    ---------
    model_type, model_bitrate, tag : str
        As for `download`.

    Returns
    -------
    Variant
        The weights.

    Raises
    ------
    ValueError
        If there are none of these labels.

    Example
    -------
    >>> released_variant("44khz", "16kbps").name
    '44khz-16kbps'
    """
    released = [row for row in VARIANTS.values() if not row.bundled]
    for row in released:
        if (model_type.lower(), model_bitrate.lower()) == (
            row.model_type,
            row.model_bitrate,
        ) and tag.lower() in ("latest", row.tag):
            return row
    known = ", ".join(f"{r.model_type} {r.model_bitrate} {r.tag}" for r in released)
    raise ValueError(
        f"no weights for model_type={model_type!r}, model_bitrate={model_bitrate!r}, "
        f"tag={tag!r}. There are: {known}."
    )
