"""Let torchaudio's CUDA wheel live beside a CPU-only torch.

The torchaudio wheel on the package index is linked against CUDA. With a CPU
build of torch, ``import torchaudio`` (and with it much of SpeechBrain) dies on a
missing libc10_cuda.so. Without its compiled files torchaudio falls back to
Python, which is all that is needed here.

    torch          torchaudio's libraries    what happens
    CPU            linked against CUDA       moved to torchaudio/lib/set_aside/
    CPU            not linked against CUDA   nothing
    CUDA or ROCm   any                       nothing

It changes only the virtual environment that it runs in, and refuses to run
outside one:

    .venv/bin/python scripts/set_torchaudio_aside.py

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import runpy
import sys
import sysconfig
from pathlib import Path

__all__ = ["needs_cuda", "set_aside", "torch_is_cpu_only"]


def torch_is_cpu_only(site_packages: Path) -> bool:
    """Say whether the torch installed here was built without any accelerator.

    Read from ``torch/version.py``, because importing torch takes seconds.

    Arguments
    ---------
    site_packages : Path
        Folder that holds the package.

    Returns
    -------
    bool
        False where there is no torch.
    """
    version = site_packages / "torch" / "version.py"
    if not version.is_file():
        return False
    build = runpy.run_path(str(version))
    return build.get("cuda") is None and build.get("hip") is None


def needs_cuda(library: Path) -> bool:
    """Say whether a shared library asks the loader for torch's CUDA library.

    The names of needed libraries stand as plain strings in the file.

    Arguments
    ---------
    library : Path
        A shared library.

    Returns
    -------
    bool
        Whether it is linked against CUDA.
    """
    content = library.read_bytes()
    return b"libc10_cuda" in content or b"libtorch_cuda" in content


def set_aside(site_packages: Path) -> list[Path]:
    """Move torchaudio's libraries into ``set_aside/`` if they cannot be loaded.

    All are moved if one is linked against CUDA: they load each other.

    Arguments
    ---------
    site_packages : Path
        Folder that holds torch and torchaudio.

    Returns
    -------
    list of Path
        Where the files lie now; empty if nothing had to be done.
    """
    folder = site_packages / "torchaudio" / "lib"
    libraries = sorted(folder.glob("*.so"))
    if not torch_is_cpu_only(site_packages) or not any(map(needs_cuda, libraries)):
        return []
    kept = folder / "set_aside"
    kept.mkdir(exist_ok=True)
    return [library.replace(kept / library.name) for library in libraries]


def main() -> str | None:
    """Run on the current virtual environment; return an error or None."""
    if sys.prefix == sys.base_prefix:
        return (
            f"{sys.executable} is not in a virtual environment; nothing was changed. "
            "Run it with .venv/bin/python."
        )
    for path in set_aside(Path(sysconfig.get_path("platlib"))):
        print(f"CPU-only torch: set aside {path.name} of torchaudio")
    return None


if __name__ == "__main__":
    sys.exit(main())
