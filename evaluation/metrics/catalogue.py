"""Every metric with its definition, source and domain.

The standard set is computed by default, the rest when asked for.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from evaluation.metrics.learned import LEARNED
from evaluation.metrics.metric import Metric

__all__ = ["DEFINED", "STANDARD"]

_PERCEPTUAL = "evaluation.metrics.perceptual"
_SPECTRAL = "evaluation.metrics.spectral"
_WAVEFORM = "evaluation.metrics.waveform"
_VISQOL = "evaluation.metrics.visqol"
_VOICING = "evaluation.metrics.voicing"
_ALIGNED = (
    "The system's delay is taken out first: the most frequent lag of the "
    "cross-correlation's peak over all clips that are not silent (at most 2048 "
    "samples), one number per system, listed as `delay_samples`. "
)
_SI_SDR = (
    "Means removed; a = <y,x>/<x,x>; 10 log10(|ax|^2 / |y - ax|^2); limited to "
    "[-100, 100] dB."
)

DEFINED = (
    Metric(
        "pesq_wb",
        f"{_PERCEPTUAL}:pesq_wb",
        "PESQ-WB",
        "ITU-T P.862.2 MOS-LQO, before Corrigendum 2. Both signals resampled to 16 kHz "
        "with soxr VHQ; nothing above 8 kHz counts. Clips from 0.25 to 60 s.",
        "ITU-T P.862.2 (2007)",
        higher_is_better=True,
        domain="speech",
        package="pesq",
    ),
    Metric(
        "stoi",
        f"{_PERCEPTUAL}:stoi",
        "STOI",
        "Short-time objective intelligibility; pystoi resamples to 10 kHz. At least "
        "0.41 s within 40 dB of the loudest frame.",
        "Taal et al. 2011",
        higher_is_better=True,
        domain="speech",
        package="pystoi",
    ),
    Metric(
        "mel_dac7",
        f"{_SPECTRAL}:mel_dac7",
        "Mel (DAC, 7 scales)",
        "Sum over windows 32, 64, 128, 256, 512, 1024, 2048 (5, 10, 20, 40, 80, 160, "
        "320 Slaney mel bands, hop a quarter, periodic Hann) of mean |log10 max(M,1e-5)"
        " - log10 max(M',1e-5)| of magnitudes, at the scoring rate.",
        "Kumar et al. 2023, section 4.4",
        higher_is_better=False,
    ),
    Metric(
        "si_sdr",
        f"{_WAVEFORM}:si_sdr",
        "SI-SDR",
        _ALIGNED + _SI_SDR,
        "Le Roux et al. 2019",
        higher_is_better=True,
        unit="dB",
        aligned=True,
        decimals=2,
    ),
    Metric(
        "pesq_nb",
        f"{_PERCEPTUAL}:pesq_nb",
        "PESQ-NB",
        "ITU-T P.862 with P.862.1's mapping, at 16 kHz (soxr VHQ). Clips from 0.25 "
        "to 60 s.",
        "ITU-T P.862.1 (2003)",
        higher_is_better=True,
        domain="speech",
        package="pesq",
    ),
    Metric(
        "estoi",
        f"{_PERCEPTUAL}:estoi",
        "ESTOI",
        "Extended STOI; pystoi resamples to 10 kHz. At least 0.41 s within 40 dB of "
        "the loudest frame.",
        "Jensen and Taal 2016",
        higher_is_better=True,
        domain="speech",
        package="pystoi",
    ),
    Metric(
        "mel_audiotools",
        f"{_SPECTRAL}:mel_audiotools",
        "Mel (audiotools)",
        "Sum over windows 2048 and 512 (150 and 80 Slaney mel bands) of mean |log10 "
        "max(M,1e-5)^2 - log10 max(M',1e-5)^2| + mean |M - M'|, at the scoring rate.",
        "descript-audiotools defaults; Codec-SUPERB",
        higher_is_better=False,
    ),
    Metric(
        "stft_dac",
        f"{_SPECTRAL}:stft_dac",
        "STFT (DAC)",
        "Sum over windows 2048 and 512 of mean |log10 max(X,1e-5)^2 - log10 "
        "max(Y,1e-5)^2| + mean |X - Y| of STFT magnitudes, at the scoring rate.",
        "Kumar et al. 2023; descript-audiotools defaults",
        higher_is_better=False,
    ),
    Metric(
        "si_sdr_raw",
        f"{_WAVEFORM}:si_sdr",
        "SI-SDR, not aligned",
        "As delivered, no delay taken out. " + _SI_SDR,
        "Le Roux et al. 2019",
        higher_is_better=True,
        unit="dB",
        decimals=2,
    ),
    Metric(
        "waveform_l1",
        f"{_WAVEFORM}:waveform_l1",
        "Waveform L1",
        _ALIGNED + "Mean |x - y|, full scale 1.",
        "descript-audiotools",
        higher_is_better=False,
        aligned=True,
        decimals=4,
    ),
    Metric(
        "lsd",
        f"{_SPECTRAL}:log_spectral_distance",
        "LSD",
        "Mean over frames (window 2048, hop 512, Hann) of the root mean square over "
        "bins of 20 log10 (max(X,1e-5) / max(Y,1e-5)), at the scoring rate.",
        "Gray and Markel 1976",
        higher_is_better=False,
        unit="dB",
        decimals=2,
    ),
    Metric(
        "pesq_wb_c2",
        f"{_PERCEPTUAL}:pesq_wb_c2",
        "PESQ-WB C2",
        "As pesq_wb, with P.862.2 Corrigendum 2 (2018); not comparable to published "
        "codec tables.",
        "ITU-T P.862.2 Corrigendum 2 (2018)",
        higher_is_better=True,
        domain="speech",
        package="pesqc2",
    ),
    Metric(
        "visqol_audio",
        f"{_VISQOL}:visqol_audio",
        "ViSQOL (audio)",
        "ViSQOL v3 in audio mode: both resampled to 48 kHz (soxr VHQ), support vector "
        "regression, MOS-LQO. Clips of 1 s or more; 5 to 10 s are recommended. References "
        "of -60 dBFS (RMS, mean removed) or more.",
        "Chinen et al. 2020; visqol-python",
        higher_is_better=True,
        package="visqol-python",
        revision=3,
    ),
    Metric(
        "visqol_speech",
        f"{_VISQOL}:visqol_speech",
        "ViSQOL (speech)",
        "ViSQOL v3 in speech mode: both resampled to 16 kHz (soxr VHQ), exponential "
        "fit scaled to 5 (not the lattice), MOS-LQO. Clips of 1 s or more. References of "
        "-60 dBFS (RMS, mean removed) or more.",
        "Chinen et al. 2020; visqol-python",
        higher_is_better=True,
        domain="speech",
        package="visqol-python",
        revision=3,
    ),
    Metric(
        "f0_rmse",
        f"{_VOICING}:f0_rmse_cents",
        "F0 error",
        "Root mean square pitch difference in cents over the frames (10 ms) voiced in "
        "both; Praat's autocorrelation, 60 to 500 Hz; no time warping.",
        "Boersma 1993; praat-parselmouth",
        higher_is_better=False,
        unit="cents",
        domain="speech",
        aligned=True,
        package="praat-parselmouth",
        decimals=1,
    ),
    Metric(
        "gpe",
        f"{_VOICING}:gross_pitch_error",
        "Gross pitch errors",
        "Share of the frames (10 ms) voiced in both whose pitch is off by more than "
        "20 %; pitch as in f0_rmse.",
        "Rabiner et al. 1976; praat-parselmouth",
        higher_is_better=False,
        unit="%",
        domain="speech",
        aligned=True,
        package="praat-parselmouth",
        decimals=2,
    ),
    Metric(
        "vuv_error",
        f"{_VOICING}:voicing_error",
        "Voicing errors",
        "Share of all frames (10 ms) that are voiced in one of the two only; voicing "
        "as in f0_rmse.",
        "praat-parselmouth",
        higher_is_better=False,
        unit="%",
        domain="speech",
        aligned=True,
        package="praat-parselmouth",
        decimals=2,
    ),
    *LEARNED,
)

STANDARD = (
    *("pesq_wb", "stoi", "mel_dac7", "si_sdr", "pesq_nb", "estoi"),
    *("mel_audiotools", "stft_dac", "si_sdr_raw", "waveform_l1"),
)
