"""Build dac-lobe. Metadata lives in pyproject.toml; here is the native kernel.

The kernel is optional: without a compiler that takes it (or with
DAC_LOBE_NO_NATIVE=1) the package installs without it and runs in plain torch.
The same source is built once per instruction set, as plain shared libraries
that link neither Python nor torch; dac_lobe/execution/native/library.py loads the one that
the processor can run.
"""

import os
import platform

from setuptools import Extension, setup

X86 = platform.machine().lower() in ("x86_64", "amd64")
COMMON = ["-std=c++17", "-O3", "-fno-math-errno", "-fvisibility=hidden", "-g0"]
BUILDS = {"baseline": []}
if X86:
    BUILDS["avx2"] = ["-mavx2", "-mfma"]
    BUILDS["avx512"] = [
        *BUILDS["avx2"],
        *("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"),
        "-Wno-maybe-uninitialized",  # GCC's own header trips over it
    ]


def kernels():
    """List the kernel's builds."""
    if os.environ.get("DAC_LOBE_NO_NATIVE", "") not in ("", "0"):
        return []
    return [
        Extension(
            f"dac_lobe.execution.native._native_{isa}",
            ["dac_lobe/execution/native/kernel.cpp"],
            depends=[
                f"dac_lobe/execution/native/{name}.h"
                for name in (
                    *("convolution", "parallel", "products"),
                    *("residual", "search", "strided", "vectors", "winograd"),
                )
            ],
            language="c++",
            extra_compile_args=[*COMMON, *flags],
            extra_link_args=["-pthread"],
            libraries=[] if platform.system() == "Darwin" else ["dl"],
            optional=True,
        )
        for isa, flags in BUILDS.items()
    ]


setup(ext_modules=kernels())
