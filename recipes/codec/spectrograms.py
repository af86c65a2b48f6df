#!/usr/bin/env python3
"""Draw spectrograms of recordings, and of what codecs make of them, on one scale a row.

> python spectrograms.py clip1.flac clip2.flac clip3.flac --models before.safetensors \
    16khz-small --output spectrograms.png

Authors
 * The dac-lobe developers 2026
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np

from dac_lobe import DAC, load_audio

matplotlib.use("Agg")
import matplotlib.pyplot as plt

WINDOW, HOP, FLOOR_DB = 512, 128, -60.0


def decibels(wav):
    """Log-magnitude spectrogram of [T], relative to full scale, [bins, frames]."""
    frames = np.lib.stride_tricks.sliding_window_view(wav, WINDOW)[::HOP]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(WINDOW))) * 4 / WINDOW
    return 20 * np.log10(np.maximum(spectrum, 1e-6)).T


def main():
    """Draw a row a recording, a column a codec."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--models", nargs="+", default=["16khz-small"])
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--output", type=Path, default=Path("spectrograms.png"))
    given = parser.parse_args()
    codecs = [DAC.from_pretrained(model) for model in given.models]
    rate = codecs[0].sample_rate
    titles = ["recording", *(Path(model).stem for model in given.models)]
    figure, axes = plt.subplots(
        len(given.clips),
        len(titles),
        figsize=(4 * len(titles), 2.2 * len(given.clips)),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for row, clip in zip(axes, given.clips, strict=True):
        wav = load_audio(clip, rate)[..., : int(given.seconds * rate)]
        signals = [wav]
        for codec in codecs:
            codes = codec.encode(wav).codes
            signals.append(codec.decode_codes(codes, length=wav.shape[-1]))
        pictures = [decibels(s.detach().flatten().numpy()) for s in signals]
        peak = pictures[0].max()
        for axis, levels in zip(row, pictures, strict=True):
            picture = axis.imshow(
                levels - peak,
                origin="lower",
                aspect="auto",
                extent=(0, given.seconds, 0, rate / 2000),
                vmin=FLOOR_DB,
                vmax=0,
                cmap="magma",
            )
        row[0].set_ylabel(f"{clip.stem}\nkHz")
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title)
    for axis in axes[-1]:
        axis.set_xlabel("seconds")
    figure.colorbar(picture, ax=axes, label="dB below the recording's peak")
    figure.savefig(given.output, dpi=80)


if __name__ == "__main__":
    main()
