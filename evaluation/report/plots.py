"""Pictures of the report: curves as SVG that follow the page's colours, spectrograms.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from evaluation.metrics import Metric

__all__ = [
    "DECIBELS",
    "Line",
    "codebook_bars",
    "colour_scale",
    "rate_distortion",
    "spectrogram",
]

INK = "#010203"  # stands for the page's own text colour
STYLE = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "grid.alpha": 0.14,
    "grid.color": INK,
    "grid.linewidth": 0.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "dac-lobe",
    "text.parse_math": False,  # a codec's name may have dollars
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
# Left, bottom, width, height: fixed, so that frames line up on the page.
FRAME = (0.115, 0.145, 0.865, 0.755)
DECIBELS = (-100, -20)  # of every spectrogram: darkest and brightest, full scale 1
MAP = "magma"
# Where things are, in the SVG; not what is written there.
PLACES = re.compile(r'(?<=\s)(?:d|x|y|width|height|points|transform)="[^"]*"')
KBPS_TICKS = (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class Line:
    """A system in a picture.

    Attributes
    ----------
    name : str
        Of the system.
    colour : str
        Its colour in all pictures.
    kbps : sequence of float
        Rates.
    mean : sequence of float
        Means.
    low : sequence of float
        Lower ends of the intervals.
    high : sequence of float
        Upper ends.
    """

    name: str
    colour: str
    kbps: Sequence[float]
    mean: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


@contextmanager
def _axes() -> Iterator[Any]:
    """Open the axes of a picture; what is drawn in them has the report's style."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        yield Figure(figsize=(4.6, 3.1)).add_axes(FRAME)


def rate_distortion(metric: Metric, lines: Sequence[Line]) -> str:
    """Draw a metric over the rate; systems with one rate only are level lines.

    Arguments
    ---------
    metric : Metric
        What is drawn.
    lines : sequence of Line
        The systems.

    Returns
    -------
    str
        An SVG element; text and axes have the page's text colour.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    with _axes() as axes:
        for line in lines:
            kbps, mean = np.array(line.kbps, float), np.array(line.mean, float)
            if len(kbps) == 1:
                axes.axhline(
                    mean[0], color=line.colour, linewidth=1, linestyle=(0, (4, 3))
                )
                continue
            low, high = np.array(line.low, float), np.array(line.high, float)
            axes.fill_between(
                kbps, low, high, color=line.colour, alpha=0.16, linewidth=0
            )
            axes.plot(
                kbps, mean, color=line.colour, linewidth=1.8, marker="o", markersize=4
            )
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(KBPS_TICKS))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.margins(x=0.05)
        axes.grid(True)
        unit = f", {metric.unit}" if metric.unit else ""
        better = "↑ better" if metric.higher_is_better else "↓ better"
        axes.set_title(f"{metric.title}{unit}   {better}")
        axes.set_xlabel("kbps")
        said = [_said(line, metric.decimals) for line in lines]
        return _svg(
            axes.figure, f"{metric.title} over kbps, {better}. {'; '.join(said)}."
        )


def _said(line: Line, decimals: int) -> str:
    """Say a curve for those who do not see it: its ends."""
    ends = [0, -1] if len(line.kbps) > 1 else [0]
    said = (f"{line.mean[i]:.{decimals}f} at {line.kbps[i]:.3g} kbps" for i in ends)
    return f"{line.name}: {', '.join(said)}"


def codebook_bars(
    name: str, colour: str, bits: Sequence[float], limit: float, dead: Sequence[float]
) -> str:
    """Draw what the tokens of each codebook carry, and which share of it is dead.

    Arguments
    ---------
    name : str
        Of the system.
    colour : str
        Its colour.
    bits : sequence of float
        Held-out entropy of each codebook.
    limit : float
        Bits of a full codebook.
    dead : sequence of float
        Share of each codebook that never occurs.

    Returns
    -------
    str
        An SVG element.
    """
    with _axes() as axes:
        places = np.arange(1, len(bits) + 1)
        axes.bar(places, bits, color=colour, width=0.72)
        axes.axhline(limit, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        for place, share in zip(places, dead, strict=True):
            if share >= 0.005:
                axes.annotate(
                    f"{100 * share:.0f}",
                    (place, 0.15),
                    ha="center",
                    fontsize=7.5,
                    color="white",
                )
        axes.set_xticks(places if len(places) <= 16 else places[::4])
        axes.grid(True, axis="y")
        axes.set_title(f"{name}: bits per token (white: % dead)")
        axes.set_xlabel("codebook")
        said = ", ".join(f"{one:.2f}" for one in bits)
        title = f"Entropy of the codebooks of {name}, at most {limit:g} bits: {said}"
        return _svg(axes.figure, title)


def _svg(figure: Any, title: str) -> str:
    """Return the figure as an SVG element that scales and follows the page."""
    file = io.StringIO()
    figure.savefig(
        file, format="svg", transparent=True, metadata={"Date": None, "Title": title}
    )
    text = file.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    # Hundredths of a point are finer than any screen.
    text = PLACES.sub(lambda place: re.sub(r"(\d\.\d\d)\d+", r"\1", place[0]), text)
    head, _, rest = text.partition(">")
    label = escape(title, quote=True)
    head = f'<svg role="img" aria-label="{label}"' + head.removeprefix("<svg")
    return f"{head}>{rest}"


def spectrogram(wav: np.ndarray, sample_rate: int) -> bytes:
    """Draw the levels from 0 Hz to half the rate, 80 dB deep, as a WebP.

    Arguments
    ---------
    wav : np.ndarray
        Shape [T]; full scale 1 is the top of the colours, less 20 dB.
    sample_rate : int
        In Hz.

    Returns
    -------
    bytes
        About 560 by 220 pixels.
    """
    from matplotlib.image import imsave
    from scipy.signal import stft

    window = 512 if sample_rate <= 24000 else 1024
    hop = max(1, len(wav) // 560)
    if len(wav) < window:
        wav = np.pad(wav, (0, window - len(wav)))
    _, _, spectra = stft(wav, nperseg=window, noverlap=window - min(hop, window // 2))
    levels = 20 * np.log10(np.abs(spectra) + 1e-7)
    # As many rows as fit: the loudest bin of each group stays visible.
    step = -(-levels.shape[0] // 220)
    rows = levels[: levels.shape[0] // step * step]
    rows = rows.reshape(-1, step, rows.shape[1]).max(axis=1)
    file = io.BytesIO()
    imsave(
        file, rows[::-1], cmap=MAP, vmin=DECIBELS[0], vmax=DECIBELS[1], format="webp",
        pil_kwargs={"quality": 75},
    )  # fmt: skip
    return file.getvalue()


def colour_scale() -> str:
    """Return the colours of a spectrogram, quiet to loud, as a CSS gradient."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    colours = [to_hex(colour) for colour in colormaps[MAP](np.linspace(0, 1, 9))]
    return f"linear-gradient(to right, {', '.join(colours)})"
