"""What commands for a fleet share: where tasks run and data lie, and how that is shown."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from atvio_ros.cli import common

if TYPE_CHECKING:
    from rich.progress import TaskID

    from atvio_ros.fleet import Fleet


def add_fleet_options(parser: argparse.ArgumentParser) -> None:
    """--workers and --scheduler."""
    group = parser.add_argument_group('many machines', 'docs/scale.md; what is complete already is not done again.')
    group.add_argument(
        '--workers', type=int, metavar='N', help='processes on this machine (default: this one does it all)'
    )
    group.add_argument('--scheduler', metavar='ADDRESS', help='of a dask cluster instead, as tcp://HOST:PORT')


def place(text: str) -> Path | str:
    """A folder that may be a URL, such as s3://bucket/data."""
    from atvio_ros.drives import remote

    return remote.place(text)


def add_cache_options(parser: argparse.ArgumentParser) -> None:
    """--cache and --cache-gb."""
    group = parser.add_argument_group('data at a URL', 'They are fetched into a folder of this machine: docs/scale.md.')
    group.add_argument('--cache', type=Path, metavar='DIR', help='it (default: $ATVIO_CACHE, ~/.cache/atvio_ros)')
    group.add_argument(
        '--cache-gb', type=float, metavar='GB', help='how much it may hold (default: $ATVIO_CACHE_GB, 50)'
    )


def use_cache(arguments: argparse.Namespace) -> None:
    """Hand what add_cache_options parsed to this process and those that it starts. Raises SettingsError."""
    import os

    from atvio_ros.drives.cache import FOLDER, LIMIT, limit_bytes

    if arguments.cache is not None:
        os.environ[FOLDER] = str(arguments.cache.absolute())
    if arguments.cache_gb is not None:
        os.environ[LIMIT] = str(arguments.cache_gb)
    limit_bytes()


def chosen_fleet(arguments: argparse.Namespace) -> Fleet:
    """What add_fleet_options parsed. Raises SettingsError."""
    from atvio_ros.errors import SettingsError
    from atvio_ros.fleet import Fleet

    workers, scheduler = arguments.workers, arguments.scheduler
    if workers is not None and scheduler is not None:
        raise SettingsError('--workers are of this machine, --scheduler is of a cluster. Give one of them.')
    if workers is not None and workers < 1:
        raise SettingsError(f'--workers must be at least 1, not {workers}.')
    if scheduler is not None and not re.fullmatch(r'\w+://[^/\s]+:\d+', scheduler):
        raise SettingsError(f'--scheduler must be an address as tcp://HOST:PORT, not {scheduler!r}.')
    return Fleet(workers or 0, scheduler or '')


def for_workers(arguments: argparse.Namespace, fleet: Fleet) -> argparse.Namespace:
    """The arguments as a task takes them along: without the parser, for a cluster with paths from the root on."""
    values = {name: value for name, value in vars(arguments).items() if name not in ('run', 'parser')}
    if fleet.scheduler:  # its workers may stand in other folders
        values = {name: _from_root(value) for name, value in values.items()}
    return argparse.Namespace(**values)


def _from_root(value: object) -> object:
    if isinstance(value, list):
        return [_from_root(each) for each in value]
    return value.absolute() if isinstance(value, Path) else value


class Bars:
    """Context manager that shows tasks (fleet.Viewer): one bar for all where there are several, and one for the steps
    of a task that runs in this process."""

    def __init__(self, title: str, tasks: int, unit: str, steps: str = 'images') -> None:
        self._title, self._tasks, self._unit, self._steps = title, tasks, unit, steps
        self._progress = common.progress_bar()
        self._bars: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        self._progress.__enter__()
        if self._tasks > 1:
            self._all = self._progress.add_task(self._title, total=self._tasks, unit=self._unit)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.__exit__(kind, value, traceback)

    def note(self, task: str, text: str) -> None:
        """A line for the user."""
        common.note_console().print(f'{task}: {text}')

    def begin(self, task: str, total: int) -> None:
        """The task has so many steps."""
        self._bars[task] = self._progress.add_task(task, total=total, unit=self._steps)

    def advance(self, task: str) -> None:
        """One of them is done."""
        self._progress.advance(self._bars[task])

    def end(self, task: str) -> None:
        """The task has ended, well or not."""
        if self._tasks > 1:
            self._progress.advance(self._all)
            if task in self._bars:
                self._progress.remove_task(self._bars.pop(task))
