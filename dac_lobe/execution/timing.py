"""How a network cuts time, and how much of it is computed at once.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from typing import NamedTuple

from dac_lobe.network.context import Context, decoder_context, encoder_context
from dac_lobe.network.executor import Network

__all__ = ["Timing", "decoder_timing", "encoder_timing"]

# Seconds that a graph on a GPU sees at a time: a window is computed whole, however
# little of it is signal.
WINDOW_SECONDS = 5.12


class Timing(NamedTuple):
    """Context in frames, positions per frame before and after, frames per second."""

    context: Context
    before: int
    after: int
    frame_rate: float

    def positions(self, seconds: float) -> int:
        """Input positions of whole frames in ``seconds``, one frame at least."""
        return max(1, round(seconds * self.frame_rate)) * self.before

    @property
    def windows(self) -> tuple[int, Context, tuple[int, int]]:
        """Width of a window, its context, and the hops, for `run_windows`."""
        kept = self.positions(WINDOW_SECONDS) // self.before
        width = max(kept, 2 * sum(self.context))
        return width, self.context, (self.before, self.after)


def encoder_timing(network: Network) -> Timing:
    """How the encoder of a codec cuts time."""
    return Timing(encoder_context(network), network.hop_length, 1, network.frame_rate)


def decoder_timing(network: Network) -> Timing:
    """How the decoder of a codec cuts time."""
    return Timing(decoder_context(network), 1, network.hop_length, network.frame_rate)
