"""Let mkdocstrings read docstrings with SpeechBrain's section names.

Griffe's numpy parser knows "Parameters" and "Examples"; SpeechBrain writes
"Arguments" and "Example".

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import re
from typing import Any

import griffe

__all__ = ["SpeechBrainSections", "rename_sections"]

SECTIONS = {"Arguments": "Parameters", "Example": "Examples"}


def rename_sections(text: str) -> str:
    r"""Give SpeechBrain's sections the names that numpy's have.

    Arguments
    ---------
    text : str
        A docstring, its indentation removed.

    Returns
    -------
    str
        The same text, headings renamed and underlined to their new length.

    Example
    -------
    >>> rename_sections("Arguments\n---------\nx : int")
    'Parameters\n----------\nx : int'
    """
    for old, new in SECTIONS.items():
        text = re.sub(
            rf"^{old}\n-+$", f"{new}\n{'-' * len(new)}", text, flags=re.MULTILINE
        )
    return text


class SpeechBrainSections(griffe.Extension):
    """Renames the sections of every docstring before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rename the sections of one module, class, function or attribute."""
        if obj.docstring:
            obj.docstring.value = rename_sections(obj.docstring.value)
