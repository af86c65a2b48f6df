"""The machine at hand: its processor's name, and whether anything else keeps it busy.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import os
import platform
from pathlib import Path

__all__ = ["IDLE", "busy", "load", "processor"]

# Load average of the last minute up to which a machine counts as idle.
IDLE = 0.3
CPUINFO = Path("/proc/cpuinfo")


def processor() -> str:
    """Name the processor, with family and model: clouds often hide the product."""
    if not CPUINFO.exists():
        return platform.processor() or platform.machine()
    pairs = (line.partition(":") for line in CPUINFO.read_text().splitlines())
    facts = {name.strip(): value.strip() for name, _, value in pairs}
    name = facts.get("model name", platform.machine())
    if "cpu family" not in facts:
        return name
    return f"{name} (family {facts['cpu family']}, model {facts.get('model', '?')})"


def load() -> float | None:
    """Load average of the last minute; None where the system keeps none."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def busy() -> str:
    """Say why figures taken now would be wrong; empty if the machine is idle.

    Example
    -------
    >>> isinstance(busy(), str)
    True
    """
    now = load()
    if now is None:
        return "This system keeps no load average, so nobody knows whether it is idle."
    if now <= IDLE:
        return ""
    return (
        f"The load average is {now:.2f}; idle is {IDLE} at most. Wait until the "
        "machine is idle, or leave out --require-idle."
    )
