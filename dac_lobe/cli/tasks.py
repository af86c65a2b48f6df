"""Work on many files: which there are, where each goes, several at once.

Authors
 * The dac-lobe developers 2026
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import Event
from typing import NamedTuple

from dac_lobe.disk.suffixes import AUDIO_SUFFIXES, PACKED_SUFFIXES, visible_files

__all__ = [
    "Outcome",
    "Plan",
    "Task",
    "plan",
    "run",
]


class Task(NamedTuple):
    """One file to make of another.

    Attributes
    ----------
    source : Path
        What to read.
    output : Path
        What to write.
    problem : str
        Why this cannot be done; empty if it can.
    """

    source: Path
    output: Path
    problem: str = ""


class Plan(NamedTuple):
    """What to make of files and folders.

    Attributes
    ----------
    tasks : list of Task
        One per file found, in the order of their names.
    others : list of Path
        The visible files of the folders that are left out.
    """

    tasks: list[Task]
    others: list[Path]


class Outcome(NamedTuple):
    """What became of a task.

    Attributes
    ----------
    task : Task
        The task.
    status : str
        'done', 'skipped' or 'failed'.
    reason : str
        Why it failed.
    """

    task: Task
    status: str
    reason: str = ""


def plan(
    inputs: Iterable[Path],
    output: Path | None,
    suffixes: Collection[str],
    new_suffix: str,
) -> Plan:
    """Say what to make of files and folders, keeping the trees of the folders.

    Arguments
    ---------
    inputs : iterable of Path
        Files, and folders to be searched with all that is below them.
    output : Path, optional
        A file for a single file, a folder for anything else, or if it has no
        ending; beside the inputs by default.
    suffixes : collection of str
        What to look for in folders. Hidden files are left alone.
    new_suffix : str
        Ending of what is made.

    Returns
    -------
    Plan

    Raises
    ------
    FileNotFoundError
        If an input does not exist.
    ValueError
        If several files are to go into one, or into a folder named like a file.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     (Path(folder) / "day" / "one").mkdir(parents=True)
    ...     (Path(folder) / "day" / "one" / "a.wav").touch()
    ...     task = plan([Path(folder)], Path("out"), AUDIO_SUFFIXES, ".dac").tasks[0]
    >>> task.output.as_posix()
    'out/day/one/a.dac'
    """
    inputs = list(inputs)
    to_folder = len(inputs) != 1 or inputs[0].is_dir()
    if output is not None and not to_folder:
        to_folder = output.is_dir() or not output.suffix
    if output is not None and to_folder and not output.is_dir():
        files = AUDIO_SUFFIXES | PACKED_SUFFIXES
        if output.exists() or output.suffix.lower() in files:
            raise ValueError(
                f"{output} is the name of a file, where a folder is needed. Several "
                "files, those of a folder, and one where -o has no ending go into a "
                "folder."
            )
    tasks, others = [], []
    for given in inputs:
        if not given.exists():
            raise FileNotFoundError(f"{given} does not exist.")
        folder = given.is_dir()
        base = given if folder else given.parent
        for source in visible_files(given) if folder else [given]:
            if folder and source.suffix.lower() not in suffixes:
                others.append(source)
                continue
            if output is None:
                target = source.with_suffix(new_suffix)
            elif to_folder:
                target = (output / source.relative_to(base)).with_suffix(new_suffix)
            else:
                target = output
            tasks.append(Task(source, target))
    return Plan(list(_without_clashes(tasks)), others)


def _without_clashes(tasks: Iterable[Task]) -> Iterator[Task]:
    """Mark the tasks that would overwrite an input, or what another task makes.

    A file that is named twice, or by itself and by its folder, is one task. Different
    ways to write one path, and a folder and a link to it, are the same place.
    """
    taken: dict[Path, Path] = {}
    for task in tasks:
        place = task.output.parent.resolve() / task.output.name
        if task.output.resolve() == task.source.resolve():
            problem = (
                f"{task.source}: the output would replace the input. `encode` takes "
                "audio and `decode` .dac files; choose another output with -o."
            )
            yield task._replace(problem=problem)
        elif place not in taken:
            taken[place] = task.source
            yield task
        elif taken[place].resolve() != task.source.resolve():
            first = taken[place]
            yield task._replace(problem=f"{first} becomes {task.output} already.")


def run(
    tasks: Sequence[Task],
    work: Callable[[Task], bool],
    stop: Event | None = None,
    *,
    workers: int = 1,
    ahead: int = 0,
    failures: tuple[type[Exception], ...] = (ValueError, OSError, MemoryError),
) -> Iterator[Outcome]:
    """Do the tasks, several at once; one that fails does not stop the others.

    Arguments
    ---------
    tasks : sequence of Task
        What to do.
    work : callable
        Does one task, in a thread; returns whether there was anything to do.
    stop : threading.Event, optional
        Set when the run ends early; ``work`` looks at it now and then.
    workers : int
        Threads.
    ahead : int
        More of them, which read and write while the others compute.
    failures : tuple of exception types
        What counts as the failure of one task. Anything else ends the run.

    Yields
    ------
    Outcome
        As they are finished.

    Example
    -------
    >>> tasks = [Task(Path("a.wav"), Path("a.dac")), Task(Path("b.wav"), Path("b.dac"))]
    >>> sorted(outcome.status for outcome in run(tasks, lambda task: True, workers=2))
    ['done', 'done']
    """

    def attempt(task: Task) -> Outcome:
        if task.problem:
            return Outcome(task, "failed", task.problem)
        try:
            return Outcome(task, "done" if work(task) else "skipped")
        except failures as error:
            reason = " ".join(str(error).split())
            if isinstance(error, MemoryError):
                reason = f"{task.source}: out of memory. {reason}".rstrip()
            nameless = isinstance(error, OSError) and error.filename is None
            if nameless and getattr(error, "errno", None) is not None:
                reason = f"{task.output}: {reason}"  # a full disk names no file
            return Outcome(task, "failed", reason)

    threads = min(workers + ahead, len(tasks))
    if threads <= 1:
        yield from map(attempt, tasks)
        return
    with ThreadPoolExecutor(threads) as pool:
        try:
            for future in as_completed([pool.submit(attempt, task) for task in tasks]):
                yield future.result()
        finally:
            # Whoever stops asking, or presses Ctrl-C, wants no task begun after it,
            # and those that have begun to end.
            if stop is not None:
                stop.set()
            pool.shutdown(cancel_futures=True)
