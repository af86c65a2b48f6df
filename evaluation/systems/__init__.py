"""Systems under test, made from one-line descriptions.

    16khz-small, weights.pth, some/hub-id     a DAC
    identity, resample, resample:12000        controls
    opus, opus:1.0/0.95                       Opus, at given compression levels
    opus:6kbps, opus:3kbps/9kbps              Opus, at given bitrates
    encodec, encodec:48khz, encodec:some/id   EnCodec
    hf:FOLDER, hf:some/id                     any codec of transformers
    snac:FOLDER, snac:some/id                 SNAC
    descript:weights.pth                      a DAC, run by the official package
    tool:codec2, tool:amr-wb@6.6/12.65        a command-line codec, some of its modes
    folder:PATH, folder:PATH@6.0              decoded files (and their kbps)
    package.module:Class                      your own `System`

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from evaluation.systems.scaled import ScaledCodes
from evaluation.systems.system import CodebookSystem, Point, Rate, System

__all__ = ["CodebookSystem", "Point", "Rate", "ScaledCodes", "System", "make_system"]

BY_NAME = (
    "descript",
    "encodec",
    "folder",
    "hf",
    "identity",
    "opus",
    "resample",
    "snac",
)
# What they run is named after the colon.
BY_SOURCE = {
    "descript": "descript:weights.pth",
    "folder": "folder:PATH",
    "hf": "hf:FOLDER",
    "snac": "snac:FOLDER",
    "tool": "tool:codec2",
}


def make_system(description: str | System, device: str = "cpu") -> System:
    """Make a system from its description.

    Arguments
    ---------
    description : str or System
        See the top of this module; a system is returned as it is.
    device : str
        Where neural codecs run.

    Returns
    -------
    System
        Not loaded yet.

    Raises
    ------
    ValueError
        If the description cannot be understood.

    Example
    -------
    >>> make_system("resample:12000").name
    'resample-12000'
    """
    if isinstance(description, System):
        return description
    kind, _, argument = description.partition(":")
    if kind == "identity" and not argument:
        from evaluation.systems.controls import Identity

        return Identity()
    if kind == "resample":
        from evaluation.systems.controls import Resample

        return Resample(int(_number(description, argument, int)) if argument else None)
    if kind == "opus":
        return _opus(description, argument.split("/") if argument else [])
    if kind == "encodec":
        from evaluation.systems.encodec import EnCodecSystem

        return EnCodecSystem(argument or "24khz", device=device)
    if kind in BY_SOURCE:
        return _from_source(kind, argument, device)
    if argument and "/" not in kind and "\\" not in argument:
        return _own(description, kind, argument)
    if not Path(description).exists():
        meant = get_close_matches(description, BY_NAME, n=1, cutoff=0.7)
        if meant:
            raise ValueError(
                f"unknown system {description!r}. Did you mean {meant[0]}?"
            )
    from evaluation.systems.dac import DACSystem

    return DACSystem(description, device=device)


def _opus(description: str, settings: list[str]) -> System:
    if any(setting.endswith("kbps") for setting in settings):
        from evaluation.systems.opus_bitrate import OpusBitrate

        rates = [setting.removesuffix("kbps") for setting in settings]
        return OpusBitrate([_number(description, rate, float) for rate in rates])
    from evaluation.systems.opus import Opus

    return Opus([_number(description, level, float) for level in settings])


def _from_source(kind: str, source: str, device: str) -> System:
    if not source:
        raise ValueError(f"system '{kind}': say which one, like {BY_SOURCE[kind]}.")
    if kind == "folder":
        from evaluation.systems.folder import DecodedFolder

        path, at, kbps = source.rpartition("@")
        if not at or Path(source).is_dir():  # a name may have an @ of its own
            return DecodedFolder(source)
        return DecodedFolder(path, kbps=_number(f"folder:{source}", kbps, float))
    if kind == "hf":
        from evaluation.systems.hf import TransformersSystem

        return TransformersSystem(source, device=device)
    if kind == "snac":
        from evaluation.systems.snac import SNACSystem

        return SNACSystem(source, device=device)
    if kind == "tool":
        from evaluation.systems.tool_system import ToolSystem

        name, _, modes = source.partition("@")
        return ToolSystem(name, modes.split("/") if modes else None)
    from evaluation.systems.descript import DescriptSystem

    return DescriptSystem(source, device=device)


def _own(description: str, module: str, name: str) -> System:
    if os.getcwd() not in sys.path:  # where people keep the codec that they try
        sys.path.insert(0, os.getcwd())
    try:
        system = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"system {description!r} is not there ({error}). Give package.module:Class "
            "with the package on the Python path."
        ) from error
    system = system() if isinstance(system, type) else system
    if not isinstance(system, System):
        raise ValueError(
            f"system {description!r} is {type(system).__name__}, not an "
            "evaluation.System. Derive your class from it."
        )
    return system


def _number(description: str, text: str, kind: Callable[[str], float]) -> float:
    try:
        return kind(text)
    except ValueError as error:
        what = "a whole number" if kind is int else "a number"
        raise ValueError(f"system {description!r}: {text!r} is not {what}.") from error
