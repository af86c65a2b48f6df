"""Fast execution of the same networks: folded torch, native kernel, GPU.

    attach(codec)    from now on, inference of this codec takes the fast path

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import os
from typing import TypeVar

import torch

from dac_lobe.execution.precision import PRECISIONS, check_precision, cpu_dtype
from dac_lobe.network.autoencoder import Autoencoder

__all__ = ["BACKENDS", "PRECISIONS", "attach", "check_options", "describe", "detach"]

Codec = TypeVar("Codec", bound=Autoencoder)

BACKENDS = ("auto", "torch", "native")


def attach(
    codec: Codec,
    backend: str = "auto",
    precision: str = "exact",
    compile: bool = False,
    *,
    encoder_precision: str = "exact",
) -> Codec:
    """Let a fast engine run a codec's inference.

    It takes over in eval mode, for inputs that need no gradient, and records no
    graph; training, and whatever the engine does not know, runs the modules as
    ever. Weights that change are noticed.

    Arguments
    ---------
    codec : Autoencoder
        The codec; its modules and state dict stay as they are.
    backend : str
        'native' (the C++ kernel), 'torch', or 'auto': native where it is built.
        The environment variable DAC_LOBE_BACKEND overrides it.
    precision : str
        Of the decoder: 'exact', 'tf32' (exact on a CPU), 'bf16' or 'fp16', for
        which a CPU must have instructions; encoding and codes are not touched.
    compile : bool
        Whether to fuse what a GPU runs by ``torch.compile`` (seconds, once per process).
    encoder_precision : str
        Of the encoder on a GPU; codes may change with it. 'exact' on a CPU.

    Returns
    -------
    Autoencoder
        The same codec.

    Raises
    ------
    ValueError
        If an option is unknown or not for the codec's device, or the backend is not
        built.
    """
    from dac_lobe.execution.engine import Engine

    chosen = check_options(
        codec.device, backend, precision, compile, encoder_precision=encoder_precision
    )
    codec.executor = Engine(chosen, precision, compile, encoder_precision)
    return codec


def check_options(
    device: torch.device,
    backend: str = "auto",
    precision: str = "exact",
    compile: bool = False,
    *,
    encoder_precision: str = "exact",
) -> str:
    """Check the options of `attach` for a device, before weights are fetched for it.

    Arguments
    ---------
    device : torch.device
        Where the codec will be.
    backend, precision, compile, encoder_precision
        As in `attach`.

    Returns
    -------
    str
        The backend that they and the environment mean: 'native' or 'torch'.

    Raises
    ------
    ValueError
        As `attach`.
    """
    from dac_lobe.execution.native.library import find_native

    if backend not in BACKENDS:
        raise ValueError(f"backend={backend!r}; choose one of {', '.join(BACKENDS)}.")
    for given in (precision, encoder_precision):
        check_precision(given)
    wanted = os.environ.get("DAC_LOBE_BACKEND") or backend
    if device.type == "cpu":
        cpu_dtype(precision)
        if encoder_precision not in ("exact", "tf32"):
            raise ValueError(
                f"encoder_precision={encoder_precision!r} is for GPUs: on a CPU the "
                "encoder is exact. Leave it out, or choose device='cuda'."
            )
        if compile:
            raise ValueError(
                "compile=True is for GPUs: compiled code was slower than eager torch on "
                "some processors and models. Leave it out, or choose device='cuda'."
            )
    if wanted not in BACKENDS:
        raise ValueError(
            f"DAC_LOBE_BACKEND={wanted!r}; choose one of {', '.join(BACKENDS)}."
        )
    native = find_native()
    if wanted == "native" and native.library is None:
        raise ValueError(
            f"backend 'native': {native.reason}. Choose 'torch' or 'auto'."
        )
    if wanted == "auto":
        wanted = "torch" if native.library is None else "native"
    return wanted


def detach(codec: Codec) -> Codec:
    """Let a codec's modules run its inference again.

    Arguments
    ---------
    codec : Autoencoder
        The codec.

    Returns
    -------
    Autoencoder
        The same codec.
    """
    codec.executor = None
    return codec


def describe(codec: Autoencoder) -> str:
    """Say how a codec's inference is executed, and if not natively, why not.

    Arguments
    ---------
    codec : Autoencoder
        The codec.

    Returns
    -------
    str
        For example 'native (avx512)'.
    """
    from dac_lobe.execution.native.library import find_native

    native = find_native()
    if codec.backend == "native":
        return f"native ({native.isa})"
    if native.library is None:
        return f"{codec.backend} (no native kernel: {native.reason})"
    return codec.backend
