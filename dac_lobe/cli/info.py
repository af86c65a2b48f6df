"""``dac-lobe info``: the facts of a packed file, a token store or a model.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dac_lobe.cli.options import CacheDir, UsageError, load_codec
from dac_lobe.disk.suffixes import AUDIO_SUFFIXES, PACKED_SUFFIXES

if TYPE_CHECKING:
    from dac_lobe.container.official import OfficialFile
    from dac_lobe.dac import DAC

__all__ = ["info"]


def info(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A .dac file, a token store, or a model."
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    cache_dir: CacheDir = None,
) -> None:
    """Show the facts of a .dac file, a token store or a model: rates, codebooks and more."""
    path = Path(source)
    if path.suffix in AUDIO_SUFFIXES | PACKED_SUFFIXES and not path.exists():
        raise UsageError(f"{path} does not exist; is the working folder right?")
    if _is_store(path):
        rows = _store_rows(path)
    elif path.suffix == ".dac" or path.is_file() and not _is_checkpoint(path):
        rows = _file_rows(path)
    else:
        rows = _model_rows(load_codec(source, "cpu", cache_dir))
    if as_json:
        print(json.dumps(rows))
        return
    width = max(map(len, rows))
    for name, value in rows.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key}: {part}" for key, part in value.items())
        print(f"{name:{width}}  {value}")


def _is_checkpoint(path: Path) -> bool:
    return path.suffix in (".pth", ".pt", ".ckpt", ".safetensors", ".bin")


def _is_store(path: Path) -> bool:
    from dac_lobe.tokens.meta import META_FILE

    return (path / META_FILE).is_file()


def _file_rows(path: Path) -> dict[str, Any]:
    from dac_lobe.container import PackedReader
    from dac_lobe.container.official import OfficialFile, is_official

    if is_official(path):
        return {"file": str(path), **_official_rows(OfficialFile.load(path))}
    with PackedReader(path, partial=True) as reader:
        header = reader.header
        reader.verify()
        seconds = reader.num_samples / header.source_rate
        size = path.stat().st_size
        return {
            "file": str(path),
            "model": header.model,
            "fingerprint": header.fingerprint,
            "duration_s": round(seconds, 3),
            "source": _source(header.source_rate, header.channels),
            "samples": reader.num_samples,
            "codes": f"{header.channels} x {header.num_codebooks} x "
            f"{reader.num_frames} of {header.codebook_size}",
            "kbps": round(header.bitrate, 3),
            "kbps_in_file": round(size * 8 / 1000 / seconds, 3) if seconds else 0.0,
            "bytes": size,
            "gain_db": header.gain_db,
            "complete": reader.complete,
        }


def _source(rate: int, channels: int) -> str:
    return f"{rate} Hz, {channels} channel{'s' if channels > 1 else ''}"


def _official_rows(file: OfficialFile) -> dict[str, Any]:
    channels, codebooks, frames = file.codes.shape
    return {
        "format": "of the official package; it does not name its model",
        "duration_s": round(file.original_length / file.sample_rate, 3),
        "source": _source(file.sample_rate, channels),
        "samples": file.original_length,
        "codes": f"{channels} x {codebooks} x {frames}",
        "chunks": -(-frames // file.chunk_length),
        "loudness_lufs": round(file.input_db, 2),
    }


def _store_rows(path: Path) -> dict[str, Any]:
    from dac_lobe.tokens import TokenStore, read_meta

    store = TokenStore(path, partial=True)
    samples = sum(map(store.samples, store))
    return {
        "store": str(path),
        "items": len(store),
        "failed": len(store.failures),
        "complete": len(store) + len(store.failures) == store.meta.num_items,
        "duration_s": round(samples / store.meta.sample_rate, 3),
        **read_meta(path),
    }


def _model_rows(codec: DAC) -> dict[str, Any]:
    from dac_lobe.execution import describe
    from dac_lobe.files.encoding import model_name
    from dac_lobe.weights.fingerprint import fingerprint

    return {
        "model": model_name(codec),
        "fingerprint": fingerprint(codec),
        "parameters": sum(values.numel() for values in codec.parameters()),
        "backend": describe(codec),
        "hop_length": codec.hop_length,
        "frame_rate_hz": codec.frame_rate,
        "kbps": {
            str(used): round(codec.bitrate(used), 3)
            for used in range(1, codec.num_codebooks + 1)
        },
        **codec.config,
    }
