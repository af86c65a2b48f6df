"""A page to hear what the judge has heard: every sentence, every row.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

__all__ = ["write_page"]

TEMPLATE = Path(__file__).with_name("report.html.j2")


def write_page(
    path: Path,
    results: dict[str, Any],
    details: dict[str, list[dict[str, Any]]],
    options: dict[str, Any],
) -> None:
    """Write the page.

    Arguments
    ---------
    path : Path
        The page; players look for ``wavs/`` beside it.
    results : dict
        Summary of each row.
    details : dict
        Lines of each row, one for each sentence, in the same order; ``wav`` is a
        path relative to the page, or None where nothing was spoken.
    options : dict
        Of the command line.
    """
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sentences = [
        dict(zip(details, lines, strict=True))
        for lines in zip(*details.values(), strict=True)
    ]
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        results=results, sentences=sentences, options=options
    )
    path.write_text(page + "\n", encoding="utf-8")
