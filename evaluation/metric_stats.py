"""Metric statistics for a SpeechBrain recipe that end, whatever the model puts out.

SpeechBrain's own parallel statistics try a failing metric again for ever; here
a failure is counted, with its reason, and the training goes on.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TextIO

import numpy as np

from evaluation.metrics import Metric, choose
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


def _measure(task: _Task) -> Iterator[Outcome]:
    yield measure(task.metric, task.reference, task.output, task.sample_rate)


class CodecMetricStats:
    """Collect a metric over a stage of training; used as SpeechBrain's MetricStats.

    In a YAML::

        pesq_stats: !name:evaluation.metric_stats.CodecMetricStats
            metric: pesq_wb
            sample_rate: 16000

    and in the Brain ``self.pesq = self.hparams.pesq_stats()`` in
    ``on_stage_start``, ``self.pesq.append(ids, predict, target, lengths)``
    after each batch, ``self.pesq.summarize("average")`` in ``on_stage_end``.

    Arguments
    ---------
    metric : str or Metric
        Name of a metric.
    sample_rate : int
        Of all waveforms, in Hz.
    n_jobs : int
        Processes; 1 computes here, more compute at `summarize`, where a crash
        or a metric that hangs costs one score.
    timeout : float
        Seconds for one score, with several processes.

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
    {'b': 'the reference is constant'}
    """

    def __init__(
        self,
        metric: str | Metric = "pesq_wb",
        sample_rate: int = 16000,
        n_jobs: int = 1,
        timeout: float = 30.0,
    ):
        (self.metric,) = choose([metric])
        self.sample_rate = sample_rate
        self.n_jobs = n_jobs
        self.timeout = timeout
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.ids: list[str] = []
        self.outcomes: list[Outcome | None] = []
        self.summary: dict[str, Any] = {}
        self._tasks: list[_Task] = []

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
                reference[:samples],
                output[:samples],
                self.sample_rate,
            )
            self.ids.append(name)
            self.outcomes.append(None)
            if self.n_jobs > 1:
                self._tasks.append(task)
            else:
                (self.outcomes[task.number],) = _measure(task)

    def _compute(self) -> list[Outcome]:
        """Compute what waits for the other processes, each of it once; return all."""
        if not self._tasks:
            return [outcome for outcome in self.outcomes if outcome is not None]
        workers = min(self.n_jobs, len(self._tasks))
        with Pool(_measure, workers, self.timeout, prepare) as pool:
            for task in self._tasks:
                pool.submit(task)
            for task, event in pool.events():
                if isinstance(event, Died):
                    event = Outcome(None, "failed", event.reason)
                if not isinstance(event, Finished):
                    self.outcomes[task.number] = event
        self._tasks = []
        return self._compute()

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
