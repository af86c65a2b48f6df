"""Measure how far rounding moves the choice of codes: the reason of a tolerance.

    python benchmarks/near_ties.py [FOLDER]

Speech is encoded whole and in windows of several lengths, by each backend. A
frame's margins (`QuantizerTables.quantize_with_margins`) then differ by rounding alone.
A code depends on how the signal was cut where its margin is above the tolerance
(`dac_lobe.execution.near_ties.tolerance`) and moves by more than itself; the smaller
the tolerance, the fewer frames are computed twice. "Left to chance" is how many of a
million codes that is: the mean of what margins move by beyond the tolerance, times
how many margins there are to a unit at its foot. It is 0 where none moved that far,
which says little for few codes.

A second table compares the backends, after near ties were settled: in how many
frames they choose otherwise, and in how many of these it is not for a near tie.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import pandas as pd  # noqa: E402
import torch  # noqa: E402

from benchmarks.speed import load_codec, speech  # noqa: E402
from dac_lobe import DAC  # noqa: E402
from dac_lobe.audio import read_audio  # noqa: E402
from dac_lobe.execution import attach  # noqa: E402
from dac_lobe.execution.near_ties import tolerance  # noqa: E402
from dac_lobe.execution.tables import QuantizerTables  # noqa: E402
from dac_lobe.network.context import encoder_context  # noqa: E402

# Frames kept of each window: a seam in every one, up to few seams.
KEPT = (1, 3, 16, 64, 200)


class Margins(NamedTuple):
    """Codes and their margins, each of shape [K, F]."""

    codes: torch.Tensor
    values: torch.Tensor


def encode(codec: DAC, tables: QuantizerTables, wav: torch.Tensor) -> Margins:
    """Encode [1, 1, T] at once, without settling anything."""
    z = codec.encode_frames(wav, None)
    quantized, values = tables.quantize_with_margins(z, codec.num_codebooks)
    return Margins(quantized.codes[0], values[0])


def encode_windows(
    codec: DAC, tables: QuantizerTables, wav: torch.Tensor, kept: int
) -> Margins:
    """Encode window by window, with context."""
    hop, context = codec.hop_length, encoder_context(codec)
    frames = wav.shape[-1] // hop
    parts = []
    for start in range(0, frames, kept):
        stop = min(start + kept, frames)
        first = max(start - context.left, 0)
        last = min(stop + context.right, frames)
        part = encode(codec, tables, wav[..., first * hop : last * hop].contiguous())
        here = slice(start - first, stop - first)
        parts.append(Margins(part.codes[:, here], part.values[:, here]))
    return Margins(
        torch.cat([part.codes for part in parts], dim=1),
        torch.cat([part.values for part in parts], dim=1),
    )


def clips(codec: DAC, folder: Path | None) -> Iterator[torch.Tensor]:
    """Read recordings as whole hops, [1, 1, T]."""
    hop = codec.hop_length
    if folder is None:
        wavs = [speech(codec.sample_rate, 20.0)]
    else:
        paths = sorted(path for path in folder.rglob("*.flac"))
        wavs = [torch.from_numpy(read_audio(path)[:1])[None] for path in paths]
    for wav in wavs:
        yield wav[..., : wav.shape[-1] // hop * hop].float()


@torch.inference_mode()
def measure(model: str, backend: str, folder: Path | None, limit: int) -> pd.DataFrame:
    """Compare windows with the whole, for one model and backend."""
    codec = attach(load_codec(model), backend)
    tables, allowed = QuantizerTables(codec.quantizer), tolerance(codec.latent_dim)
    moves, values, changed = [], [], 0
    for wav in islice(clips(codec, folder), limit):
        whole = encode(codec, tables, wav)
        values.append(whole.values.flatten())
        for kept in KEPT:
            if wav.shape[-1] // codec.hop_length // kept > 150:
                continue
            part = encode_windows(codec, tables, wav, kept)
            # Once a code differs, its later stages quantize something else.
            same = (part.codes == whole.codes).cumprod(dim=0).bool()
            before = torch.cat([torch.ones_like(same[:1]), same[:-1]])
            # Where another code won, the first one's margin went through zero.
            moved = (part.values - whole.values).abs()
            moved = torch.where(same, moved, part.values + whole.values)
            moves.append(moved[before].nan_to_num(0.0))
            changed += int((before & ~same).sum())
    moved, margin = torch.cat(moves), torch.cat(values)
    density = (margin < 5 * allowed).float().mean() / (5 * allowed)
    chance = (moved - allowed).clamp(min=0).mean() * density
    return pd.DataFrame(
        {
            "model": [model],
            "backend": [backend],
            "codes": [moved.numel()],
            "choices changed": [changed],
            "moved by at most": [float(moved.max())],
            "tolerance": [allowed],
            "codes near a tie": [float((margin < allowed).float().mean())],
            "left to chance, of a million": [1e6 * float(chance)],
        }
    )


@torch.inference_mode()
def compare(
    model: str, backends: list[str], folder: Path | None, limit: int
) -> pd.DataFrame:
    """Compare each backend's codes with the first one's, for one model."""
    codecs = [attach(load_codec(model), backend) for backend in backends]
    tables, allowed = (
        QuantizerTables(codecs[0].quantizer),
        tolerance(codecs[0].latent_dim),
    )
    rows = []
    for wav in islice(clips(codecs[0], folder), limit):
        first = encode(codecs[0], tables, wav)
        wanted = codecs[0].encode(wav).codes[0]
        for backend, codec in zip(backends[1:], codecs[1:], strict=True):
            other = codec.encode(wav).codes[0] != wanted
            # What follows the first stage that differs quantizes something else.
            start = other & (other.cumsum(dim=0) == 1)
            rows.append(
                {
                    "model": model,
                    "backends": f"{backends[0]}, {backend}",
                    "frames": other.shape[1],
                    "frames that differ": int(other.any(dim=0).sum()),
                    "not near ties": int((first.values[start] >= allowed).sum()),
                }
            )
    table = pd.DataFrame(rows)
    return table.groupby(["model", "backends"], as_index=False).sum()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="16 kHz FLAC files")
    parser.add_argument("--models", default="16khz-small,16khz")
    parser.add_argument("--backends", default="torch,native")
    parser.add_argument("--limit", type=int, default=4, help="recordings of FOLDER")
    options = parser.parse_args()
    models, backends = options.models.split(","), options.backends.split(",")
    where = (options.folder, options.limit)
    tables = [
        measure(model, backend, *where) for model in models for backend in backends
    ]
    table = pd.concat(tables).to_string(index=False, float_format="{:.2e}".format)
    sys.stdout.write(f"{table}\n")
    if len(backends) > 1:
        tables = [compare(model, backends, *where) for model in models]
        sys.stdout.write(f"\n{pd.concat(tables).to_string(index=False)}\n")


if __name__ == "__main__":
    main()
