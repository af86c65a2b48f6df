"""Context: the frames around a run of frames that it cannot be computed without.

    frames    |. . . . . . . . . . . . . . . . . . . . . .|
    window          |c c c c x x x x x x c c c c|           read: first to last
    kept                    |x x x x x x|                   start to stop

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from typing import NamedTuple

from dac_lobe.network.executor import Network
from dac_lobe.network.receptive_field import receptive_field

__all__ = ["Context", "Window", "decoder_context", "encoder_context"]


class Context(NamedTuple):
    """Frames needed on each side of a run of frames to compute it exactly.

    Attributes
    ----------
    left : int
        Frames before the run.
    right : int
        Frames after it.
    """

    left: int
    right: int


class Window(NamedTuple):
    """One chunk and its context, as frame positions in the whole signal.

    Attributes
    ----------
    first : int
        First frame to read.
    start : int
        First frame to keep.
    stop : int
        End of the frames to keep (exclusive).
    last : int
        End of the frames to read (exclusive).
    """

    first: int
    start: int
    stop: int
    last: int


def encoder_context(network: Network) -> Context:
    """Frames of waveform around a frame that its codes depend on.

    Arguments
    ---------
    network : Network
        The network.

    Returns
    -------
    Context
        8 frames each side for the official variants.
    """
    hop = network.hop_length
    samples = receptive_field(network.encoder).inputs(0, 1)
    return Context(-(samples.start // hop), -(-samples.stop // hop) - 1)


def decoder_context(network: Network) -> Context:
    """Frames of codes around a frame that its samples depend on.

    Arguments
    ---------
    network : Network
        The network.

    Returns
    -------
    Context
        10 frames each side for the official variants.
    """
    frames = receptive_field(network.decoder).inputs(0, network.hop_length)
    return Context(-frames.start, frames.stop - 1)
