"""Tasks on many workers: the result is that of one process, whatever happens to a worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from samples.bags import FRAMES, write_drive
from samples.command_line import COMMAND, call, complaint
from samples.drives import tiny_drive

from atvio_ros import fleet_workers
from atvio_ros.drives.prepare import prepare
from atvio_ros.drives.sequence_store import SequenceMeta
from atvio_ros.errors import BagError, FleetError
from atvio_ros.fleet import Fleet, Silent, Watch, run_tasks
from atvio_ros.rendering.training_set import Job, SetSettings, plan_set, render

needs_dask = pytest.mark.skipif(
    not pytest.importorskip('importlib.util').find_spec('distributed'), reason='needs pip install atvio_ros[fleet]'
)
ONE, TWO = Fleet(workers=1), Fleet(workers=2)
DEADLY = 13


class Noted(Silent):
    """Keeps what tasks say."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.ended: list[str] = []

    def note(self, task: str, text: str) -> None:
        self.lines.append(f'{task}: {text}')

    def end(self, task: str) -> None:
        self.ended.append(task)


@dataclass(frozen=True)
class Preparation:
    """A drive to prepare; whoever first comes half way, of all that have the same `mark`, is killed there."""

    folder: Path
    seed: int
    mark: Path | None = None


def prepare_it(task: Preparation, watch: Watch) -> int:
    rng = np.random.default_rng(task.seed)
    drive = tiny_drive(pictures=tuple(rng.integers(0, 255, (12, 16), dtype=np.uint8) for _ in range(FRAMES)))
    done = 0

    def on_progress() -> None:
        nonlocal done
        done += 1
        if task.mark is not None and done == FRAMES // 2 + 1 and claimed(task.mark):
            os.kill(os.getpid(), signal.SIGKILL)

    return len(prepare(drive, task.folder, SequenceMeta(), on_progress=on_progress))


def claimed(mark: Path) -> bool:
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def divide(task: int, watch: Watch) -> float:
    if task == DEADLY:
        os.kill(os.getpid(), signal.SIGKILL)
    if task == 0:
        raise BagError('Nothing is divided by 0. Give another number.')
    watch.note(f'divided by {task}')
    return 1.0 / task


def draw(task: tuple[Job, Path, SetSettings], watch: Watch) -> int:
    return render(*task)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones, too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


@needs_dask
def test_a_worker_that_is_killed_half_way_loses_nothing(tmp_path, monkeypatch):
    """... nor do others that are lost, and two workers with the same task do not spoil each other's output."""
    seen = iter([3, 0])  # workers, one of them then gone for good, the others for a while
    monkeypatch.setattr(fleet_workers, '_threads', lambda client: next(seen, 2))
    alone, many, mark = tmp_path / 'alone', tmp_path / 'many', tmp_path / 'killed'
    run_tasks(prepare_it, {str(seed): Preparation(alone / str(seed), seed) for seed in range(4)}, Fleet(), Silent())
    tasks = {str(seed): Preparation(many / str(seed), seed, mark) for seed in range(4)}
    done = run_tasks(prepare_it, {**tasks, 'again': tasks['0']}, TWO, Silent())
    assert mark.exists()
    assert not done.failed
    assert list(done.results) == ['0', '1', '2', '3', 'again']
    assert contents(many) == contents(alone)
    assert len(contents(alone)) == 4 * 6


def test_what_fails_is_reported_by_name_and_the_others_are_done():
    noted = Noted()
    done = run_tasks(divide, {'one': 1, 'none': 0, 'two': 2}, Fleet(), noted)
    assert done.results == {'one': 1.0, 'two': 0.5}
    assert noted.ended == ['one', 'none', 'two']
    assert 'none: failed: Nothing is divided by 0. Give another number.' in noted.lines
    with pytest.raises(FleetError, match=r'1 of 3 failed: none; .* run the command again'):
        done.check()
    with pytest.raises(BagError, match='divided by 0'):  # of an only task the error itself
        run_tasks(divide, {'none': 0}, Fleet(), Silent()).check()


@needs_dask
def test_workers_report_what_fails_what_kills_them_and_mistakes_in_the_code():
    import dask

    noted = Noted()
    tasks = {'one': 1, 'none': 0, 'deadly': DEADLY, 'wrong': 'a word', 'two': 2}
    with dask.config.set({'distributed.scheduler.allowed-failures': 0}), pytest.raises(TypeError):
        run_tasks(divide, tasks, ONE, noted)
    assert sorted(noted.ended) == sorted(tasks)
    assert {'one: divided by 1', 'two: divided by 2'} <= set(noted.lines)
    (deadly,) = (line for line in noted.lines if line.startswith('deadly'))
    assert 'process that ran it died' in deadly


@needs_dask
def test_prepare_writes_with_workers_what_it_writes_without(tmp_path, capsys):
    bags = [write_drive(tmp_path / name) for name in ('one', 'two')]
    (tmp_path / 'broken').mkdir()
    assert call('prepare', *bags, '--out', tmp_path / 'alone', '--json') == 0
    alone = json.loads(capsys.readouterr().out)
    assert call('prepare', *bags, tmp_path / 'broken', '--out', tmp_path / 'many', '--workers', '1') == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith('broken: failed: ')]
    assert lines[-1].startswith('atvio prepare: 1 of 3 failed: broken;')
    assert contents(tmp_path / 'many') == contents(tmp_path / 'alone')
    assert call('prepare', *bags, '--out', tmp_path / 'many', '--json') == 0
    again = capsys.readouterr()
    assert again.err.count('prepared already') == 2
    assert json.loads(again.out)['sequences'] == alone['sequences']


@needs_dask
def test_a_worker_renders_what_this_process_renders(tmp_path):
    settings = SetSettings(drives=1, validation_drives=0, drive_length=30.0, width=64, height=32, supersampling=1.0)
    (job,) = plan_set(settings, None, {}, {})
    for fleet, out in ((Fleet(), tmp_path / 'alone'), (ONE, tmp_path / 'many')):
        run_tasks(draw, {job.name: (job, out, settings)}, fleet, Silent()).check()
    assert contents(tmp_path / 'many') == contents(tmp_path / 'alone')


def test_where_tasks_run_must_be_clear(tmp_path, capsys):
    words = ['prepare', tmp_path / 'bag', '--out', tmp_path / 'data']
    both = ['--workers', '2', '--scheduler', 'tcp://localhost:1']
    assert 'Give one of them' in complaint(capsys, *words, *both)
    assert 'tcp://HOST:PORT' in complaint(capsys, *words, '--scheduler', 'localhost')
    assert 'at least 1' in complaint(capsys, 'synthesize-set', '--out', tmp_path, '--processes', '0')  # its old name


def test_dask_is_asked_for_by_name(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'distributed', None)
    bag = write_drive(tmp_path / 'bag')
    assert call('prepare', bag, '--out', tmp_path / 'one') == 0  # which needs none
    capsys.readouterr()
    line = complaint(capsys, 'prepare', bag, '--out', tmp_path / 'two', '--workers', '1')
    assert 'pip install "distributed' in line


@needs_dask
def test_a_scheduler_that_does_not_answer_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr('atvio_ros.fleet_workers._CONNECTING_S', 0.2)
    with pytest.raises(FleetError, match='No scheduler answers'):
        run_tasks(divide, {'one': 1}, Fleet(scheduler='tcp://127.0.0.1:9'), Silent())


@needs_dask
def test_ctrl_c_ends_all_processes_with_one_line(tmp_path):
    words = ['synthesize-set', '--drives', '1', '--length', '2000', '--out', str(tmp_path), '--workers', '1']
    with subprocess.Popen(
        [*COMMAND, *words], stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=_with_interrupts
    ) as process:
        until = time.monotonic() + 60.0
        while len(list(tmp_path.glob('.*.partial'))) < 1 and time.monotonic() < until:
            assert process.poll() is None
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)  # as the terminal does
        _, errors = process.communicate(timeout=60.0)
    assert (process.returncode, errors) == (130, 'atvio synthesize-set: interrupted\n')
    while time.monotonic() < until:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail('processes are left')


def _with_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs the tests may ignore them
