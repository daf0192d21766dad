"""One function over many tasks: in this process, in worker processes of this machine, or on a dask cluster.

A task may run more than once, and twice at a time: its worker died, or was thought to have. So a task must give its
output its name in one step (files.py), and keep output that is complete. Then a lost worker loses nothing.
"""

from __future__ import annotations

import functools
import itertools
import logging
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Generic, NamedTuple, Protocol, TypeVar
from uuid import uuid4

from atvio_ros import __version__
from atvio_ros.errors import AtvioError, FleetError

T = TypeVar('T')
R = TypeVar('R')

_CONNECTING_S = 15
_WITHOUT_WORKERS_S = 60.0  # a local worker that died is back after two seconds
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
    calls = _calls_here(function, tasks, viewer) if fleet.is_here else _calls_of_workers(function, tasks, fleet)
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


class _Call(NamedTuple):
    """How the call for one task ended."""

    result: Any = None
    error: AtvioError | None = None
    notes: tuple[str, ...] = ()


class _Notes(Silent):
    """The viewer in a worker."""

    def __init__(self) -> None:
        self.kept: list[str] = []

    def note(self, task: str, text: str) -> None:
        self.kept.append(text)


def _calls_here(
    function: Callable[[T, Watch], R], tasks: Mapping[str, T], viewer: Viewer
) -> Iterator[tuple[str, _Call]]:
    for name, task in tasks.items():
        try:
            call = _Call(function(task, Watch(name, viewer)))
        except AtvioError as error:
            call = _Call(error=error)
        yield name, call


def _calls_of_workers(
    function: Callable[[T, Watch], R], tasks: Mapping[str, T], fleet: Fleet
) -> Iterator[tuple[str, _Call]]:
    """In the order in which they end."""
    from distributed import CancelledError, Future, KilledWorker

    bug: BaseException | None = None
    waiting = iter(tasks.items())
    running: dict[str, Future[Any]] = {}
    ended: SimpleQueue[str] = SimpleQueue()
    with _client(fleet, len(tasks)) as client:
        run = uuid4().hex
        work = functools.partial(_in_worker, function, __version__)
        try:
            while True:
                # No more than there are workers: those that wait for one would be blamed for its death, too.
                for name, task in itertools.islice(waiting, max(1, _threads(client)) - len(running)):
                    running[name] = client.submit(work, name, task, key=(f'atvio-{run}', name), pure=False)
                    running[name].add_done_callback(functools.partial(_put, ended, name))
                if not running:
                    break
                name = _next(ended, client)
                future = running.pop(name)
                error = future.exception() if future.status == 'error' else None
                if isinstance(error, KilledWorker):
                    yield name, _Call(error=FleetError(_KILLED))
                elif error is not None and _lacks_us(error):
                    raise FleetError(f'A worker cannot import atvio_ros ({error}). Install it on each machine.')
                elif error is not None:
                    bug = bug or error
                    yield name, _Call(error=FleetError(f'{type(error).__name__}: {error}. Report this.'))
                elif future.status == 'finished':
                    yield name, future.result()
                else:
                    raise FleetError(_LOST)
        except CancelledError as error:
            raise FleetError(_LOST) from error
        finally:
            client.cancel(list(running.values()), force=True)
    if bug is not None:
        raise bug


_KILLED = (
    'the worker process that ran it died, and so did those that tried again. The memory may be too small for so many: '
    'start fewer --workers, or run it alone.'
)
_LOST = 'The scheduler was lost. Start it again, and run the command again: what is done is kept.'


def _in_worker(function: Callable[[T, Watch], R], version: str, name: str, task: T) -> _Call:
    from distributed import get_worker

    notes = _Notes()
    try:
        if version != __version__:
            raise FleetError(f'A worker has atvio_ros {__version__}, not {version}. Install one version everywhere.')
        if get_worker().state.nthreads != 1:
            raise FleetError('A worker must run one task at a time. Start it with `dask worker --nthreads 1`.')
        return _Call(function(task, Watch(name, notes)), None, tuple(notes.kept))
    except AtvioError as error:
        return _Call(None, error, tuple(notes.kept))


@contextmanager
def _client(fleet: Fleet, tasks: int) -> Iterator[Any]:
    """A client of the scheduler, or of worker processes that end with the block, and with this process."""
    import cryptography  # noqa: F401 (LocalCluster needs it for its keys, and would name it in other words)
    import dask
    from distributed import Client, LocalCluster

    for logger in ('distributed', 'distributed.client'):  # tracebacks of what is one line here
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    if fleet.scheduler:
        try:
            client = Client(fleet.scheduler, timeout=_CONNECTING_S)
        except (OSError, ValueError) as error:
            raise FleetError(
                f'No scheduler answers at {fleet.scheduler}: {error}. Start one with `dask scheduler`, or check '
                '--scheduler.'
            ) from error
        with client:
            yield client
        return
    with (
        dask.config.set({'distributed.worker.daemon': False}),  # a training run has processes that read data
        LocalCluster(
            n_workers=min(fleet.workers, tasks),
            threads_per_worker=1,
            memory_limit=None,  # mapped files would count
            dashboard_address=None,
            security=True,  # keys of this run: else every user of the machine could run code as this one
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        client.register_worker_callbacks(_ignore_interrupts)
        yield client


def _ignore_interrupts() -> None:
    """Ctrl-C reaches all processes of a terminal; this one then ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _put(ended: SimpleQueue[str], name: str, future: Any) -> None:
    ended.put(name)


def _threads(client: Any) -> int:
    """How many tasks the workers that are there now can run at a time. Raises FleetError."""
    try:
        return sum(client.nthreads().values())
    except OSError as error:
        raise FleetError(_LOST) from error


def _next(ended: SimpleQueue[str], client: Any) -> str:
    """The next task that has ended. Raises FleetError where there are no workers for a minute, or no scheduler."""
    alone_since = None
    while True:
        try:
            return ended.get(timeout=2.0)
        except Empty:
            pass
        now = time.monotonic()
        alone_since = None if _threads(client) else alone_since or now
        if alone_since and now - alone_since > _WITHOUT_WORKERS_S:
            raise FleetError(
                f'No worker for {_WITHOUT_WORKERS_S:.0f} s. Start some with `dask worker ADDRESS --nthreads 1`.'
            )


def _lacks_us(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and (error.name or '').partition('.')[0] == 'atvio_ros':
            return True
        error = error.__cause__
    return False
