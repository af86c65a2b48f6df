"""Memory that an implementation takes beyond its weights, in a process of its own.

    python benchmarks/memory.py FOLDER CONTENDER SECONDS

prints a JSON object. The peak counts from after a first short run, so that
weights an implementation has folded or packed count as its weights.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import gc
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]

__all__ = ["Memory", "measure", "peak_above", "status"]


class Memory(NamedTuple):
    """Megabytes.

    Attributes
    ----------
    weights : float
        What loading the model and a first short run have added.
    encode : float
        Peak above that while encoding.
    decode : float
        Peak above that while decoding.
    """

    weights: float
    encode: float
    decode: float


def measure(folder: Path, contender: str, seconds: float) -> Memory | None:
    """Measure one implementation in a fresh process.

    Arguments
    ---------
    folder : Path
        Where `contenders.prepare` wrote the weights.
    contender : str
        Which one.
    seconds : float
        Audio to code.

    Returns
    -------
    Memory or None
        None where it is not installed, or the system does not tell.
    """
    command = [sys.executable, __file__, str(folder), contender, str(seconds)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        print(f"memory of {contender}: {result.stderr.strip()[-200:]}", file=sys.stderr)
        return None
    return Memory(**json.loads(result.stdout.splitlines()[-1]))


def status(field: str) -> float:
    """Read a field of this process's status, in MB."""
    text = Path("/proc/self/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+) kB", text).group(1)) / 1024


def peak_above(base: float, work) -> float:
    """Run something and return how far memory rose above ``base``."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    work()
    return max(0.0, status("VmHWM") - base)


def main(folder: str, contender: str, seconds: str) -> None:
    """Measure in this process."""
    import torch

    from benchmarks.contenders import load
    from dac_lobe import DAC

    config = DAC.from_pretrained(Path(folder) / "weights.safetensors").config
    rate = config["sample_rate"]
    hop = 1
    for stride in config["encoder_rates"]:
        hop *= stride
    gc.collect()
    empty = status("VmRSS")
    codec = load(contender, Path(folder))
    wav = 0.1 * torch.randn(1, 1, round(float(seconds) * rate / hop) * hop)
    with torch.inference_mode():
        _, z = codec.encode(wav[..., : 4 * hop])
        codec.decode(z)
        gc.collect()
        base = status("VmRSS")
        kept = []
        encode = peak_above(base, lambda: kept.extend(codec.encode(wav)))
        decode = peak_above(status("VmRSS"), lambda: codec.decode(kept[1]))
    print(json.dumps(Memory(base - empty, encode, decode)._asdict()))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main(*sys.argv[1:])
