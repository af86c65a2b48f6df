"""Worker processes that may crash, hang or be killed without taking the run along.

`concurrent.futures` loses every pending task when one worker dies, and cannot
say which task killed it. Here each worker holds one task and reports through a
pipe of its own, so that a death costs what that worker was doing and no more.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

__all__ = [
    "Died",
    "Finished",
    "Pool",
    "PoolError",
    "Ready",
]

_THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


class PoolError(RuntimeError):
    """Worker processes that cannot be started at all."""


class Finished(NamedTuple):
    """A task is done."""


class Ready(NamedTuple):
    """A worker has imported what it needs."""


class Died(NamedTuple):
    """The worker died, or was ended for taking too long.

    Attributes
    ----------
    reason : str
        For people.
    last : object or None
        The last message it sent for this task.
    """

    reason: str
    last: Any


class _Worker:
    """A process, its pipe, and what it is doing."""

    def __init__(
        self,
        function: Callable[[Any], Iterator[Any]],
        prepare: Callable[[], object],
        start_timeout: float,
    ):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(function, prepare, theirs), daemon=True
        )
        with _one_thread():
            self.process.start()
        # Only the worker holds its end now: its death closes the pipe.
        theirs.close()
        self.task: Any = None
        self.busy = True
        self.last: Any = None
        self.deadline = time.monotonic() + start_timeout

    def give(self, task: Any, timeout: float) -> None:
        self.task, self.busy, self.last = task, True, None
        self.deadline = time.monotonic() + timeout
        try:
            self.connection.send(task)
        except BrokenPipeError:
            pass  # it is dead: its end of the pipe says so in the next round

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


class Pool:
    """Run a generator function on many tasks in worker processes.

    Workers are spawned, not forked, and compute on one thread, so that numbers
    do not depend on how many there are.

    Arguments
    ---------
    function : callable
        Importable; takes a task, yields messages. All of it must be picklable.
    workers : int
        Number of processes.
    timeout : float
        Seconds between two messages after which a worker is ended.
    prepare : callable, optional
        Called once in each worker, outside of the timeout: imports take long.
    """

    START_TIMEOUT = 120.0
    START_ATTEMPTS = 3

    def __init__(
        self,
        function: Callable[[Any], Iterator[Any]],
        workers: int,
        timeout: float,
        prepare: Callable[[], object] = int,
    ):
        if workers < 1:
            raise ValueError(f"workers={workers}; a pool needs 1 or more.")
        if timeout <= 0:
            raise ValueError(f"timeout={timeout}; a number of seconds is needed.")
        self.function = function
        self.prepare = prepare
        self.size = workers
        self.timeout = timeout
        self._waiting: deque[Any] = deque()
        self._workers: list[_Worker] = []
        self._failed_starts = 0

    def submit(self, task: Any) -> None:
        """Add a task; allowed while the events are read, and then done next."""
        if self._workers:
            self._waiting.appendleft(task)
        else:
            self._waiting.append(task)

    def events(self) -> Iterator[tuple[Any, Any]]:
        """Yield each task's messages with the task, then `Finished` or `Died`.

        A task whose worker died is not tried again; submit what is left of it.

        Raises
        ------
        PoolError
            If workers cannot be started.
        """
        while self._waiting or any(worker.task is not None for worker in self._workers):
            self._hand_out()
            busy = {
                worker.connection: worker for worker in self._workers if worker.busy
            }
            next_deadline = min(worker.deadline for worker in busy.values())
            ready = wait(list(busy), max(0.0, next_deadline - time.monotonic()))
            for connection in [one for one in busy if one in ready]:
                yield from self._receive(busy[connection])
            now = time.monotonic()
            for connection, worker in busy.items():
                if connection not in ready and worker.busy and worker.deadline <= now:
                    starting = worker.task is None
                    waited = self.START_TIMEOUT if starting else self.timeout
                    yield from self._remove(worker, f"no answer for {waited:g} s")

    def _hand_out(self) -> None:
        """Give tasks to idle workers, and start workers while there is more to do."""
        for worker in self._workers:
            if self._waiting and not worker.busy:
                worker.give(self._waiting.popleft(), self.timeout)
        starting = sum(w.busy and w.task is None for w in self._workers)
        for _ in range(
            min(self.size - len(self._workers), len(self._waiting) - starting)
        ):
            worker = _Worker(self.function, self.prepare, self.START_TIMEOUT)
            self._workers.append(worker)

    def _receive(self, worker: _Worker) -> Iterator[tuple[Any, Any]]:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            worker.process.join()
            yield from self._remove(worker, _cause(worker.process.exitcode))
            return
        task = worker.task
        if isinstance(message, (Finished, Ready)):
            worker.task, worker.busy = None, False
            worker.deadline = float("inf")
        else:
            worker.last = message
            worker.deadline = time.monotonic() + self.timeout
        if isinstance(message, Ready):
            self._failed_starts = 0  # workers can be started
        else:
            yield task, message

    def _remove(self, worker: _Worker, reason: str) -> Iterator[tuple[Any, Died]]:
        self._workers.remove(worker)
        worker.end()
        if worker.task is not None:
            yield worker.task, Died(reason, worker.last)
            return
        self._failed_starts += 1
        if self._failed_starts >= self.START_ATTEMPTS:
            raise PoolError(
                f"workers cannot be started ({reason}); what they print stands above. "
                "In a script of your own, guard the call by "
                "`if __name__ == '__main__':`, or give workers=0."
            )

    def close(self) -> None:
        """End all workers at once."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()
        self._waiting.clear()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()


def _cause(exit_code: int | None) -> str:
    """Say how a process ended."""
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        return f"the worker was ended by {name}"
    return f"the worker ended with exit code {exit_code}"


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let a process start with one thread in every numeric library."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(
    function: Callable[[Any], Iterator[Any]],
    prepare: Callable[[], object],
    connection: Connection,
) -> None:
    """Do tasks until the pipe closes; the body of a worker."""
    # Ctrl-C goes to the whole group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prepare()
    connection.send(Ready())
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        try:
            for message in function(task):
                connection.send(message)
            connection.send(Finished())
        except BrokenPipeError:
            return  # the parent is gone
