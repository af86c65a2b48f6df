"""Is this machine computing the numbers that others publish? Asked before a long run.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import json
import math
import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from evaluation.metrics import METRICS, STANDARD, MetricError, MissingPackage
from evaluation.results.curves import Curve, bd_metric, bd_rate
from evaluation.results.rates import held_out_bits
from evaluation.running.pool import Died, Pool

__all__ = ["Check", "recorded_vectors", "selftest", "speech_like", "synthetic_pair"]

RATE = 16000

# (metric, folder, reference, output, value, tolerance); the folder is the
# metrics_reference of the audio pack. All but STOI of ludlows' pair and the
# identities are published: ludlows/PESQ README, VERSA test/test_general.py.
_OUTSIDE = (
    ("pesq_wb", "pesq", "speech", "speech_bab_0dB", 1.0832337141036987, 1e-9),
    ("pesq_nb", "pesq", "speech", "speech_bab_0dB", 1.6072081327438354, 1e-9),
    ("pesq_wb_c2", "pesq", "speech", "speech_bab_0dB", 1.5128041505813599, 1e-9),
    ("stoi", "pesq", "speech", "speech_bab_0dB", 0.6739177895331301, 1e-9),
    ("estoi", "pesq", "speech", "speech_bab_0dB", 0.39044999103355366, 1e-9),
    ("si_sdr_raw", "pesq", "speech", "speech_bab_0dB", 0.10378976323556044, 1e-9),
    ("pesq_wb", "pesq", "speech", "speech", 4.643888473510742, 1e-9),
    ("pesq_nb", "pesq", "speech", "speech", 4.548638343811035, 1e-9),
    ("pesq_wb", "versa", "test1", "test2", 1.5722705125808716, 1e-9),
    ("stoi", "versa", "test1", "test2", 0.007625108859647406, 1e-9),
)


class Check(NamedTuple):
    """One question and its answer.

    Attributes
    ----------
    name : str
        What was asked.
    passed : bool or None
        None if it could not be asked here.
    detail : str
        What was found.
    """

    name: str
    passed: bool | None
    detail: str = ""


def speech_like(seconds: float = 2.0, seed: int = 3) -> np.ndarray:
    """Make a buzz with a moving pitch in bursts: speech to PESQ and STOI.

    Arguments
    ---------
    seconds : float
        Length.
    seed : int
        Of its faint noise.

    Returns
    -------
    np.ndarray
        Shape [T] at 16 kHz.
    """
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    pitch = 2 * np.pi * np.cumsum(120 + 20 * np.sin(3 * time)) / RATE
    voice = sum(np.sin(k * pitch) / k for k in range(1, 20))
    envelope = np.clip(np.sin(2 * np.pi * 3 * time), 0, 1) ** 2
    return 0.2 * voice * envelope + 1e-3 * rng.normal(size=time.size)


def synthetic_pair(sample_rate: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Make the signals that descript-audiotools was asked about, a second long."""
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(size=sample_rate))
    reference = (walk - walk.mean()) / (2 * np.abs(walk - walk.mean()).max())
    reference[: sample_rate // 10] = 0.0
    output = 0.9 * reference + 0.01 * rng.normal(size=sample_rate) + 0.003
    # Through float32, in which audiotools computes.
    return (
        reference.astype(np.float32).astype(np.float64),
        output.astype(np.float32).astype(np.float64),
    )


def recorded_vectors() -> dict[str, Any]:
    """Read what audiotools and librosa computed (tests/golden has the generator)."""
    path = files("evaluation") / "assets" / "audiotools_distances.json"
    return json.loads(path.read_text(encoding="utf-8"))


def selftest(folder: Path | None = None) -> Iterator[Check]:
    """Ask every question.

    Arguments
    ---------
    folder : Path, optional
        Where reference pairs with published scores lie (``pesq/``, ``versa/``).

    Yields
    ------
    Check
        One per question.
    """
    for case in recorded_vectors()["cases"]:
        pair = synthetic_pair(case["sample_rate"], case["seed"])
        for name, expected in case["scores"].items():
            yield _close(
                f"{name} of descript-audiotools at {case['sample_rate']} Hz",
                partial(METRICS[name], *pair, case["sample_rate"]),
                expected,
                1e-5,
            )
    docs = np.array([3, -0.5, 2, 7]), np.array([2.5, 0, 2, 8])
    yield _close(
        "SI-SDR of torchmetrics' documentation",
        lambda: METRICS["si_sdr_raw"](*docs, RATE),
        15.0918,
        1e-4,
    )
    yield from _outside(folder)
    yield from _laws()
    yield from _curves()
    yield _killed_worker()


def _close(
    name: str, compute: Callable[[], float], expected: float, tolerance: float
) -> Check:
    try:
        value = compute()
    except MissingPackage as error:
        return Check(name, None, str(error))
    except MetricError as error:
        return Check(name, False, str(error))
    passed = abs(value - expected) <= tolerance
    return Check(name, passed, f"{value:.9g}, expected {expected:.9g}")


def _outside(folder: Path | None) -> Iterator[Check]:
    import soundfile

    for metric, place, reference, output, expected, tolerance in _OUTSIDE:
        name = f"{metric} of {place}: {output} against {reference}"
        paths = [
            folder / place / f"{stem}.flac" if folder else None
            for stem in (reference, output)
        ]
        if not all(path and path.is_file() for path in paths):
            yield Check(name, None, "the recordings are not here")
            continue
        reference_wav, output_wav = (soundfile.read(path)[0] for path in paths)
        yield _close(
            name,
            partial(METRICS[metric], reference_wav, output_wav, RATE),
            expected,
            tolerance,
        )


def _laws() -> Iterator[Check]:
    """More noise is worse, nothing is best, silence has no score."""
    clean = speech_like()
    noise = np.random.default_rng(0).normal(size=clean.size)
    for name in STANDARD:
        metric = METRICS[name]
        try:
            found = [
                metric(clean, clean + level * noise, RATE)
                for level in (0.0, 0.001, 0.01, 0.05)
            ]
        except MissingPackage as error:
            yield Check(f"{name} worsens with noise", None, str(error))
            continue
        ordered = sorted(found, reverse=metric.higher_is_better)
        yield Check(
            f"{name} worsens with noise",
            ordered == found and len(set(found)) == len(found),
            ", ".join(f"{value:.4g}" for value in found),
        )
    for name in ("pesq_wb", "stoi", "si_sdr"):
        try:
            value = METRICS[name](clean, np.zeros_like(clean), RATE)
        except MissingPackage as error:
            yield Check(f"{name} has no score for silence", None, str(error))
        except MetricError as error:
            yield Check(f"{name} has no score for silence", True, str(error))
        else:
            yield Check(f"{name} has no score for silence", False, f"scored {value}")


def _curves() -> Iterator[Check]:
    # Values of the package bjontegaard 1.3.0, method "pchip".
    anchor = Curve([5.41, 7.58, 12.53, 17.61, 24.71], [2.005, 2.69, 3.89, 4.229, 4.414])
    test = Curve([1, 2, 4, 6, 8], [1.5, 2.1, 2.9, 3.3, 3.6])
    for name, difference, expected in (
        ("BD-rate", bd_rate(test, anchor), -51.77724636967802),
        ("BD-metric", bd_metric(test, anchor), 0.9997374563384522),
    ):
        value = math.nan if difference.value is None else difference.value
        yield _close(f"{name} of bjontegaard", partial(float, value), expected, 1e-9)
    uniform = np.full((10, 1024), 1000)
    yield _close("entropy of equal codes", lambda: held_out_bits(uniform), 10.0, 1e-9)


def _die(task: int) -> Iterator[int]:
    yield task
    if task == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    yield task


def _killed_worker() -> Check:
    with Pool(_die, 1, timeout=60) as pool:
        for task in range(3):
            pool.submit(task)
        died = [task for task, event in pool.events() if isinstance(event, Died)]
    return Check(
        "a killed worker is one failure", died == [1], f"lost {died} of 0, 1, 2"
    )
