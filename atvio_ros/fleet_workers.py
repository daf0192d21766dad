"""Tasks on dask.distributed: what fleet.py does with --workers and --scheduler."""

from __future__ import annotations

import functools
import itertools
import logging
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any, TypeVar
from uuid import uuid4

from atvio_ros import __version__
from atvio_ros.errors import AtvioError, FleetError
from atvio_ros.fleet import Call, Fleet, Notes, Watch

T = TypeVar('T')
R = TypeVar('R')

_CONNECTING_S = 15
_WITHOUT_WORKERS_S = 60.0  # a local worker that died is back after two seconds


def calls_of_workers(
    function: Callable[[T, Watch], R], tasks: Mapping[str, T], fleet: Fleet
) -> Iterator[tuple[str, Call]]:
    """Call the function in workers; how the calls end, in the order in which they do. Raises FleetError."""
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
                for name, task in itertools.islice(waiting, _room(client, len(running))):
                    running[name] = client.submit(work, name, task, key=(f'atvio-{run}', name), pure=False)
                    running[name].add_done_callback(functools.partial(_put, ended, name))
                if not running:
                    break
                name = _next(ended, client)
                future = running.pop(name)
                error = future.exception() if future.status == 'error' else None
                if isinstance(error, KilledWorker):
                    yield name, Call(error=FleetError(_KILLED))
                elif error is not None and _lacks_us(error):
                    raise FleetError(f'A worker cannot import atvio_ros ({error}). Install it on each machine.')
                elif error is not None:
                    bug = bug or error
                    yield name, Call(error=FleetError(f'{type(error).__name__}: {error}. Report this.'))
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


def _in_worker(function: Callable[[T, Watch], R], version: str, name: str, task: T) -> Call:
    from distributed import get_worker

    notes = Notes()
    try:
        if version != __version__:
            raise FleetError(f'A worker has atvio_ros {__version__}, not {version}. Install one version everywhere.')
        if get_worker().state.nthreads != 1:
            raise FleetError('A worker must run one task at a time. Start it with `dask worker --nthreads 1`.')
        return Call(function(task, Watch(name, notes)), None, tuple(notes.kept))
    except AtvioError as error:
        return Call(None, error, tuple(notes.kept))


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


def _room(client: Any, running: int) -> int:
    """How many tasks more to hand out; one waits where there is no worker yet."""
    return max(0, max(1, _threads(client)) - running)


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
