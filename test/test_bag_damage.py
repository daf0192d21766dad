"""Whatever a file holds that is given as a bag, the reader says what is wrong in one line and nothing else escapes."""

from __future__ import annotations

import importlib
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples.bags import drive_messages, read_all, write_drive, write_rosbag1, write_rosbag2

from atvio_ros.bags.limits import limit_rosbags
from atvio_ros.bags.reader import BagReader
from atvio_ros.errors import BagError


@pytest.mark.parametrize('name', ['bag', 'bag.bag', 'bag.mcap', 'bag.db3', 'bag.txt'])
@pytest.mark.parametrize('content', [b'', b'Just some text.\n', bytes(range(256)) * 8])
def test_a_file_that_is_no_bag_is_refused_in_one_line(name, content, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BagError, match=r'cannot be read as a bag') as caught:
        read_all(path)
    assert '\n' not in str(caught.value)


def test_a_bag_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(BagError, match=r'There is no bag .*nothing'):
        read_all(tmp_path / 'nothing')


def test_a_folder_without_metadata_is_told_how_to_get_it(tmp_path):
    with pytest.raises(BagError, match=r'without metadata\.yaml.*ros2 bag reindex'):
        read_all(tmp_path)


@pytest.mark.parametrize('text', ['', 'x', '- 1', 'rosbag2_bagfile_information: {version: 99}', 'a: [', '\x00'])
def test_broken_metadata_is_a_bag_error(text, tmp_path):
    path = write_drive(tmp_path / 'drive')
    (path / 'metadata.yaml').write_text(text)
    with pytest.raises(BagError):
        read_all(path)


def test_a_missing_storage_file_is_a_bag_error(tmp_path):
    path = write_drive(tmp_path / 'drive')
    (path / 'drive.mcap').unlink()
    with pytest.raises(BagError, match=r'missing'):
        read_all(path)


@pytest.mark.parametrize('form', ['mcap', 'sqlite3', 'ros1', 'bare mcap'])
@pytest.mark.parametrize('share', [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_bag_is_a_bag_error(form, share, tmp_path):
    path, storage = write_form(form, tmp_path)
    content = storage.read_bytes()
    storage.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BagError):
        read_all(path)


def test_a_bag_with_fewer_messages_than_its_index_promises_is_an_error(tmp_path):
    path = write_rosbag2(tmp_path / 'drive', drive_messages())
    metadata = path / 'metadata.yaml'
    text = metadata.read_text()
    assert 'message_count: 9\n' in text
    metadata.write_text(text.replace('message_count: 9\n', 'message_count: 10\n'))
    with pytest.raises(BagError, match=r'lists 10 messages on /imu but holds 9'):
        read_all(path)


@pytest.fixture(scope='module')
def sound_bags(tmp_path_factory) -> dict[str, tuple[Path, Path]]:
    return {form: write_form(form, tmp_path_factory.mktemp('sound')) for form in ('mcap', 'sqlite3', 'ros1')}


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.parametrize('form', ['mcap', 'sqlite3', 'ros1'])
def test_flipped_bytes_raise_nothing_but_our_errors(form, sound_bags, tmp_path, data):
    path, storage = sound_bags[form]
    content = bytearray(storage.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged = tmp_path / path.name
    if path.is_dir():
        shutil.copytree(path, damaged, dirs_exist_ok=True)
        (damaged / storage.name).write_bytes(content)
    else:
        damaged.write_bytes(content)
    with suppress(BagError):
        read_all(damaged)


@pytest.mark.parametrize(
    ('module', 'name', 'value'),
    [
        ('rosbags.rosbag2.storage_mcap', 'DECOMPRESSORS', None),
        ('rosbags.rosbag2.storage_mcap', 'DECOMPRESSORS', {'': bytes, 'zstd': bytes}),
        ('rosbags.rosbag2.storage_mcap', 'McapReader', None),
        ('rosbags.rosbag2.reader', 'DirectoryReader', None),
        ('rosbags.rosbag1.reader', 'decompressors', {'none': bytes}),
    ],
)
def test_a_rosbags_that_has_changed_is_refused_with_the_version_to_install(module, name, value):
    def load(wanted: str) -> SimpleNamespace:
        names = dict(vars(importlib.import_module(wanted)))
        if wanted == module:
            names |= {name: value}
            if value is None:
                del names[name]
        return SimpleNamespace(**names)

    with pytest.raises(BagError, match=rf'{module}\.{name}.*pip install "rosbags>=0\.11,<0\.12"') as caught:
        limit_rosbags(load)
    assert '\n' not in str(caught.value)


def test_a_rosbags_without_a_module_is_refused_too(tmp_path, monkeypatch):
    path = write_drive(tmp_path / 'drive')
    monkeypatch.setitem(sys.modules, 'rosbags.rosbag1.reader', None)
    with pytest.raises(BagError, match=r'rosbags 0\.11\.\d+ has changed rosbags\.rosbag1\.reader\.decompressors'):
        BagReader(path)


def write_form(form: str, folder: Path) -> tuple[Path, Path]:
    """(bag, file with its messages) of a tiny drive."""
    if form == 'ros1':
        path = write_rosbag1(folder / 'drive.bag', drive_messages())
        return path, path
    if form == 'sqlite3':
        path = write_rosbag2(folder / 'drive', drive_messages())
        return path, path / 'drive.db3'
    path = write_drive(folder / 'drive')
    storage = path / 'drive.mcap'
    return (storage if form == 'bare mcap' else path), storage
