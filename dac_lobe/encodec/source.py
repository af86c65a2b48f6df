"""Where EnCodecs come from: names, folders, hub ids.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from safetensors import SafetensorError
from transformers import EncodecModel

from dac_lobe.weights.fetch import download_hub

__all__ = ["NAMES", "load_encodec"]

NAMES = {"24khz": "facebook/encodec_24khz", "48khz": "facebook/encodec_48khz"}


def load_encodec(
    source: str | Path, cache_dir: str | Path | None = None
) -> EncodecModel:
    """Load transformers' EnCodec, completely or not at all.

    Arguments
    ---------
    source : str or Path
        A name, a folder of transformers, or a hub id.
    cache_dir : str or Path, optional
        Where fetched weights are kept.

    Returns
    -------
    EncodecModel

    Raises
    ------
    ValueError
        If the source is not an EnCodec.
    FetchError
        If it is neither here nor can be fetched.
    """
    folder = Path(source).expanduser()
    if isinstance(source, str) and (source in NAMES or not folder.exists()):
        hub_id = NAMES.get(source, source)
        if hub_id.count("/") != 1:
            raise ValueError(
                f"unknown EnCodec {source!r}. Known: {', '.join(NAMES)}. A folder of "
                "transformers or a hub id 'org/name' works too."
            )
        folder = download_hub(hub_id, cache_dir=cache_dir)
    try:
        kind = json.loads((folder / "config.json").read_text()).get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise ValueError(f"{os.fspath(source)} has no readable config.json.") from error
    if kind != "encodec":
        raise ValueError(f"{os.fspath(source)} is of the kind {kind!r}, not 'encodec'.")
    try:
        model, report = EncodecModel.from_pretrained(
            folder, output_loading_info=True, local_files_only=True
        )
    except (OSError, RuntimeError, SafetensorError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(f"{os.fspath(source)} cannot be loaded: {reason}") from error
    wrong = {what: names for what, names in report.items() if names}
    if wrong:
        raise ValueError(f"{os.fspath(source)} is no complete EnCodec: {wrong}.")
    return model.eval()
