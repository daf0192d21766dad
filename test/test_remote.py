"""Prepared data at URLs: what is read is what was written, whole, and the cache keeps to its size."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
import yaml
from samples.bags import write_drive
from samples.command_line import call, complaint
from samples.plane import PlaneDrive, robot
from samples.prepared import write_prepared
from samples.stored_drives import write_stored
from samples.training import two_sequences, write_config

from atvio_ros.drives import cache
from atvio_ros.drives.remote import RemoteFolder, place, writing
from atvio_ros.drives.sequence_store import PreparedSequence, find_sequences, images_shape, read_meta
from atvio_ros.errors import DatasetError, SettingsError
from atvio_ros.network.config import variant
from atvio_ros.network.road_file import load_road
from atvio_ros.training.dataset import Window, WindowDataset, open_split
from atvio_ros.training.settings import DataSettings

fsspec = pytest.importorskip('fsspec')


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / 'cache'))
    monkeypatch.setenv(cache.LIMIT, '')  # the default


@pytest.fixture
def url():
    """An empty folder in memory."""
    storage = fsspec.filesystem('memory')
    if storage.exists('/data'):
        storage.rm('/data', recursive=True)
    return 'memory://data'


def put(url, name, **options):
    folder = RemoteFolder(f'{url}/{name}')
    with writing(folder) as path:
        write_prepared(path, **options)
    return folder


def entries(tmp_path):
    return sorted(path.name.partition('.')[0] for path in (tmp_path / 'cache').iterdir() if path.is_dir())


def test_places_are_paths_or_urls(tmp_path):
    assert place('data/mine') == place('file://data/mine') == type(tmp_path)('data/mine')
    assert place('s3://bucket/data/') == 's3://bucket/data'


def test_what_is_read_is_what_was_written(url, tmp_path):
    here = write_prepared(tmp_path / 'one', frames=20)
    put(url, 'one', frames=20)
    (folder,) = find_sequences(url)
    there = PreparedSequence(folder)
    assert there.meta == here.meta
    for name in ('images', 'image_stamps_ns', 'imu_stamps_ns', 'imu', 'camera_poses'):
        np.testing.assert_array_equal(getattr(there, name), getattr(here, name))
    assert isinstance(there.images, np.memmap)
    assert images_shape(folder) == here.images.shape


def test_what_is_not_whole_is_not_seen(url, monkeypatch):
    folder = put(url, 'one')
    uploaded = []

    def cut_off(self, local, remote, **_):
        if len(uploaded) == 3:
            raise OSError('the network is gone')
        uploaded.append(remote)

    monkeypatch.setattr(fsspec.get_filesystem_class('memory'), 'put_file', cut_off)
    with pytest.raises(DatasetError, match=r'network is gone.*Check the URL'):
        put(url, 'one', seed=1)
    assert len(uploaded) == 3
    with pytest.raises(DatasetError, match='holds no prepared sequences'):
        find_sequences(url)
    with pytest.raises(DatasetError, match=r'lacks .*meta.json'):
        read_meta(folder)


def test_the_cache_keeps_to_its_size_and_what_is_used(url, tmp_path, monkeypatch):
    folders = [put(url, name, frames=30) for name in ('a', 'b', 'c')]
    size = sum(folders[0].sizes().values())
    monkeypatch.setenv(cache.LIMIT, str(2.5 * size / 1e9))
    for folder in folders[:2]:
        PreparedSequence(folder).let_go()
    a = PreparedSequence(folders[0])  # b is now the one used longest ago
    PreparedSequence(folders[2]).let_go()
    assert entries(tmp_path) == ['a', 'c']
    c = PreparedSequence(folders[2])
    with pytest.raises(DatasetError, match=r'memory://data/b takes .* in use. Raise --cache-gb'):
        PreparedSequence(folders[1])
    c.let_go()
    before = np.array(a.images)
    PreparedSequence(folders[1])
    assert entries(tmp_path) == ['a', 'b']
    np.testing.assert_array_equal(a.images, before)
    assert c.images.shape == before.shape  # it comes back when it is used


def test_an_object_that_is_gone_uses_nothing(url, tmp_path, monkeypatch):
    folders = [put(url, name) for name in ('a', 'b')]
    monkeypatch.setenv(cache.LIMIT, str(1.5 * sum(folders[0].sizes().values()) / 1e9))
    for folder in folders:
        assert len(PreparedSequence(folder)) == 30
    assert entries(tmp_path) == ['b']


def test_what_has_changed_there_is_fetched_anew(url):
    first = PreparedSequence(put(url, 'one', seed=1))
    second = PreparedSequence(put(url, 'one', seed=2))
    assert first.meta.content_sha256 != second.meta.content_sha256
    assert not np.array_equal(first.images, second.images)


def test_what_is_damaged_there_is_refused(url, tmp_path):
    folder = put(url, 'one')
    content = bytearray(folder.read('images.npy'))
    content[-1] ^= 1
    folder.write('images.npy', bytes(content))
    with pytest.raises(DatasetError, match=r'not those that its meta.json names. Prepare it again'):
        PreparedSequence(folder)
    folder.write('images.npy', b'nothing')
    with pytest.raises(DatasetError, match='damaged'):
        PreparedSequence(folder)
    assert entries(tmp_path) == []


def test_what_a_killed_process_left_is_removed(url, tmp_path):
    litter = tmp_path / 'cache' / '.one.0123456789abcdef.abcdefgh.partial'
    litter.mkdir(parents=True)
    (litter / 'images.npy').write_bytes(b'half')
    PreparedSequence(put(url, 'two'))
    assert not litter.exists()


def test_windows_are_those_of_a_folder(url, tmp_path, monkeypatch):
    config = variant('ca_a')
    small = type(config)(**{**vars(config), 'image_height_px': 32, 'image_width_px': 64})
    for name in ('a', 'b'):
        write_prepared(tmp_path / 'data' / name)
        put(url, name)
    here, there = (open_split(each, DataSettings(), small, 1) for each in (tmp_path / 'data', url))
    assert here.contents() == there.contents()
    for split in (here, there):
        assert split.training_windows(4, 1) == here.training_windows(4, 1)
    ours, theirs = (WindowDataset(split.sequences, small)[Window(1, 3, 4)] for split in (here, there))
    assert all((a == b).all() for a, b in zip(ours, theirs, strict=True))
    monkeypatch.setenv(cache.LIMIT, '1e-4')
    with pytest.raises(DatasetError, match=r'The 2 sequences take .* Raise --cache-gb'):
        open_split(url, DataSettings(), small, 1)
    assert open_split(tmp_path / 'data', DataSettings(), small, 1)


def test_commands_take_urls(url, tmp_path, capsys):
    bag = write_drive(tmp_path / 'one')
    assert call('prepare', bag, '--out', tmp_path / 'data', '--size', '64x32') == 0
    assert call('prepare', bag, '--out', url, '--size', '64x32') == 0
    assert read_meta(RemoteFolder(f'{url}/one')) == read_meta(tmp_path / 'data' / 'one')
    capsys.readouterr()
    exclusions = tmp_path / 'exclude.yaml'
    exclusions.write_text("'one': [[0, 1]]")
    assert call('prepare', bag, '--out', url, '--size', '64x32', '--exclude', exclusions) == 0
    assert 'prepared already' in capsys.readouterr().err
    assert read_meta(RemoteFolder(f'{url}/one')).excluded == ((0, 1),)
    assert 'nosuch://' in complaint(capsys, 'prepare', bag, '--out', 'nosuch://bucket')


def test_training_reads_a_url(tmp_path, monkeypatch):
    pytest.importorskip('lightning')
    data = two_sequences(tmp_path / 'data')
    config = write_config(tmp_path / 'tiny.yaml', 'nowhere', max_steps=1, workers=1)
    monkeypatch.setenv(cache.FOLDER, '')
    words = ['--data', f'local://{data}', '--cache', tmp_path / 'fetched', '--cache-gb', 1]
    assert call('train', '--config', config, *words, '--out', tmp_path / 'run') == 0
    assert len(list((tmp_path / 'fetched').glob('*.*/meta.json'))) == 2
    assert os.environ[cache.LIMIT] == '1.0'
    monkeypatch.setenv(cache.LIMIT, 'much')
    with pytest.raises(SettingsError, match='a number of GB'):
        cache.limit_bytes()


def test_the_road_learns_the_same_from_a_cache_that_holds_one_drive_at_a_time(tmp_path, monkeypatch):
    data = tmp_path / 'data'
    for name, way in (('fast', 0.5), ('validation_slow', 0.3)):
        write_stored(data / name, PlaneDrive(robot(), way, frames=16))
    size = sum(path.stat().st_size for path in (data / 'fast').iterdir())
    monkeypatch.setenv(cache.LIMIT, str(1.5 * size / 1e9))
    config = tmp_path / 'road.yaml'
    stage = {'steps': 1, 'window': 6, 'batch_size': 2, 'validate_every': 1}
    model = {'patch_width': 4, 'source_channels': 4, 'hidden': 8}
    config.write_text(yaml.safe_dump({'variant': 'road', 'model': model, 'patches': stage, 'windows': stage}))
    weights = []
    for place_of_data in (data, f'local://{data}'):
        out = tmp_path / str(len(weights))
        assert call('train', '--config', config, '--data', place_of_data, '--out', out) == 0
        weights.append(load_road(out / 'road.safetensors')[0].state_dict())
    assert len(entries(tmp_path)) == 1
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
