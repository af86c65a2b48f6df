"""Build dac-lobe. Metadata lives in pyproject.toml; here is the native kernel.

The kernel is optional: without a compiler that takes it (or with
DAC_LOBE_NO_NATIVE=1) the package installs without it and runs in plain torch.
The same source is built once per instruction set, as plain shared libraries
that link neither Python nor torch; dac_lobe/execution/native/library.py loads the one that
the processor can run. GCC and Clang take it, but not Microsoft's compiler, which has no
vector types.
"""

import os
import platform
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

WINDOWS = platform.system() == "Windows"
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


class BuildKernels(build_ext):
    """Builds shared libraries that are no modules; on Windows Clang does it."""

    def build_extension(self, ext):
        """Build for one instruction set."""
        if not WINDOWS:
            return super().build_extension(ext)
        target = Path(self.get_ext_fullpath(ext.name))
        by_product = Path(self.build_temp) / f"{target.stem}.lib"
        for path in (target, by_product):
            path.parent.mkdir(parents=True, exist_ok=True)
        self.spawn(
            ["clang++", "-shared", *ext.extra_compile_args, *ext.sources]
            + ["-o", str(target), f"-Wl,-implib:{by_product}"]
        )


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
                    *("convolution", "flow", "parallel", "products"),
                    *("residual", "search", "strided", "vectors", "winograd"),
                )
            ],
            language="c++",
            extra_compile_args=[*COMMON, *flags],
            extra_link_args=["-pthread"],
            optional=True,
        )
        for isa, flags in BUILDS.items()
    ]


setup(ext_modules=kernels(), cmdclass={"build_ext": BuildKernels})
