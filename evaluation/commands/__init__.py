"""What ``dac-lobe-evaluate`` does with evaluations that are there: one file a command.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from typing import Any

__all__ = ["settings", "split"]


def settings() -> dict[str, Any]:
    """Return what all commands ask of typer."""
    return {
        "add_completion": False,
        "pretty_exceptions_enable": False,
        "context_settings": {"help_option_names": ["-h", "--help"]},
    }


def split(text: str) -> list[str]:
    """Split an option at its commas; what is empty is left out.

    Example
    -------
    >>> split("opus, identity,")
    ['opus', 'identity']
    """
    return [part.strip() for part in text.split(",") if part.strip()]
