"""Colours of systems, the same in every picture, table and legend.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

__all__ = ["assign_colours"]

# Okabe and Ito (2008): told apart by people who see colours differently.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
CONTROL = "#8a8f98"


def assign_colours(systems: Sequence[str], controls: Collection[str]) -> dict[str, str]:
    """Give each codec a colour, and all controls one grey.

    Arguments
    ---------
    systems : sequence of str
        Names, in the order of the page.
    controls : collection of str
        Those of them that are no codecs.

    Returns
    -------
    dict
        Colours as CSS writes them, by name; the seventh codec has that of the first.

    Example
    -------
    >>> assign_colours(["ours", "identity", "opus"], {"identity"})
    {'ours': '#0072B2', 'identity': '#8a8f98', 'opus': '#D55E00'}
    """
    codecs = [name for name in systems if name not in controls]
    return {
        name: CONTROL
        if name in controls
        else COLOURS[codecs.index(name) % len(COLOURS)]
        for name in systems
    }
