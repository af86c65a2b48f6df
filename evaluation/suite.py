"""The whole evaluation in one call: recordings and systems in, tables and report out.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.cache import Cache
from evaluation.clips import find_clips
from evaluation.metrics import choose
from evaluation.runner import Run, execute
from evaluation.systems import System, make_system

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Results", "evaluate"]


@dataclass
class Results:
    """What an evaluation found.

    Attributes
    ----------
    utterances : pandas.DataFrame
        One row per utterance, system and operating point.
    summary : pandas.DataFrame
        One row per system and operating point.
    run : Run
        All outcomes, with their reasons.
    output : Path or None
        The folder with the files.
    """

    utterances: pd.DataFrame
    summary: pd.DataFrame
    run: Run
    output: Path | None = None

    @property
    def failed_share(self) -> float:
        """Failed scores as a share of those that were to be computed."""
        states = [outcome.status for outcome in self.run.outcomes.values()]
        wanted = [state for state in states if state in ("ok", "failed")]
        return wanted.count("failed") / len(wanted) if wanted else 0.0


def evaluate(
    audio_dir: str | Path,
    systems: Sequence[str | System] = ("16khz-small",),
    codebooks: Sequence[int] | None = None,
    metrics: Iterable[str] | None = None,
    *,
    baselines: Sequence[str | System] = (),
    output: str | Path | None = None,
    domain: str = "auto",
    sample_rate: int | None = None,
    max_utterances: int | None = None,
    seed: int = 0,
    workers: int = 2,
    timeout: float = 120.0,
    device: str = "cpu",
    cache_dir: str | Path | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Results:
    """Evaluate codecs on a folder of recordings.

    Arguments
    ---------
    audio_dir : str or Path
        A folder, with or without a ``manifest.csv``, or a manifest.
    systems : sequence
        Codecs: descriptions (see `evaluation.systems`) or your own `System`.
    codebooks : sequence of int, optional
        Numbers of codebooks to decode; by default powers of two and all.
    metrics : iterable of str, optional
        Names; the standard ten by default.
    baselines : sequence
        More systems, compared against.
    output : str or Path, optional
        Folder for the tables, and for the cache that a next run starts from.
    domain : str
        'speech', 'music' or 'auto': what recordings are that no manifest tells.
    sample_rate : int, optional
        Rate at which all systems are scored; that of the first by default.
    max_utterances : int, optional
        Draw at most so many recordings.
    seed : int
        Of every draw.
    workers : int
        Processes; 0 computes in this one.
    timeout : float
        Seconds for one step of one clip.
    device : str
        Where neural codecs run.
    cache_dir : str or Path, optional
        Cache shared between outputs; ``<output>/cache`` by default.
    progress : callable, optional
        Called with scores done, scores to do, and what is going on.

    Returns
    -------
    Results
        Tables and outcomes.

    Raises
    ------
    ValueError
        If an argument is not allowed; the message says what is.
    """
    from evaluation import tables

    if workers < 0:
        raise ValueError(f"workers={workers}; 0 or more are needed.")
    chosen = choose(metrics)
    clips = find_clips(audio_dir, domain, max_utterances, seed)
    made = [make_system(system, device) for system in (*systems, *baselines)]
    if not made:
        raise ValueError("no system given. Give the name of a model.")
    names = [system.name for system in made]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two systems are called {name!r}. Rename one.")
    for system in made:
        system.load()
    rate = sample_rate or next((s.sample_rate for s in made if s.sample_rate), None)
    run = Run(
        clips=clips,
        systems=made,
        points={system.name: system.points(codebooks) for system in made},
        metrics=chosen,
        sample_rate=rate or 16000,
        fingerprints={system.name: system.fingerprint() for system in made},
    )
    if output is not None:
        output = Path(output)
        output.mkdir(parents=True, exist_ok=True)
        cache_dir = cache_dir or output / "cache"
    cache = Cache(cache_dir) if cache_dir else None
    try:
        execute(run, cache, workers, timeout, progress)
    finally:
        if cache is not None:
            cache.close()
    utterances = tables.utterance_table(run)
    results = Results(utterances, tables.summary_table(run, utterances), run, output)
    if output is not None:
        tables.write(results.utterances, output / "utterances.csv")
        tables.write(results.summary, output / "summary.csv")
        text = tables.summary_markdown(run, results.summary)
        (output / "summary.md").write_text(text, encoding="utf-8")
    return results
