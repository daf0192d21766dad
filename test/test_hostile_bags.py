"""Bags that claim or unpack to too much, or carry code, are refused before they cost anything."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode
from rosbags.rosbag2.storage_mcap import ChunkInfo
from rosbags.typesys.store import Typestore
from samples.bags import drive_messages, read_all, write_drive, write_rosbag1, write_rosbag2
from samples.bombs import BOMB_BYTES, database, mcap_chunk_bomb, zeros_zstd

from atvio_ros.bags import limits as bag_limits
from atvio_ros.errors import BagError


def test_message_definitions_of_a_bag_are_not_made_into_code(tmp_path, monkeypatch):
    """rosbags' own AnyReader generates Python from them and executes it."""
    path = write_rosbag2(tmp_path / 'drive', drive_messages(), 'mcap')

    def executes(self, types):
        raise RuntimeError('code was generated from a bag')

    monkeypatch.setattr(Typestore, 'register', executes)
    read_all(path)


@pytest.mark.parametrize('claimed', [1000, bag_limits.MAX_CHUNK_BYTES, BOMB_BYTES])
def test_an_mcap_chunk_that_unpacks_to_gigabytes_is_refused(claimed, tmp_path):
    path = write_drive(tmp_path / 'drive') / 'drive.mcap'
    assert mcap_chunk_bomb(path, claimed).stat().st_size < 2_000_000
    with pytest.raises(BagError, match=r'unpacks to more than|chunk of \d+ bytes'):
        read_all(path)


def test_mcap_chunks_that_would_all_be_unpacked_at_once_are_refused():
    chunk = ChunkInfo(0, 1000, 0, 0, {}, 0, 'zstd', 100, bag_limits.MAX_CHUNK_BYTES, {})
    one_by_one = [ChunkInfo(i, i, *chunk[2:]) for i in range(100)]
    bag_limits.check_chunks(Path('x.mcap'), one_by_one)
    with pytest.raises(BagError, match='overlap in time'):
        bag_limits.check_chunks(Path('x.mcap'), [chunk] * 5)


def test_a_bag_packed_message_by_message_is_read_and_its_bombs_are_refused(tmp_path, monkeypatch):
    packed = {'mode': CompressionMode.MESSAGE, 'fmt': CompressionFormat.ZSTD}
    path = write_rosbag2(tmp_path / 'drive', drive_messages(), **packed)
    read_all(path)
    monkeypatch.setattr(bag_limits.expand, '__defaults__', (100,))
    with pytest.raises(BagError, match='unpacks to more than the 100 bytes'):
        read_all(path)


def test_a_bag_packed_as_a_whole_is_read_and_its_bombs_are_refused(tmp_path):
    packed = {'mode': CompressionMode.FILE, 'fmt': CompressionFormat.ZSTD}
    path = write_rosbag2(tmp_path / 'drive', drive_messages(), **packed)
    read_all(path)
    next(path.glob('*.zstd')).write_bytes(zeros_zstd())
    with pytest.raises(BagError, match='unpacks to more than'):
        read_all(path)


@pytest.mark.parametrize('compression', ['LZ4', 'BZ2'])
def test_a_ros1_chunk_that_unpacks_to_too_much_is_refused(compression, tmp_path, monkeypatch):
    path = write_rosbag1(tmp_path / 'drive.bag', drive_messages(), compression)
    read_all(path)
    monkeypatch.setattr(bag_limits.expand, '__defaults__', (1000,))
    with pytest.raises(BagError, match='unpacks to more than the 1000 bytes'):
        read_all(path)


def test_data_after_the_first_frame_are_unpacked_too_and_missing_ones_noticed():
    packed = zeros_zstd(1 << 27)
    assert len(bag_limits.expand_zstd(packed)) == 1 << 27
    with pytest.raises(EOFError):
        bag_limits.expand_zstd(packed[:-3])


@pytest.mark.parametrize(
    ('statements', 'problem'),
    [
        (('CREATE VIEW message_definitions AS WITH RECURSIVE a(x) AS (SELECT 1 UNION ALL SELECT x FROM a) '
          'SELECT x AS topic_type FROM a',), "view 'message_definitions'"),
        (('CREATE TRIGGER t AFTER INSERT ON messages BEGIN DELETE FROM topics; END',), 'trigger'),
        (('ALTER TABLE messages ADD COLUMN bomb BLOB AS (zeroblob(1000000000)) VIRTUAL',), 'computed columns'),
        (('CREATE VIRTUAL TABLE v USING fts5(a)',), 'plain tables'),
    ],
)  # fmt: skip
def test_a_database_that_computes_instead_of_storing_is_refused(statements, problem, tmp_path):
    with pytest.raises(BagError, match=problem):
        read_all(database(tmp_path / 'bag.db3', *statements))


def test_a_database_whose_pages_make_an_endless_table_is_refused(tmp_path):
    """Ten pages that name the next one some fifty times each: a file of 700 kB has a table of 50 ** 10 leaves."""
    rows = 'WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)'
    filled = f'INSERT INTO messages {rows} SELECT i, 1, i, zeroblob(20) FROM n'
    path = database(tmp_path / 'bag.db3', 'PRAGMA page_size = 512', 'VACUUM', filled)
    content = bytearray(path.read_bytes())
    interior = [at for at in range(512, len(content), 512) if content[at] == 5][:10]  # pages of a table, its root first
    leaf = next(at for at in range(512 * 4, len(content), 512) if content[at] == 13)
    for page, child in itertools.pairwise([*interior, leaf]):
        count = int.from_bytes(content[page + 3 : page + 5], 'big')
        offsets = [content[page + 12 + 2 * i : page + 14 + 2 * i] for i in range(count)]
        for at in (page + 8, *(page + int.from_bytes(offset, 'big') for offset in offsets)):
            content[at : at + 4] = (child // 512 + 1).to_bytes(4, 'big')
    path.write_bytes(content)
    with pytest.raises(BagError, match='more rows than it has room for'):
        read_all(path)


@pytest.mark.parametrize('text', ['a: &a [x]\nb: [*a, *a]\n', 'compression_format: &a {}\nb: {<<: *a}\n'])
def test_metadata_with_references_are_refused(text, tmp_path):
    path = write_drive(tmp_path / 'drive')
    metadata = path / 'metadata.yaml'
    metadata.write_text(metadata.read_text() + text)
    with pytest.raises(BagError, match='references'):
        read_all(path)


def test_metadata_too_large_to_be_any_are_refused(tmp_path):
    path = write_drive(tmp_path / 'drive')
    with (path / 'metadata.yaml').open('a') as metadata:
        metadata.write('#' * bag_limits.MAX_METADATA_BYTES)
    with pytest.raises(BagError, match='at most'):
        read_all(path)


def test_a_pipe_in_the_place_of_a_file_is_refused(tmp_path):
    path = write_drive(tmp_path / 'drive')
    (path / 'drive.mcap').unlink()
    os.mkfifo(path / 'drive.mcap')
    with pytest.raises(BagError, match='not a regular file'):
        read_all(path)
