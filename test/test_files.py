"""A program killed at any moment leaves the old file or folder or the new one, and the next one clears up after it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from samples.prepared import write_prepared

from atvio_ros import files
from atvio_ros.drives.sequence_store import find_sequences
from atvio_ros.errors import DatasetError, FileError
from atvio_ros.files import Draft, moved_aside, replacing, write_text

# Writes a file or folder in forked processes; the n-th is killed before its n-th step that concerns the file system.
KILLED_AT_EVERY_STEP = """
import itertools, os, signal, sys
from pathlib import Path
from atvio_ros import files

kind, place = sys.argv[1], Path(sys.argv[2])
if kind == 'folder without exchange':
    files._exchange = lambda one, other: False

def write(place, text):
    target = place / 'target'
    if kind == 'file':
        files.write_text(target, text)
    else:
        with files.Draft(target) as draft:
            draft.path.mkdir()
            for name in 'ab':
                (draft.path / name).write_text(text)
            draft.publish()

def kill_at(number):
    steps = itertools.count()
    def watch(event, arguments):
        concerned = event.startswith(('os.', 'shutil.', 'open')) and str(place) in str(arguments)
        if concerned and next(steps) == number:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(watch)

for number in itertools.count():
    here = place / str(number)
    here.mkdir()
    write(here, 'old' * 1000)
    if (child := os.fork()) == 0:
        kill_at(number)
        write(here, 'new' * 1000)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
"""


def content(target: Path) -> set[str]:
    """First letters of what a target holds, which must be whole."""
    parts = [target / 'a', target / 'b'] if target.is_dir() else [target]
    texts = {part.read_text() for part in parts}
    assert all(len(text) == 3000 for text in texts)
    return {text[:3] for text in texts}


def write_folder(target: Path, text: str) -> None:
    with Draft(target) as draft:
        draft.path.mkdir()
        for name in 'ab':
            (draft.path / name).write_text(text)
        draft.publish()


@pytest.mark.parametrize('kind', ['file', 'folder', 'folder without exchange'])
def test_a_kill_at_any_step_leaves_old_or_new_and_no_litter_after_the_next_writing(kind, tmp_path):
    subprocess.run([sys.executable, '-c', KILLED_AT_EVERY_STEP, kind, str(tmp_path)], check=True)
    places = sorted(tmp_path.iterdir(), key=lambda place: int(place.name))
    assert len(places) > 10
    found = []
    for place in places:
        target = place / 'target'
        if not target.exists():  # between two renames; a reader is told, and the next writer puts it back
            assert kind == 'folder without exchange'
            assert moved_aside(place) == [target]
            with Draft(target):
                pass
        assert moved_aside(place) == []
        (which,) = content(target)
        found.append(which)
        if kind == 'file':
            write_text(target, 'end' * 1000)
        else:
            write_folder(target, 'end' * 1000)
        assert content(target) == {'end'}
        assert [path.name for path in place.iterdir()] == ['target']
    assert found == sorted(found, reverse=True)  # old up to some step, new from there on
    assert {found[0], found[-1]} == {'old', 'new'}


@pytest.mark.parametrize('step', ['_sync', '_replace_folder', '_exchange'])
def test_a_failure_between_steps_leaves_the_old_folder_and_nothing_else(step, tmp_path, monkeypatch):
    def fails(*_: object) -> None:
        raise OSError(28, 'No space left on device')

    write_folder(tmp_path / 'target', 'old' * 1000)
    monkeypatch.setattr(files, step, fails)
    with pytest.raises(FileError, match='target cannot be written: No space left on device'):
        write_folder(tmp_path / 'target', 'new' * 1000)
    assert content(tmp_path / 'target') == {'old'}
    assert [path.name for path in tmp_path.iterdir()] == ['target']


def test_a_draft_that_is_not_published_changes_nothing(tmp_path):
    write_folder(tmp_path / 'target', 'old' * 1000)
    with Draft(tmp_path / 'target') as draft:
        draft.path.mkdir()
    assert content(tmp_path / 'target') == {'old'}
    assert [path.name for path in tmp_path.iterdir()] == ['target']


def test_the_draft_of_a_writer_that_lives_is_left_alone(tmp_path):
    with Draft(tmp_path / 'target') as first:
        write_text(tmp_path / 'target', 'second')
        first.path.write_text('first')
        first.publish()
    assert (tmp_path / 'target').read_text() == 'first'
    assert [path.name for path in tmp_path.iterdir()] == ['target']


def test_hidden_files_of_others_are_left_alone(tmp_path):
    names = ['.target', '.target.conf', '.target.old', '.target.settings', '.targets.abcd1234.partial', 'x.partial']
    for name in names:
        (tmp_path / name).mkdir()
    (tmp_path / '.target.abcd1234.partial').touch()  # not a folder, so not of ours
    write_text(tmp_path / 'target', '')
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names, '.target.abcd1234.partial', 'target'])


def test_a_new_file_is_readable_by_all_however_it_was_written(tmp_path):
    with replacing(tmp_path / 'target') as temporary:
        os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY, 0o600))
    assert (tmp_path / 'target').stat().st_mode & 0o777 == 0o644


def test_nothing_is_written_over_something_of_another_kind(tmp_path):
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'file').write_text('precious')
    os.mkfifo(tmp_path / 'pipe')
    for name in ('folder', 'pipe'):
        with pytest.raises(FileError, match=f'{name} is not a regular file'):
            write_text(tmp_path / name, '')
    with pytest.raises(FileError, match='file is not a folder'):
        write_folder(tmp_path / 'file', '')
    assert (tmp_path / 'file').read_text() == 'precious'
    assert sorted(path.name for path in tmp_path.iterdir()) == ['file', 'folder', 'pipe']


def test_a_target_that_must_be_new_is_not_replaced(tmp_path):
    def write_new() -> None:
        with Draft(tmp_path / 'target') as draft:
            draft.path.mkdir()
            draft.publish(replace=False)

    write_new()
    (tmp_path / 'target' / 'precious').touch()
    with pytest.raises(FileError, match='target exists already'):
        write_new()
    assert (tmp_path / 'target' / 'precious').exists()


def test_a_sequence_that_was_moved_aside_is_missed_until_it_is_put_back(tmp_path):
    for name in ('first', 'second'):
        write_prepared(tmp_path / name)
    (tmp_path / 'first').rename(tmp_path / '.first.moved-aside')  # as a kill between two renames leaves it
    with pytest.raises(DatasetError, match=r'first was being replaced .* Prepare it again'):
        find_sequences(tmp_path)
    write_prepared(tmp_path / 'first')
    assert find_sequences(tmp_path) == [tmp_path / 'first', tmp_path / 'second']
    assert len(list(tmp_path.iterdir())) == 2
