"""Configuration of transformers' DAC, with an exact frame rate.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import math
from typing import Any

import transformers

__all__ = ["DacConfig"]


class DacConfig(transformers.DacConfig):
    """Configuration of a `DacModel`; arguments as in transformers.

    Attributes
    ----------
    delay : int
        Samples by which the raw output is early; see docs/delay.md.

    Example
    -------
    >>> DacConfig(sampling_rate=44100).frame_rate
    86.1328125
    """

    delay: int = 0

    def __post_init__(self, **kwargs: Any) -> None:
        """Derive the hop length from the ratios, after what a file may say of it."""
        super().__post_init__(**kwargs)
        self.upsampling_ratios = self.downsampling_ratios[::-1]
        self.hop_length = math.prod(self.downsampling_ratios)

    @property
    def frame_rate(self) -> float:
        """Frames per second, in Hz; transformers rounds it up."""
        return float(self.sampling_rate / self.hop_length)
