"""What PESQ's wideband mode hears of a difference, as a loss.

PESQ (ITU-T P.862, wideband P.862.2) compares the loudness of two signals in 49 bands of
the Bark scale, 32 ms at a time, and counts what was added more than what is missing. All
of it but the alignment in time has gradients; a codec needs none, its output is aligned.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

__all__ = ["PESQLoss"]

SAMPLE_RATE = 16000
WINDOW, HOP = 512, 256
SPLIT, SPLIT_HOP = 20, 10  # frames of 320 ms, over which the loudest count most
SHORTEST = WINDOW + (SPLIT - 1) * HOP

# The tables of P.862 at 16 kHz, an entry a band: bins of the spectrum, width in Bark,
# correction of the power for that number of bins, and power at the threshold of hearing.
# fmt: off
BINS = (
    1, 1, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3,
    3, 4, 3, 4, 5, 4, 5, 6, 6, 7, 8, 9, 9, 12, 12, 15, 16, 18, 21, 25, 20,
)
WIDTHS = (
    0.157344, 0.317994, 0.322441, 0.326934, 0.331474, 0.336061, 0.340697, 0.345381,
    0.350114, 0.354897, 0.359729, 0.364611, 0.369544, 0.374529, 0.379565, 0.384653,
    0.389794, 0.394989, 0.400236, 0.405538, 0.410894, 0.416306, 0.421773, 0.427297,
    0.432877, 0.438514, 0.444209, 0.449962, 0.455774, 0.461645, 0.467577, 0.473569,
    0.479621, 0.485736, 0.491912, 0.498151, 0.504454, 0.510819, 0.517250, 0.523745,
    0.530308, 0.536934, 0.543629, 0.550390, 0.557220, 0.564119, 0.571085, 0.578125,
    0.585232,
)
CORRECTIONS = (
    100.0, 100.0, 100.0, 100.0, 100.0, 100.0, 100.0, 100.0, 50.0, 100.0, 100.0, 100.0,
    100.0, 100.0, 53.047077, 110.000046, 117.991989, 65.0, 68.760147, 69.999931,
    71.428818, 75.000038, 76.843384, 80.968781, 88.646126, 63.864388, 68.155350,
    72.547775, 75.584831, 58.379192, 80.950836, 64.135651, 54.384785, 73.821884,
    64.437073, 59.176456, 65.521278, 61.399822, 58.144047, 57.004543, 64.126297,
    54.311001, 61.114979, 55.077751, 56.849335, 55.628868, 53.137054, 54.985844,
    79.546974,
)
THRESHOLDS = (
    51286152.0, 2454709.5, 70794.593750, 4897.788574, 1174.897705, 389.045166,
    104.712860, 45.708820, 17.782795, 9.772372, 4.897789, 3.090296, 1.905461, 1.258925,
    0.977237, 0.724436, 0.562341, 0.457088, 0.389045, 0.331131, 0.295121, 0.269153,
    0.257040, 0.251189, 0.251189, 0.251189, 0.251189, 0.263027, 0.288403, 0.309030,
    0.338844, 0.371535, 0.398107, 0.436516, 0.467735, 0.489779, 0.501187, 0.501187,
    0.512861, 0.524807, 0.524807, 0.524807, 0.512861, 0.478630, 0.426580, 0.371535,
    0.363078, 0.416869, 0.537032,
)
# fmt: on
POWER_SCALE = 6.910853e-6
LOUDNESS_SCALE = 0.1866055
LEVEL = 1e7  # power between 325 and 3250 Hz to which signals are brought
QUIETEST = 1e-5  # of full scale; what is quieter is brought there, and no louder
# The filter of the wideband mode, a high-pass of second order
ZEROS = (2.740826, -5.4816519, 2.740826)
POLES = (1.0, -1.9444777, 0.94597794)


class PESQLoss(nn.Module):
    """Distance that PESQ's wideband mode turns into its score, for a loss.

    Follows ITU-T P.862 and P.862.2 but for the alignment in time, and but for two
    filters, which are applied to the spectrum. On reconstructions of speech by a codec
    ``4.5 - loss`` is the raw score that P.862.2 maps, to about 0.1. torch-pesq
    (https://github.com/audiolabs/torch-pesq) had the idea, and the tables that are
    printed nowhere else. A codec that was trained with it has a better PESQ than it
    would have otherwise; let other metrics judge it too.

    Arguments
    ---------
    sample_rate : int
        16000; PESQ knows no other wideband rate.

    Raises
    ------
    ValueError
        If the rate is another, or audio is shorter than 5376 samples.

    Example
    -------
    >>> loss = PESQLoss(16000)
    >>> wav = torch.randn(2, 1, 8000)
    >>> float(loss(wav, wav)) < 1e-3 < float(loss(wav.roll(1000, -1), wav))
    True
    """

    def __init__(self, sample_rate: int = SAMPLE_RATE):
        super().__init__()
        if sample_rate != SAMPLE_RATE:
            raise ValueError(
                f"sample_rate is {sample_rate}; PESQ's wideband mode is defined at "
                f"{SAMPLE_RATE} Hz. Resample, or leave this loss out."
            )
        widths = torch.tensor(WIDTHS)[:, None]
        centres = widths.cumsum(0) - widths / 2
        hertz = torch.arange(WINDOW // 2 + 1) * SAMPLE_RATE / WINDOW
        self.widths = widths[1:]  # distances leave out the first band
        self.thresholds = torch.tensor(THRESHOLDS)[:, None]
        self.exponents = 0.23 * (6 / (centres + 2)).clamp(1, 2) ** 0.15
        self.bands = _bands()
        self.window = torch.hann_window(WINDOW)
        # Sum of a spectrum's bins to mean square of the samples; the other half of the
        # spectrum is counted by the 2.
        share = 2 / (WINDOW * float(self.window.square().sum()))
        self.level_bins = ((hertz >= 325) & (hertz <= 3250)) * share

    def forward(self, estimate: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        """Compare waveforms [B, 1, T] at 16 kHz; returns the mean over the batch."""
        if estimate.shape[-1] < SHORTEST:
            raise ValueError(
                f"the audio has {estimate.shape[-1]} samples; PESQ's mean of "
                f"{SPLIT} frames needs {SHORTEST}. Train on longer segments."
            )
        power = self._band_powers(estimate, reference)
        ours, theirs = self._equalized(*power.chunk(2))
        symmetric, added = self._disturbances(ours, theirs)
        # Constants with which P.862 makes a score of the two
        return (0.1 * _over_time(symmetric) + 0.0309 * _over_time(added)).mean()

    def _band_powers(self, *wavs: torch.Tensor) -> torch.Tensor:
        """Powers [2 B, 49, frames] of both, at the level of the reference."""
        wav = torch.cat(wavs).flatten(0, -2).float()
        window = self.window.to(wav.device)
        spectrum = torch.stft(
            wav, WINDOW, HOP, window=window, center=False, return_complex=True
        )
        power = spectrum.real.square() + spectrum.imag.square()
        level = self.level_bins.to(wav.device) @ power.detach().chunk(2)[1].mean(-1).T
        gain = (LEVEL / level.clamp(min=QUIETEST)).repeat(2)
        return self.bands.to(wav.device) @ power * gain[:, None, None]

    def _audible(self, power: torch.Tensor, factor: float = 1.0) -> torch.Tensor:
        """Power [B, frames] in bands that are ``factor`` above the threshold."""
        above = power > factor * self.thresholds.to(power.device)
        return (power * above).sum(-2)

    def _equalized(
        self, ours: torch.Tensor, theirs: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Take out what hearing forgives: a filter, and slow changes of the gain."""
        speech = self._audible(theirs, 100.0) > LEVEL
        above = 100 * self.thresholds.to(ours.device)

        def mean(power: torch.Tensor) -> torch.Tensor:
            return (power * (power > above) * speech[:, None]).mean(-1, keepdim=True)

        filtered = (mean(ours) + 1000) / (mean(theirs) + 1000)
        theirs = theirs * filtered.clamp(0.01, 100)
        gain = (self._audible(theirs) + 5000) / (self._audible(ours) + 5000)
        smooth = 0.8 * gain[:, 1:] + 0.2 * gain[:, :-1]
        gain = torch.cat([gain[:, :1], smooth], dim=1).clamp(3e-4, 5)
        return ours * gain[:, None], theirs

    def _loudness(self, power: torch.Tensor) -> torch.Tensor:
        """Zwicker's law, in sone per Bark."""
        thresholds = self.thresholds.to(power.device)
        exponents = self.exponents.to(power.device)
        above = (0.5 + 0.5 * power / thresholds) ** exponents - 1
        loudness = LOUDNESS_SCALE * (2 * thresholds) ** exponents * above
        return loudness * (power > thresholds)

    def _disturbances(
        self, ours: torch.Tensor, theirs: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Differences [B, frames] of loudness: all of them, and what was added."""
        loud, target = self._loudness(ours), self._loudness(theirs)
        # A quarter of the softer one masks what differs by less.
        masked = 0.25 * torch.minimum(loud, target)
        heard = ((loud - target).abs() - masked).clamp(min=0)[:, 1:]
        weighted = self.widths.to(ours.device) * heard
        louder = ((ours + 50) / (theirs + 50)) ** 1.2
        louder = (louder * (louder >= 3)).clamp(max=12)[:, 1:]
        total = float(self.widths.sum())
        symmetric = (total * weighted.square().sum(-2) + 1e-12).sqrt()
        added = (weighted * louder).sum(-2)
        scale = ((self._audible(theirs) + 1e5) / LEVEL) ** 0.04
        return (symmetric / scale).clamp(max=45), (added / scale).clamp(max=45)


def _bands() -> torch.Tensor:
    """Sum bins to bands [49, 257], with the filter of the wideband mode."""
    z = np.exp(-1j * np.pi * np.arange(WINDOW // 2 + 1) / (WINDOW // 2))
    response = np.polyval(ZEROS[::-1], z) / np.polyval(POLES[::-1], z)
    response[0] = 0  # the constant part is not heard
    bands = np.zeros((len(BINS), len(z)))
    start = 0
    for band, bins in enumerate(BINS):
        bands[band, start : start + bins] = CORRECTIONS[band] * POWER_SCALE
        start += bins
    return torch.from_numpy(bands * np.abs(response) ** 2).float()


def _over_time(disturbance: torch.Tensor) -> torch.Tensor:
    """Mean [B] of [B, frames]: of the power 6 in 320 ms, of the power 2 over all."""
    splits = disturbance.unfold(-1, SPLIT, SPLIT_HOP) + 1e-6
    return (splits**6).mean(-1).pow(1 / 3).mean(-1).sqrt()
