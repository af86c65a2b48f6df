"""The native kernel's library: find the build for this processor, and load it.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import ctypes
import functools
import importlib.machinery
import os
import platform
from pathlib import Path
from typing import NamedTuple

import torch

__all__ = ["Native", "find_native", "load_build", "runnable"]

INTERFACE = 5  # kInterface of native/kernel.cpp

_FOLDER = Path(__file__).resolve().parent


class Native(NamedTuple):
    """The native kernel, or why there is none.

    Attributes
    ----------
    library : ctypes.CDLL or None
        The loaded build.
    isa : str
        Its instruction set: 'avx512', 'avx2' or 'baseline'; '' if there is none.
    reason : str
        Why there is none; '' if there is one.
    """

    library: ctypes.CDLL | None
    isa: str
    reason: str


@functools.cache
def find_native() -> Native:
    """Load the best build that this processor can run, once per process.

    The environment variable DAC_LOBE_ISA ('avx512', 'avx2', 'baseline') asks
    for a build, and DAC_LOBE_NO_NATIVE=1 for none.

    Returns
    -------
    Native
    """
    if os.environ.get("DAC_LOBE_NO_NATIVE", "") not in ("", "0"):
        return Native(None, "", "DAC_LOBE_NO_NATIVE is set")
    reasons = []
    wanted = os.environ.get("DAC_LOBE_ISA")
    for isa in [wanted] if wanted else runnable():
        native = load_build(isa)
        if native.library is not None:
            return native
        reasons.append(native.reason)
    return Native(None, "", reasons[0])


def load_build(isa: str) -> Native:
    """Load the build for one instruction set.

    Arguments
    ---------
    isa : str
        'avx512', 'avx2' or 'baseline'; the processor must have it.

    Returns
    -------
    Native
    """
    path = _build(isa)
    if path is None:
        return Native(None, "", "it was not built (that needs a C++17 compiler)")
    try:
        library = ctypes.CDLL(str(path))
        interface = library.dac_lobe_interface()
    except (OSError, AttributeError) as error:
        return Native(None, "", f"{path.name} cannot be loaded ({error})")
    if interface != INTERFACE:
        return Native(None, "", f"{path.name} is another version's; install again")
    for name in ("residual", "convolution", "strided", "search"):
        function = getattr(library, f"dac_lobe_{name}")
        function.argtypes = [ctypes.c_void_p, ctypes.c_int]
        function.restype = ctypes.c_int
    return Native(library, isa, "")


def runnable() -> list[str]:
    """List the instruction sets of this processor, the best first."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return ["baseline"]
    capability = torch.backends.cpu.get_cpu_capability()
    best = {"AVX512": 0, "AVX2": 1}.get(capability, 2)
    return ["avx512", "avx2", "baseline"][best:]


def _build(isa: str) -> Path | None:
    """Find the shared library built for an instruction set."""
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        path = _FOLDER / f"_native_{isa}{suffix}"
        if path.is_file():
            return path
    return None
