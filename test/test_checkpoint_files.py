"""Checkpoints are whole or not there, wherever temporary files go, and a damaged one is refused in one line."""

from __future__ import annotations

import os
import pickle
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from samples.command_line import call, complaint
from samples.mutation import edits, fuzz, mutated, only_our_errors
from samples.training import settings, two_sequences, write_config

from atvio_ros.errors import SettingsError
from atvio_ros.training.checkpoint_files import BEFORE, LAST, WholeCheckpoints, read_checkpoint
from atvio_ros.training.train import train

# Saves last.ckpt three times; the n-th forked process is killed before its n-th step that concerns the folder.
KILLED_AT_EVERY_STEP = """
import itertools, os, signal, sys
from pathlib import Path
import torch
from atvio_ros.training.checkpoint_files import LAST, WholeCheckpoints

def save(folder, number):
    WholeCheckpoints().save_checkpoint({'number': number, 'weights': torch.full((1000,), number)}, folder / LAST)

def kill_at(folder, number):
    steps = itertools.count()
    def watch(event, arguments):
        concerned = event.startswith(('os.', 'shutil.', 'open')) and str(folder) in str(arguments)
        if concerned and next(steps) == number:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(watch)

for number in itertools.count():
    folder = Path(sys.argv[1]) / str(number)
    folder.mkdir()
    save(folder, 1)
    save(folder, 2)
    if (child := os.fork()) == 0:
        kill_at(folder, number)
        save(folder, 3)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
"""


@pytest.fixture(scope='module')
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The config and the folder of a run of three steps. Read them only."""
    folder = tmp_path_factory.mktemp('checkpoints')
    data = two_sequences(folder / 'data')
    train(settings(data, max_steps=3), folder / 'run')
    return write_config(folder / 'tiny.yaml', data, max_steps=6), folder / 'run'


def test_a_kill_at_any_step_leaves_a_whole_checkpoint_and_the_one_before(tmp_path):
    elsewhere = '/dev/shm' if Path('/dev/shm').is_dir() else '/tmp'
    environment = {**os.environ, 'TMPDIR': elsewhere}  # another file system than that of the run
    subprocess.run([sys.executable, '-c', KILLED_AT_EVERY_STEP, str(tmp_path)], check=True, env=environment)
    places = sorted(tmp_path.iterdir(), key=lambda place: int(place.name))
    assert len(places) > 15
    found = []
    for place in places:
        last, before = (read_checkpoint(place / name) for name in (LAST, BEFORE))
        for content in (last, before):
            assert content['weights'].eq(content['number']).all()
        found.append((before['number'], last['number']))
        WholeCheckpoints().save_checkpoint({'number': 4}, place / LAST)
        assert sorted(path.name for path in place.iterdir()) == [BEFORE, LAST]  # what the killed one left is gone
    assert found == sorted(found)
    assert set(found) == {(1, 2), (2, 2), (2, 3)}


def test_a_full_disk_is_one_line_and_the_older_checkpoint_stays(run, tmp_path, capsys):
    config, _ = run
    out = tmp_path / 'run'
    assert call('train', '--config', config, '--out', out) == 0
    size, older = (out / LAST).stat().st_size, (out / LAST).read_bytes()
    capsys.readouterr()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, before[1]))  # as `ulimit -f`; Python ignores the signal
    try:
        text = config.read_text().replace('max_steps: 6', 'max_steps: 8')
        (tmp_path / 'longer.yaml').write_text(text)
        assert call('train', '--config', tmp_path / 'longer.yaml', '--out', out, '--resume') == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    line = capsys.readouterr().err.splitlines()[-1]  # what is trained on what stands before
    assert '.ckpt cannot be written: File too large' in line
    assert (out / LAST).read_bytes() == older
    assert not list(out.glob('.*'))


@pytest.mark.parametrize('damage', ['empty', 'half', 'flipped', 'text', 'folder of a model', 'a list'])
def test_a_damaged_checkpoint_is_refused_in_one_line_that_says_how_to_go_on(run, tmp_path, capsys, damage):
    config, good = run
    content = (good / LAST).read_bytes()
    out = tmp_path / 'run'
    out.mkdir()
    path = out / LAST
    flipped = bytearray(content)
    with zipfile.ZipFile(good / LAST) as archive:
        largest = max(archive.infolist(), key=lambda part: part.file_size)
    flipped[largest.header_offset + largest.file_size // 2] ^= 1
    path.write_bytes(
        {'empty': b'', 'half': content[: len(content) // 2], 'flipped': bytes(flipped), 'text': b'none'}.get(
            damage, b''
        )
    )
    if damage == 'folder of a model':
        torch.save({'state_dict': {}}, path)
    elif damage == 'a list':
        torch.save([1, 2], path)
    line = complaint(capsys, 'train', '--config', config, '--out', out, '--resume')
    assert f'{LAST} is' in line
    assert 'Start a new run in another --out' in line
    (out / BEFORE).write_bytes(content)
    if damage != 'folder of a model':
        assert f'mv {out / BEFORE} {out / LAST}' in complaint(
            capsys, 'train', '--config', config, '--out', out, '--resume'
        )
        (out / BEFORE).rename(out / LAST)
        assert call('train', '--config', config, '--out', out, '--resume') == 0


@fuzz(150)
@given(edits())
def test_a_mutated_checkpoint_is_read_or_refused(run, tmp_path, changes):
    (tmp_path / LAST).write_bytes(mutated((run[1] / LAST).read_bytes(), changes))
    only_our_errors(lambda: read_checkpoint(tmp_path / LAST))


class _RunsCode:
    def __reduce__(self):
        return os.mkdir, (self.folder,)

    def __init__(self, folder: str) -> None:
        self.folder = folder


@pytest.mark.parametrize('as_torch', [True, False])
def test_a_checkpoint_that_holds_code_is_refused_and_no_code_runs(run, tmp_path, capsys, as_torch):
    config, _ = run
    out, made = tmp_path / 'run', tmp_path / 'made by code'
    out.mkdir()
    hostile = {'state_dict': _RunsCode(str(made))}
    if as_torch:
        torch.save(hostile, out / LAST)
    else:
        (out / LAST).write_bytes(pickle.dumps(hostile))
    line = complaint(capsys, 'train', '--config', config, '--out', out, '--resume')
    assert 'is damaged, or no checkpoint' in line
    assert 'weights_only' not in line  # torch's own words advise to run it
    assert not made.exists()


def test_a_run_without_a_checkpoint_says_so(run, tmp_path):
    with pytest.raises(SettingsError, match='to go on from'):
        train(settings(run[1].parent / 'data'), tmp_path / 'run', resume=True)
