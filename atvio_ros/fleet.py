"""One function over many tasks: in this process, in worker processes of this machine, or on a dask cluster.

A task may run more than once, and twice at a time: its worker died, or was thought to have. So a task must give its
output its name in one step (files.py), and keep output that is complete. Then a lost worker loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from atvio_ros.errors import AtvioError, FleetError

T = TypeVar('T')
R = TypeVar('R')

_NAMED = 5  # failed tasks in an error; all have a line of their own before it


@dataclass(frozen=True)
class Fleet:
    """Where tasks run. Without either they run in this process, one after the other, and dask is not needed."""

    workers: int = 0  # processes on this machine
    scheduler: str = ''  # address of a dask scheduler, as tcp://HOST:PORT

    @property
    def is_here(self) -> bool:
        """Whether tasks run in this process."""
        return not self.workers and not self.scheduler


class Viewer(Protocol):
    """Shows what tasks do, by their names. In workers only notes are kept, and shown when the task has ended."""

    def note(self, task: str, text: str) -> None:
        """A line for the user."""

    def begin(self, task: str, total: int) -> None:
        """The task has so many steps."""

    def advance(self, task: str) -> None:
        """One of them is done."""

    def end(self, task: str) -> None:
        """The task has ended, well or not."""


class Silent:
    """A viewer that shows nothing."""

    def note(self, task: str, text: str) -> None:
        """Nothing."""

    def begin(self, task: str, total: int) -> None:
        """Nothing."""

    def advance(self, task: str) -> None:
        """Nothing."""

    def end(self, task: str) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Watch:
    """A viewer as one task sees it."""

    task: str
    viewer: Viewer

    def note(self, text: str) -> None:
        """A line for the user."""
        self.viewer.note(self.task, text)

    def begin(self, total: int) -> None:
        """There are so many steps."""
        self.viewer.begin(self.task, total)

    def advance(self) -> None:
        """One of them is done."""
        self.viewer.advance(self.task)


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """What became of tasks, by their names, in their order."""

    results: dict[str, R]
    failed: dict[str, AtvioError]

    def check(self) -> None:
        """Raise the error of the only task as it is, FleetError with the names where some of several failed."""
        count = len(self.results) + len(self.failed)
        if count == 1 and self.failed:
            raise next(iter(self.failed.values()))
        if self.failed:
            names = list(self.failed)
            more = f' and {len(names) - _NAMED} more' if len(names) > _NAMED else ''
            raise FleetError(
                f'{len(names)} of {count} failed: {", ".join(names[:_NAMED])}{more}; the reasons are above. '
                'Correct them and run the command again: what is done is kept.'
            )


def run_tasks(function: Callable[[T, Watch], R], tasks: Mapping[str, T], fleet: Fleet, viewer: Viewer) -> Outcome[R]:
    """Call `function(task, watch)` for each task, by its name; of a task that raises AtvioError the others are done.

    With workers `function` must be one of a module, tasks and results must pickle. Any other exception of a task is
    raised: at once in this process, else when the others are done. Raises FleetError where the cluster fails.
    """
    results: dict[str, R] = {}
    failed: dict[str, AtvioError] = {}
    calls: Iterable[tuple[str, Call]]
    if fleet.is_here:
        calls = _calls_here(function, tasks, viewer)
    else:
        from atvio_ros.fleet_workers import calls_of_workers

        calls = calls_of_workers(function, tasks, fleet)
    for name, call in calls:
        for note in call.notes:
            viewer.note(name, note)
        if call.error is None:
            results[name] = call.result
        else:
            failed[name] = call.error
            if len(tasks) > 1:
                viewer.note(name, f'failed: {call.error}')
        viewer.end(name)
    return Outcome(
        {name: results[name] for name in tasks if name in results},
        {name: failed[name] for name in tasks if name in failed},
    )


class Call(NamedTuple):
    """How the call for one task ended."""

    result: Any = None
    error: AtvioError | None = None
    notes: tuple[str, ...] = ()


class Notes(Silent):
    """The viewer in a worker."""

    def __init__(self) -> None:
        self.kept: list[str] = []

    def note(self, task: str, text: str) -> None:
        self.kept.append(text)


def _calls_here(
    function: Callable[[T, Watch], R], tasks: Mapping[str, T], viewer: Viewer
) -> Iterator[tuple[str, Call]]:
    for name, task in tasks.items():
        try:
            call = Call(function(task, Watch(name, viewer)))
        except AtvioError as error:
            call = Call(error=error)
        yield name, call
