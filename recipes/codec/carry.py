#!/usr/bin/env python3
"""Carry a run from one machine to another in files of at most 16 MB, and go on there.

> python carry.py pack results/small_16khz_gpu/1993 carried/
> python carry.py unpack carried/ results/small_16khz_gpu/1993

The last checkpoint, with all that resuming needs. Weights and their average are kept in
half precision, moments of the optimizers in bfloat16, where a tensor has more than 16384
numbers; smaller ones, counters and schedules as they are. So a run that was carried goes
on from weights that are 2^-11 off, and not bit for bit like one that stayed.

Authors
 * The dac-lobe developers 2026
"""

import argparse
import io
import tarfile
from pathlib import Path

import torch
from speechbrain.utils.checkpoints import Checkpointer

from dac_lobe.disk.atomic import replacing

SMALL = 2**14
LARGEST_HALF = 65504


def change(value, convert):
    """Apply a function to all tensors in dicts, lists and tuples."""
    if isinstance(value, torch.Tensor):
        return convert(value)
    if isinstance(value, dict):
        return type(value)((k, change(v, convert)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return type(value)(change(part, convert) for part in value)
    return value


def shorten(path):
    """Bytes of a file of a checkpoint, its large tensors at half the size."""
    data = path.read_bytes()
    if not data.startswith(b"PK"):  # text, not torch's zip
        return data
    moments = path.name.startswith("optimizer")

    def halve(tensor):
        if tensor.dtype != torch.float32 or tensor.numel() <= SMALL:
            return tensor
        small = float(tensor.abs().max()) <= LARGEST_HALF
        return tensor.to(torch.float16 if small and not moments else torch.bfloat16)

    file = io.BytesIO()
    state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    torch.save(change(state, halve), file)
    return file.getvalue()


def lengthen(data):
    """Undo `shorten`, but for what it rounded."""
    if not data.startswith(b"PK"):
        return data

    def widen(tensor):
        short = tensor.dtype in (torch.float16, torch.bfloat16)
        return tensor.float() if short else tensor

    file = io.BytesIO()
    state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    torch.save(change(state, widen), file)
    return file.getvalue()


def pack(run, output, volume_mb=16.0):
    """Write the last checkpoint of a run as resume0.tar, resume1.tar, ..."""
    found = Checkpointer(Path(run) / "save").find_checkpoint()
    if found is None:
        raise ValueError(f"{run} has no checkpoint in save/. Train first.")
    parts = {p.name: shorten(p) for p in sorted(found.path.iterdir())}
    volumes = [[]]
    room = limit = 1e6 * volume_mb - 10240  # tar ends with up to so many zeros
    for name in sorted(parts, key=lambda name: -len(parts[name])):
        needed = len(parts[name]) + 1536  # a header, padding
        if needed > limit:
            raise ValueError(
                f"{name} alone takes {needed / 1e6:.1f} MB of {volume_mb}."
            )
        if needed > room:
            volumes.append([])
            room = limit
        volumes[-1].append(name)
        room -= needed
    paths = []
    for number, names in enumerate(volumes):
        paths.append(Path(output) / f"resume{number}.tar")
        with replacing(paths[-1]) as file, tarfile.open(fileobj=file, mode="w") as tar:
            for name in names:
                entry = tarfile.TarInfo(f"{found.path.name}/{name}")
                entry.size = len(parts[name])
                tar.addfile(entry, io.BytesIO(parts[name]))
    for old in set(Path(output).glob("resume*.tar")) - set(paths):
        old.unlink()  # of a checkpoint that was carried before
    return paths


def unpack(source, run):
    """Put a checkpoint that was carried where train.py looks for it."""
    volumes = sorted(Path(source).glob("resume*.tar"))
    if not volumes:
        raise ValueError(f"{source} holds no resume0.tar. Give what `pack` wrote.")
    for volume in volumes:
        with tarfile.open(volume) as tar:
            for entry in tar:
                folder, name = Path(entry.name).parts[-2:]
                data = tar.extractfile(entry).read()
                with replacing(Path(run) / "save" / folder / name) as file:
                    file.write(lengthen(data))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["pack", "unpack"])
    parser.add_argument("source", type=Path, help="a run, or what was carried")
    parser.add_argument("target", type=Path)
    given = parser.parse_args()
    {"pack": pack, "unpack": unpack}[given.action](given.source, given.target)
