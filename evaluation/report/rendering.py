"""Templates to pages: HTML with styles, scripts and sounds inside, numbers as people write them.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import base64
import csv
import io
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from evaluation.results import writers

if TYPE_CHECKING:
    import jinja2
    import numpy as np

__all__ = ["number", "published", "render", "sound"]


def render(template: str, **values: Any) -> str:
    """Fill a template of ``evaluation/templates``; what it includes goes into the page.

    Arguments
    ---------
    template : str
        File name.
    **values
        What it shows; all text is escaped.

    Returns
    -------
    str
        HTML.
    """
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    templates = files("evaluation") / "templates"
    loader = jinja2.DictLoader(
        {
            entry.name: entry.read_text(encoding="utf-8")
            for entry in templates.iterdir()
            if entry.is_file()
        }
    )
    environment = jinja2.Environment(
        loader=loader,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    environment.filters["place"] = "{:g}".format
    return environment


def number(value: float | None, decimals: int = 2, sign: bool = False) -> str:
    """Write a number for reading; what is missing is a dash.

    Example
    -------
    >>> number(-0.5, 2), number(0.5, 1, sign=True), number(None)
    ('−0.50', '+0.5', '–')
    """
    text = writers.number(value, decimals, "+" if sign else "", missing="–")
    # A minus sign is as wide as a digit; a hyphen is not.
    return text.replace("-", "−")


def published() -> list[dict[str, str]]:
    """Read the figures that others published, on other data with other tools."""
    text = (files("evaluation") / "assets" / "published.csv").read_text(
        encoding="utf-8"
    )
    return list(csv.DictReader(text.splitlines()))


def sound(wav: np.ndarray, sample_rate: int) -> str:
    """Encode a sound as FLAC of 16 bits, in base64.

    Arguments
    ---------
    wav : np.ndarray
        Shape [T]; what is beyond 1 is cut.
    sample_rate : int
        In Hz.

    Returns
    -------
    str
        For a page.
    """
    import soundfile

    file = io.BytesIO()
    samples = wav.clip(-1, 1)
    soundfile.write(file, samples, sample_rate, format="FLAC", subtype="PCM_16")
    return base64.b64encode(file.getvalue()).decode()
