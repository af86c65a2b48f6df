"""Everything that a reader needs to know to trust, repeat or refuse a number.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from evaluation.metrics import kind_of
from evaluation.running.cache import PIPELINE
from evaluation.running.own_metric import own_metric_fingerprint
from evaluation.running.run import Run
from evaluation.results.statistics import CONFIDENCE, LEAST_CLUSTERS, RESAMPLES

__all__ = [
    "audio_digest",
    "definitions",
    "environment",
    "signature",
]

_PACKAGES = (
    "av", "dac-lobe", "distillmos", "numpy", "onnxruntime", "pesq", "pocketsphinx",
    "praat-parselmouth", "pystoi", "resemblyzer", "scipy", "snac", "soundfile", "soxr",
    "speechbrain", "speechmos", "torch", "transformers", "visqol-python",
)  # fmt: skip


def definitions(run: Run, seed: int) -> dict[str, Any]:
    """Write down what every number means.

    Arguments
    ---------
    run : Run
        Executed.
    seed : int
        Of the intervals.

    Returns
    -------
    dict
        ``metrics`` by name, ``scoring``, ``rates``, ``statistics``. Runs whose
        metrics or scoring differ here cannot be compared.
    """
    weighted = {
        cell.metric for cell, outcome in run.outcomes.items() if outcome.weight != 1
    }
    return {
        "format": 1,
        "scoring": {
            "pipeline": PIPELINE,
            "sample_rate": run.sample_rate,
            "resampler": "soxr VHQ",
            "channels": "averaged",
            "reference": "each clip at the scoring rate; every system is given the same",
            "length": "cut to the shorter; a difference above 0.1 s is a failure",
        },
        "metrics": {
            metric.name: {
                "title": metric.title,
                "definition": metric.definition,
                "source": metric.source,
                "version": metric.version,
                "fingerprint": own_metric_fingerprint(metric),
                "unit": metric.unit,
                "higher_is_better": metric.higher_is_better,
                "domain": metric.domain,
                "aligned": metric.aligned,
                "weighted": metric.name in weighted,
                "wants_transcript": metric.wants_transcript,
                "kind": kind_of(metric),
                "decimals": metric.decimals,
            }
            for metric in run.metrics
        },
        "rates": {
            "kbps": "nominal: frame rate * codebooks * log2(codebook size) / 1000, and "
            "32 bits for each scale of codecs whose codes have scales; payload over "
            "duration for codecs of variable rate, in tables over all clips with an "
            "output, in curves and differences over those with a score; 16-bit PCM for "
            "controls",
            "kbps_emitted": "bits of the tokens or the payload that were produced, scales "
            "and the padding of chunks included, over the duration of the reference",
            "kbps_entropy": "nominal with each codebook's held-out entropy in place of "
            "log2(codebook size): five folds of clips, half a count added to every code",
            "kbps_file": "bits of the compressed files, headers and all, over the "
            "duration",
        },
        "statistics": {
            "mean": "over the clips with a score (n_ok), never imputed; of a metric that "
            "is weighted, by the weights of its scores",
            "difference": "mean over the clips that both have, each counting once",
            "interval": f"{CONFIDENCE:.0%} BCa bootstrap, {RESAMPLES} resamples of "
            "speakers (a clip of unknown speaker is its own); none of fewer than "
            f"{LEAST_CLUSTERS}. That of few is too narrow: in simulations it covers the mean "
            "80 % of the time with 5, 90 % with 10 and 92 % with 20",
            "p": f"signs of speakers' differences flipped, exact or {RESAMPLES} times; "
            "Holm's correction within each metric",
            "bd": "Bjøntegaard differences with PCHIP over the common range; both "
            "curves, scores and rates, over the clips with a score at every point of "
            "both (n)",
            "seed": seed,
        },
    }


def signature(run: Run, clips_failed: int, seed: int) -> str:
    """Write every choice that changes a number in one line.

    Arguments
    ---------
    run : Run
        What was measured.
    clips_failed : int
        Utterances with a failure at any point.
    seed : int
        Of the intervals.

    Returns
    -------
    str
        ``key:value`` pairs between bars.
    """
    packages = _versions()
    systems = [
        f"{system.name}#{run.fingerprints[system.name][:8]}"
        f"@{'/'.join(str(p).removeprefix('K=') for p in run.points[system.name])}".rstrip(
            "@"
        )
        for system in run.systems
    ]
    parts = {
        "systems": ",".join(systems),
        "sr": run.sample_rate,
        "clips": f"{len(run.clips)}#{audio_digest(run)[:8]}",
        "failed": clips_failed,
        "metrics": ",".join(
            f"{metric.name}[{metric.version.replace(', ', '/')}]"
            for metric in run.metrics
        ),
        "resample": f"soxr-{packages['soxr']}-VHQ",
        "align": "mode<=2048",
        "ci": f"BCa{CONFIDENCE:.0%}x{RESAMPLES}/speaker",
        "seed": seed,
        "dac_lobe": packages["dac-lobe"],
    }
    return "|".join(f"{key}:{value}" for key, value in parts.items())


def audio_digest(run: Run) -> str:
    """Hash the contents of all recordings."""
    digest = hashlib.sha256()
    for clip in run.clips:
        digest.update(f"{clip.name} {clip.sha256} {clip.domain}\n".encode())
    return digest.hexdigest()


def environment() -> dict[str, str]:
    """Name what ran: interpreter, machine, packages."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        **_versions(),
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    if found["dac-lobe"] == "not installed":
        from dac_lobe import __version__

        found["dac-lobe"] = __version__
    return found
