"""Audio in containers that libsndfile does not read."""

from __future__ import annotations

import numpy as np
import pytest


def contain(path, codec):
    """Write a second of a tone into a container."""
    av = pytest.importorskip("av")
    rate = 48000
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        stream.codec_context.open()
        size = stream.codec_context.frame_size or 960
        for start in range(0, rate, size):
            frame = av.AudioFrame.from_ndarray(
                tone[None, start : start + size], format="flt", layout="mono"
            )
            frame.sample_rate = rate
            frame.pts = start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return tone
