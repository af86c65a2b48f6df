"""Opus at given bitrates, down to those that libsndfile's levels do not reach.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from evaluation.errors import package_needed
from evaluation.systems.opus import Opus

__all__ = ["OpusBitrate"]

# libopus codes nothing in frames of less than 3 bytes; FFmpeg takes no more than
# 256 kbps for a channel.
LOWEST, HIGHEST = 1.2, 256.0

# In kbps. Variable rate is better wherever it can be had, in frames as long as
# Opus has them; but its speech layer aims at no less than this, whatever it is told.
LEAST_VARIABLE = 5.0
VARIABLE = {"vbr": "on", "frame_duration": "60"}
CONSTANT = {"vbr": "off", "frame_duration": "20"}


class OpusBitrate(Opus):
    """Opus (RFC 6716) at target bitrates, by libopus through PyAV.

    From 5 kbps up the rate is variable, and the payload that was measured is what
    counts: speech with pauses takes less than its target. Below, it is constant, in
    frames of whole bytes: multiples of 0.4 kbps.

    Arguments
    ---------
    rates : sequence of float
        Targets in kbps, 1.2 to 256.

    Example
    -------
    >>> [str(point) for point in OpusBitrate([6, 3]).points(None)]
    ['3kbps', '6kbps']
    """

    name = "opus-kbps"

    def __init__(self, rates: Sequence[float]):
        bad = [rate for rate in rates if not LOWEST <= rate <= HIGHEST]
        if bad:
            raise ValueError(
                f"opus:{bad[0]:g}kbps: Opus codes one channel at {LOWEST:g} to "
                f"{HIGHEST:g} kbps."
            )
        advice = "or give one of libsndfile's levels, like opus:1.0"
        with package_needed(
            f"opus:{rates[0]:g}kbps", f"Install dac-lobe[codecs], {advice}."
        ):
            import av
        self._set_points(f"{rate:g}kbps" for rate in sorted(rates))
        self.library = f"av {av.__version__}"

    def write(self, wav: np.ndarray, rate: int, setting: str) -> bytes:
        """Write samples [T] into an Ogg file at the bitrate of a point."""
        import av

        kbps = float(setting.removesuffix("kbps"))
        options = VARIABLE if kbps >= LEAST_VARIABLE else CONSTANT
        samples = np.ascontiguousarray(wav, np.float32)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="flt", layout="mono")
        frame.sample_rate = rate
        file = io.BytesIO()
        with av.open(file, "w", format="ogg") as container:
            stream = container.add_stream(
                "libopus", rate=rate, layout="mono", options=options
            )
            stream.bit_rate = round(1000 * kbps)
            for part in (frame, None):
                container.mux(stream.encode(part))
        return file.getvalue()
