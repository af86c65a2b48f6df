"""Devices: whether there is such a one here, said before anything is moved to it.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import torch

__all__ = ["check_device"]


def check_device(device: str | torch.device) -> torch.device:
    """Return a device that is there.

    Arguments
    ---------
    device : str or torch.device
        'cpu', 'cuda', 'cuda:1', 'mps', or 'auto': a GPU of CUDA if there is one.

    Returns
    -------
    torch.device

    Raises
    ------
    ValueError
        If there is no such kind of device, or none here.

    Example
    -------
    >>> check_device("cpu")
    device(type='cpu')
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"device={str(device)!r}: no such device. Choose 'cpu', 'cuda', 'mps' or "
            "'auto'."
        ) from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"device={str(device)!r}, but torch finds no GPU here. Choose 'cpu', or "
            "install a torch with CUDA."
        )
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device={str(device)!r}, but there are {torch.cuda.device_count()} GPUs "
            "here, counted from 0."
        )
    if found.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError(
            f"device={str(device)!r}, but torch finds no Apple GPU here. Choose 'cpu'; "
            "'mps' needs macOS on Apple's processors."
        )
    return found
