"""Metric statistics for a SpeechBrain recipe that end, whatever the model puts out.

SpeechBrain's own parallel statistics try a failing metric again for ever; here
a failure is counted, with its reason, and the training goes on.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TextIO

import numpy as np

from evaluation.errors import MetricError
from evaluation.metrics import METRICS, Metric, choose
from evaluation.metrics.metric import validate
from evaluation.metrics.waveform import agreed_delay, estimate_lag
from evaluation.running.jobs import Outcome
from evaluation.running.pool import Died, Finished, Pool
from evaluation.running.scoring import measure, prepare

__all__ = ["CodecMetricStats"]

logger = logging.getLogger(__name__)


class _Task(NamedTuple):
    number: int
    metric: Metric
    reference: np.ndarray
    output: np.ndarray
    sample_rate: int


def _measure(task: _Task, delay: int) -> Iterator[Outcome]:
    yield measure(task.metric, task.reference, task.output, task.sample_rate, delay)


class CodecMetricStats:
    """Collect a metric over a stage of training; used as SpeechBrain's MetricStats.

    In a YAML::

        pesq_stats: !name:evaluation.metric_stats.CodecMetricStats
            metric: pesq_wb
            sample_rate: 16000

    and in the Brain ``self.pesq = self.hparams.pesq_stats()`` in
    ``on_stage_start``, ``self.pesq.append(ids, predict, target, lengths)``
    after each batch, ``self.pesq.summarize("average")`` in ``on_stage_end``.

    Metrics that take a system's delay out, as `si_sdr` and `waveform_l1`, do so here
    too: without ``delay_samples`` it is what most utterances agree on, as in
    `evaluate`, and the waveforms are kept until `clear`.

    Arguments
    ---------
    metric : str or Metric
        Name of a metric; not of those that need a transcript, as ``wer``.
    sample_rate : int
        Of all waveforms, in Hz.
    n_jobs : int
        Processes; 1 computes here, more compute at `summarize`, where a crash
        or a metric that hangs costs one score.
    timeout : float
        Seconds for one score, with several processes.
    delay_samples : int, optional
        By how many samples outputs are late (negative: early), if that is known.

    Raises
    ------
    ValueError
        If the metric is unknown, is a set of several, or needs a transcript.

    Example
    -------
    >>> import torch
    >>> stats = CodecMetricStats("si_sdr_raw", sample_rate=16000)
    >>> target = torch.randn(2, 8000)
    >>> target[1] = 0  # silence has no score, and is counted
    >>> stats.append(["a", "b"], target, target)
    >>> summary = stats.summarize()
    >>> summary["average"], summary["n_ok"], summary["n_total"]
    (100.0, 1, 2)
    >>> summary["failures"]
    {'b': 'the reference is silent'}
    """

    def __init__(
        self,
        metric: str | Metric = "pesq_wb",
        sample_rate: int = 16000,
        n_jobs: int = 1,
        timeout: float = 30.0,
        delay_samples: int | None = None,
    ):
        self.metric = _one_without_transcript(metric)
        self.sample_rate = sample_rate
        self.n_jobs = n_jobs
        self.timeout = timeout
        self.delay_samples = delay_samples
        self._votes = self.metric.aligned and delay_samples is None
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.ids: list[str] = []
        self.outcomes: list[Outcome | None] = []
        self.summary: dict[str, Any] = {}
        self._tasks: list[_Task] = []
        self._kept: list[_Task] = []
        self._lags: Counter[int] = Counter()
        self._delay = self.delay_samples or 0

    @property
    def scores(self) -> list[float]:
        """Scores in the order of ``ids``, NaN for failures."""
        computed = self._compute()
        return [math.nan if o.value is None else o.value for o in computed]

    def append(
        self,
        ids: Sequence[str],
        predict: Any,
        target: Any,
        lengths: Iterable[float] | None = None,
    ) -> None:
        """Add a batch.

        Arguments
        ---------
        ids : sequence of str
            Of the utterances.
        predict : torch.Tensor
            Outputs of shape [B, T] or [B, 1, T].
        target : torch.Tensor
            References, of the same shape.
        lengths : torch.Tensor, optional
            Relative lengths of shape [B].

        Raises
        ------
        ValueError
            If the shapes do not fit.
        """
        outputs, references = _rows(predict), _rows(target)
        if not len(ids) == len(outputs) == len(references):
            raise ValueError(
                f"{len(ids)} ids, {len(outputs)} outputs, {len(references)} references: "
                "one of each is needed for every utterance."
            )
        ends = [1.0] * len(ids) if lengths is None else [float(end) for end in lengths]
        self.summary = {}
        for name, output, reference, end in zip(
            ids, outputs, references, ends, strict=True
        ):
            samples = round(end * len(reference))
            task = _Task(
                len(self.ids),
                self.metric,
                reference[:samples].copy(),  # it may wait, and the batch change
                output[:samples].copy(),
                self.sample_rate,
            )
            self.ids.append(name)
            self.outcomes.append(None)
            self._tasks.append(task)
        if self.n_jobs <= 1 and not self._votes:
            self._compute()

    def _agree(self) -> None:
        """Take the lags of new utterances; if they change the delay, all are computed."""
        for task in self._tasks:
            with suppress(MetricError):  # where there is no score there is no lag
                lag = estimate_lag(*validate(task.reference, task.output))
                self._lags.update([] if lag is None else [lag])
        self._kept += self._tasks
        delay = agreed_delay(self._lags)
        if delay != self._delay:
            self._delay, self._tasks = delay, list(self._kept)

    def _compute(self) -> list[Outcome]:
        """Compute what waits, each of it once; return all."""
        if self._tasks and self._votes:
            self._agree()
        if self.n_jobs > 1 and self._tasks:
            self._compute_in_others()
        else:
            for task in self._tasks:
                (self.outcomes[task.number],) = _measure(task, self._delay)
        self._tasks = []
        return [outcome for outcome in self.outcomes if outcome is not None]

    def _compute_in_others(self) -> None:
        """Compute what waits in other processes, and note those that die."""
        workers = min(self.n_jobs, len(self._tasks))
        function = partial(_measure, delay=self._delay)
        with Pool(function, workers, self.timeout, prepare) as pool:
            for task in self._tasks:
                pool.submit(task)
            for task, event in pool.events():
                if isinstance(event, Died):
                    event = Outcome(None, "failed", event.reason)
                if not isinstance(event, Finished):
                    self.outcomes[task.number] = event

    def summarize(self, field: str | None = None) -> Any:
        """Summarize.

        Arguments
        ---------
        field : str, optional
            One statistic; all by default.

        Returns
        -------
        float or dict
            ``average`` over the ``n_ok`` scores that exist (NaN if none does),
            ``min_score, min_id, max_score, max_id``, ``n_total``, and
            ``failures``: reasons by id.
        """
        computed = self._compute()
        valid = [i for i, o in enumerate(computed) if o.value is not None]
        values = [o.value for o in computed if o.value is not None]
        weights = [computed[i].weight for i in valid]
        lowest = valid[int(np.argmin(values))] if valid else None
        highest = valid[int(np.argmax(values))] if valid else None
        self.summary = {
            "average": float(np.average(values, weights=weights))
            if valid
            else math.nan,
            "min_score": math.nan if lowest is None else computed[lowest].value,
            "min_id": None if lowest is None else self.ids[lowest],
            "max_score": math.nan if highest is None else computed[highest].value,
            "max_id": None if highest is None else self.ids[highest],
            "n_ok": len(valid),
            "n_total": len(self.ids),
            "failures": {
                name: outcome.reason
                for name, outcome in zip(self.ids, computed, strict=True)
                if outcome.value is None
            },
        }
        return self.summary if field is None else self.summary[field]

    def write_stats(self, filestream: TextIO, verbose: bool = False) -> None:
        """Write the statistics, and every failure with its reason.

        Arguments
        ---------
        filestream : file
            Where to.
        verbose : bool
            Whether to log them too.
        """
        summary = self.summarize()
        lines = [
            f"{self.metric.name} ({self.metric.version}): {summary['average']}, "
            f"{summary['n_ok']} of {summary['n_total']}",
            f"Lowest: {summary['min_score']} id: {summary['min_id']}",
            f"Highest: {summary['max_score']} id: {summary['max_id']}",
            *(f"Failed: {name}: {why}" for name, why in summary["failures"].items()),
        ]
        filestream.write("\n".join(lines) + "\n")
        if verbose:
            logger.info("%s", "\n".join(lines))


def _one_without_transcript(name: str | Metric) -> Metric:
    """Look a metric up that needs nothing but waveforms."""
    chosen = choose([name])
    if len(chosen) > 1 or chosen[0].wants_transcript:
        why = "is a set of several" if len(chosen) > 1 else "needs transcripts"
        fit = [one for one, known in METRICS.items() if not known.wants_transcript]
        said = name if isinstance(name, str) else name.name
        raise ValueError(f"metric {said!r} {why}. Choose from {', '.join(fit)}.")
    return chosen[0]


def _rows(wavs: Any) -> np.ndarray:
    """Waveforms as an array [B, T], from wherever they are."""
    if hasattr(wavs, "detach"):
        wavs = wavs.detach().cpu().float().numpy()
    wavs = np.asarray(wavs)
    if wavs.ndim == 3 and wavs.shape[1] == 1:
        wavs = wavs[:, 0]
    if wavs.ndim != 2:
        raise ValueError(f"waveforms have shape {wavs.shape}; [B, T] is needed.")
    return wavs
