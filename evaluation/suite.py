"""The whole evaluation in one call: recordings and systems in, tables and report out.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from copy import copy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pandas as pd

from evaluation.errors import ArgumentError, LoadError
from evaluation.metrics import Metric, choose
from evaluation.recordings.clips import Clip, check_rate, commonest_rate
from evaluation.recordings.finding import files_left_out, find_clips
from evaluation.results import tables
from evaluation.results.definitions import definitions, signature
from evaluation.results.differences import bd_table, paired_table
from evaluation.results.rates import codebook_use
from evaluation.results.results import Results, write
from evaluation.running.cache import Cache
from evaluation.running.readiness import check_travel, load, points
from evaluation.running.run import Run, kept_codes
from evaluation.running.runner import execute
from evaluation.systems import CodebookSystem, ScaledCodes, System, make_system
from evaluation.systems.controls import Reference

if TYPE_CHECKING:
    from evaluation.recordings.memory import Recordings

__all__ = ["evaluate"]

logger = logging.getLogger(__name__)

LONGEST_TIMEOUT = 1_000_000  # seconds; what waits for workers takes not much more


def evaluate(
    audio_dir: Recordings,
    systems: Sequence[str | System] = ("16khz-small",),
    codebooks: Sequence[int] | None = None,
    metrics: Iterable[str | Metric] | None = None,
    *,
    baselines: Sequence[str | System] = (),
    output: str | Path | None = None,
    domain: str = "auto",
    sample_rate: int | None = None,
    max_utterances: int | None = None,
    seed: int = 0,
    workers: int = 2,
    timeout: float = 600.0,
    device: str = "auto",
    cache_dir: str | Path | None = None,
    bd_anchor: str | None = None,
    report: bool = True,
    command: str = "",
    progress: Callable[[int, int, str], None] | None = None,
    data_root: str | Path | None = None,
    strict: bool = False,
) -> Results:
    """Evaluate codecs on recordings.

    Arguments
    ---------
    audio_dir : Recordings
        A folder, with or without a ``manifest.csv``; a manifest of any form that
        `dac_lobe.data.read_manifest` knows; or the recordings themselves: a dict or
        a list of what `dac_lobe.load_audio` takes, such as ``(samples, rate)``.
    systems : sequence
        Codecs: descriptions (see `evaluation.systems`) or your own `System`.
    codebooks : sequence of int, optional
        Numbers of codebooks to decode; by default powers of two and all.
    metrics : iterable of str or Metric, optional
        Names, or your own; the standard ten by default.
    baselines : sequence
        More systems, compared against.
    output : str or Path, optional
        Folder for the tables, and for the cache that a next run starts from.
    domain : str
        'speech', 'music' or 'auto': what recordings are that no manifest tells.
    sample_rate : int, optional
        Rate at which all systems are scored; by default that of the first that has
        one, else the recordings' commonest.
    max_utterances : int, optional
        Score at most this many recordings, drawn by ``seed``.
    seed : int
        Of the draw of recordings and of all intervals.
    workers : int
        Processes; 0 computes in this one.
    timeout : float
        Seconds for one step of one clip.
    device : str
        Where neural codecs run; 'auto' takes a GPU if there is one.
    cache_dir : str or Path, optional
        Cache shared between outputs; ``<output>/cache`` by default.
    bd_anchor : str, optional
        System that Bjøntegaard differences are taken from; by default the first
        baseline with several rates.
    report : bool
        Whether to write ``report.html`` too.
    command : str
        How this was started, for the record.
    progress : callable, optional
        Called with scores done, scores to do, and what is going on.
    data_root : str or Path, optional
        What ``$data_root`` stands for in a manifest; its own folder by default.
    strict : bool
        Whether to refuse recordings that are cut off, which are otherwise a warning.

    Returns
    -------
    Results
        Tables and outcomes.

    Raises
    ------
    ValueError
        If an argument is not allowed, as an `ArgumentError`; the message says what is.
        A `LoadError` if a system cannot be loaded.

    Example
    -------
    >>> import numpy as np
    >>> tone = 0.1 * np.sin(np.arange(8000) / 5)
    >>> results = evaluate(
    ...     {"tone": (tone, 8000)}, ["identity"], metrics=["mel_dac7"], workers=0
    ... )
    >>> list(results.utterances["utterance"])
    ['tone']
    """
    from dac_lobe.audio import AudioError

    try:
        _check_numbers(workers, timeout, sample_rate)
        run = _plan(
            [*systems, *baselines],
            codebooks,
            choose(metrics),
            find_clips(
                audio_dir,
                domain,
                max_utterances,
                seed,
                data_root=data_root,
                strict=strict,
            ),
            sample_rate,
            device,
        )
        if isinstance(audio_dir, (str, os.PathLike)):
            run.source = str(Path(audio_dir).resolve())
        if data_root is not None:
            run.data_root = str(Path(data_root).expanduser().resolve())
        if cache_dir is not None:
            run.cache = str(Path(cache_dir).resolve())
        run.left_out = files_left_out(audio_dir)
        if run.left_out:
            logger.warning("%s: %s", audio_dir, run.left_out)
        anchor = _anchor(run, len(systems), bd_anchor)
        if workers:
            check_travel(run.unloaded.values())
    except (AudioError, LoadError):  # not a wrong command: a file or a codec is
        raise
    except ValueError as error:
        raise ArgumentError(str(error)) from error
    if output is not None:
        output = Path(output)
        output.mkdir(parents=True, exist_ok=True)
        cache_dir = cache_dir or output / "cache"
    with ExitStack() as closing:
        if cache_dir is None:
            cache_dir = closing.enter_context(TemporaryDirectory())
        cache = closing.enter_context(Cache(cache_dir))
        execute(run, cache, workers, timeout, progress)
        results = _analyse(run, cache, anchor, seed)
        if output is not None:
            results.output = output
            write(results, command)
            if report:
                from evaluation.report.page import write_report

                write_report(results, cache, command)
    return results


def _check_numbers(workers: int, timeout: float, sample_rate: int | None) -> None:
    """Refuse what would fail only after hours, or compute nothing."""
    if workers < 0:
        raise ValueError(f"workers={workers}; 0 or more are needed.")
    if not 0 < timeout <= LONGEST_TIMEOUT:
        raise ValueError(
            f"timeout={timeout:g} s; more than 0 and at most {LONGEST_TIMEOUT} are "
            "needed."
        )
    if sample_rate is not None:
        check_rate("sample_rate=", sample_rate)


def _plan(
    described: Sequence[str | System],
    codebooks: Sequence[int] | None,
    metrics: list[Metric],
    clips: list[Clip],
    sample_rate: int | None,
    device: str,
) -> Run:
    """Make and load the systems, and agree on a scoring rate."""
    from dac_lobe import check_device

    device = str(check_device(device))
    if not described:
        raise ValueError("no system given. Give the name of a model.")
    if not all(metric.intrusive for metric in metrics):
        described = [*described, Reference()]
    made = [make_system(item, device) for item in described]
    names = [system.name for system in made]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two systems are called {name!r}. Rename one.")
    unloaded = {system.name: copy(system) for system in made}
    for system in made:
        load(system)
    own = next((system.sample_rate for system in made if system.sample_rate), None)
    return Run(
        clips=clips,
        systems=made,
        unloaded=unloaded,
        points={system.name: points(system, codebooks) for system in made},
        metrics=metrics,
        sample_rate=sample_rate or own or _rate_of_all(clips),
        fingerprints={system.name: system.fingerprint() for system in made},
        descriptions={
            system.name: item if isinstance(item, str) else ""
            for system, item in zip(made, described, strict=True)
        },
    )


def _rate_of_all(clips: list[Clip]) -> int:
    """Choose a scoring rate where no system has one, and say which."""
    rate = commonest_rate(clips)
    if rate is None:
        return 16000  # no recording can be read: there is nothing to score
    logger.warning(
        "no system has a rate of its own: scored at %d Hz, as most recordings are; "
        "sample_rate chooses another.",
        rate,
    )
    return rate


def _anchor(run: Run, systems: int, wanted: str | None) -> str | None:
    """Choose what Bjøntegaard differences are taken from: the first baseline curve."""
    names = [system.name for system in run.systems]
    if wanted is not None:
        if wanted not in names:
            raise ValueError(f"bd_anchor {wanted!r}: choose from {', '.join(names)}.")
        return wanted
    curves = [name for name in names[systems:] if len(run.points[name]) > 1]
    return curves[0] if curves else None


def _analyse(run: Run, cache: Cache, anchor: str | None, seed: int) -> Results:
    """Make the tables of an executed run."""
    uses = {}
    for system in run.systems:
        if isinstance(system, CodebookSystem):
            found = [kept_codes(run, cache, clip, system) for clip in run.clips]
            codes = [
                item.codes if isinstance(item, ScaledCodes) else item
                for item in found
                if item is not None
            ]
            if codes:
                uses[system.name] = codebook_use(codes, system.codebook_size)
    utterances = tables.utterance_table(run)
    summary = tables.summary_table(run, uses, seed)
    failed = utterances.loc[utterances["status"] == "failed", "utterance"].nunique()
    bd = bd_table(run, anchor) if anchor else pd.DataFrame()
    return Results(
        utterances=utterances,
        summary=summary,
        codebooks=tables.codebook_table(uses),
        paired=paired_table(run, seed),
        bd=bd,
        worst=tables.worst_table(run),
        definitions=definitions(run, seed),
        signature=signature(run, failed, seed),
        run=run,
        seed=seed,
    )
