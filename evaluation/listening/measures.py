"""What each kind of listening test measures.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MEASURES", "Measure"]


@dataclass(frozen=True)
class Measure:
    """What a test measures, as a column of a table.

    Attributes
    ----------
    name : str
        Of the column.
    title : str
        For people.
    unit : str
        Unit, or an empty string.
    higher_is_better : bool
        Direction.
    definition : str
        What was asked, and what was heard.
    source : str
        Who defined it.
    """

    name: str
    title: str
    unit: str
    higher_is_better: bool
    definition: str
    source: str


MEASURES = {
    "mushra": Measure(
        "mushra",
        "MUSHRA",
        "",
        True,
        "Rating from 0 to 100 against the open reference, with hidden reference and "
        "anchors of 3.5 and 7 kHz, loudness matched (BS.1770); mean over assessors.",
        "ITU-R BS.1534-3 (2015)",
    ),
    "ab": Measure(
        "ab_preference",
        "Preference",
        "%",
        True,
        "Share of answers that prefer this one of two, loudness matched; no "
        "preference counts half to each.",
        "paired comparison",
    ),
    "abx": Measure(
        "abx_correct",
        "ABX",
        "%",
        False,
        "Share of right answers to which of two X is, loudness matched; 50 % is "
        "guessing.",
        "Munson and Gardner 1950",
    ),
}
