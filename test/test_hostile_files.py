"""Files that claim or unpack to too much, or carry code, are refused before they cost anything."""

from __future__ import annotations

import io
import itertools
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.io
from rosbags.rosbag2 import CompressionFormat, CompressionMode
from rosbags.rosbag2.storage_mcap import ChunkInfo
from rosbags.typesys.store import Typestore
from safetensors.torch import load_file, save_file
from samples.bags import drive_messages, write_drive, write_rosbag1, write_rosbag2
from samples.bombs import BOMB_BYTES, database, mcap_chunk_bomb, png, png_chunk, zeros_zstd
from test_bag_damage import read_all

from atvio_ros.bags import limits as bag_limits
from atvio_ros.drives import kitti_tables, mat_file
from atvio_ros.errors import AtvioError, BagError, DatasetError, ImageError, ModelError
from atvio_ros.image_decoding import decode_compressed
from atvio_ros.network.atvio import Atvio
from atvio_ros.network.checkpoint import ModelCard, load_model, save_model
from atvio_ros.network.config import AtvioConfig

# ---- nothing in a file is run


def test_message_definitions_of_a_bag_are_not_made_into_code(tmp_path, monkeypatch):
    """rosbags' own AnyReader generates Python from them and executes it."""
    path = write_rosbag2(tmp_path / 'drive', drive_messages(), 'mcap')

    def executes(self, types):
        raise RuntimeError('code was generated from a bag')

    monkeypatch.setattr(Typestore, 'register', executes)
    read_all(path)


def test_the_sources_have_no_eval_no_exec_and_no_pickle():
    package = Path(bag_limits.__file__).parents[1]
    for file in package.rglob('*.py'):
        text = file.read_text()
        for word in ('eval(', 'exec(', 'import pickle', 'allow_pickle=True', 'weights_only=False', 'yaml.load('):
            for line in text.splitlines():
                assert word not in line.replace('.eval(', ''), f'{file.name}: {line.strip()}'


# ---- bags


@pytest.mark.parametrize('claimed', [1000, bag_limits.MAX_CHUNK_BYTES, BOMB_BYTES])
def test_an_mcap_chunk_that_unpacks_to_gigabytes_is_refused(claimed, tmp_path):
    path = write_drive(tmp_path / 'drive') / 'drive.mcap'
    assert mcap_chunk_bomb(path, claimed).stat().st_size < 2_000_000
    with pytest.raises(BagError, match=r'unpacks to more than|chunk of \d+ bytes'):
        read_all(path)


def test_mcap_chunks_that_would_all_be_unpacked_at_once_are_refused():
    chunk = ChunkInfo(0, 1000, 0, 0, {}, 0, 'zstd', 100, bag_limits.MAX_CHUNK_BYTES, {})
    one_by_one = [chunk._replace(message_start_time=i, message_end_time=i) for i in range(100)]
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


# ---- pictures


@pytest.mark.parametrize('size', [(60_000, 60_000), (1, 1 << 31), (8000, 8000), (0, 0)])
def test_a_picture_of_absurd_size_is_refused_by_its_header(size):
    with pytest.raises(ImageError):
        decode_compressed('png', png(*size, png_chunk(b'IDAT', b''), png_chunk(b'IEND', b'')))


def test_a_png_chunk_that_claims_more_than_there_is_is_refused():
    """OpenCV 5 allocates and clears 4 GB for 200 bytes of it."""
    bomb = png(32, 24, png_chunk(b'IDAT', bytes(100), claimed=0xF000_0000))
    with pytest.raises(ImageError, match='cut short'):
        decode_compressed('png', bomb)


def test_a_jpeg_of_absurd_size_is_refused_by_its_header():
    jpeg = bytearray(cv2.imencode('.jpg', np.zeros((16, 16, 3), np.uint8))[1].tobytes())
    frame = jpeg.index(b'\xff\xc0')
    jpeg[frame + 5 : frame + 9] = b'\xff\xff\xff\xff'
    with pytest.raises(ImageError, match='claims 65535x65535'):
        decode_compressed('jpeg', bytes(jpeg))


# ---- models


@pytest.fixture
def model(tmp_path) -> Path:
    path = tmp_path / 'tiny.safetensors'
    config = AtvioConfig(name='tiny', visual_widths=(4, 4, 4), lstm_hidden=4, image_height_px=32, image_width_px=64)
    save_model(path, Atvio(config), ModelCard())
    return path


def test_a_small_model_that_asks_for_gigabytes_of_features_is_refused(tmp_path):
    path = tmp_path / 'wide.safetensors'
    config = AtvioConfig(
        visual_widths=(64, 4, 4, 4, 4, 4, 4, 4), lstm_hidden=1, image_height_px=4096, image_width_px=4096,
        inertial_encoder='none', fusion='direct_cat',
    )  # fmt: skip
    save_model(path, Atvio(config), ModelCard())
    with pytest.raises(ModelError, match=r'features an image'):
        load_model(path)


@pytest.mark.parametrize('widths', [[10**9] * 3, [1024] * 9, [4] * 10**5, [-1], [10**400]])
def test_absurd_layers_are_refused_before_they_are_made(model, widths):
    tensors = load_file(model)
    metadata = {'format': 'atvio_ros', 'format_version': '1', 'config': f'{{"visual_widths": {widths}}}', 'card': '{}'}
    save_file(tensors, model, metadata)
    with pytest.raises(ModelError) as caught:
        load_model(model)
    assert len(str(caught.value)) < 1000


def test_metadata_of_a_model_are_limited(model):
    metadata = {'format': 'atvio_ros', 'format_version': '1', 'config': '{}', 'card': ' ' * (1 << 21)}
    save_file(load_file(model), model, metadata)
    with pytest.raises(ModelError, match='characters of metadata'):
        load_model(model)


# ---- other data


@pytest.mark.parametrize('packed', [False, True])
@pytest.mark.parametrize('kind', ['float64', 'float32', 'int16', 'uint8'])
def test_a_matrix_of_any_kind_of_number_is_read_from_among_other_variables(packed, kind, tmp_path):
    path, matrix = tmp_path / 'imu.mat', np.arange(6).reshape(2, 3).astype(kind)
    scipy.io.savemat(path, {'a': 'text', 'b': {'c': 1}, 'd': np.ones((1, 1)), 'm': matrix}, do_compression=packed)
    np.testing.assert_array_equal(mat_file.read_matrix(path, 'm'), matrix)


def test_a_mat_file_that_crashes_the_reader_of_scipy_is_refused(tmp_path):
    """loadmat of scipy 1.17 ends the process by a segmentation fault when the type of the values is 0."""
    path = tmp_path / 'imu.mat'
    scipy.io.savemat(path, {kitti_tables.MAT_KEY: np.zeros((2, 6))})
    content = bytearray(path.read_bytes())
    content[-104:-100] = bytes(4)  # the tag before 12 doubles
    path.write_bytes(content)
    with pytest.raises(DatasetError, match='not a table of numbers'):
        kitti_tables.read_imu_table(path)


def test_a_mat_file_that_unpacks_to_gigabytes_is_refused(tmp_path, monkeypatch):
    path = tmp_path / 'imu.mat'
    scipy.io.savemat(path, {kitti_tables.MAT_KEY: np.zeros((1000, 6))}, do_compression=True)
    assert kitti_tables.read_imu_table(path).shape == (1000, 6)
    monkeypatch.setattr(mat_file, 'MAX_BYTES', 10_000)
    with pytest.raises(DatasetError, match='unpacks to more than 10000 bytes'):
        kitti_tables.read_imu_table(path)


def test_an_array_that_claims_more_than_its_file_holds_is_refused_unallocated(tmp_path):
    from atvio_ros.drives.sequence_store import PreparedSequence, SequenceMeta, write_meta

    write_meta(tmp_path, SequenceMeta(images=10**11, imu_readings=1))
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {'descr': '<i8', 'fortran_order': False, 'shape': (10**11,)})
    (tmp_path / 'image_stamps_ns.npy').write_bytes(header.getvalue())
    with pytest.raises(DatasetError, match='cannot be read'):
        PreparedSequence(tmp_path)


@pytest.mark.parametrize('time', ['1e1000000', '0.1e700001', '1e999999999999', 'NaN', 'Infinity', '-1e400'])
def test_times_beyond_all_numbers_are_refused(time, tmp_path):
    path = tmp_path / 'times.txt'
    path.write_text(f'{time}\n')
    with pytest.raises(AtvioError, match='line 1'):
        kitti_tables.read_times(path)


CLAIMS = {
    'mcap header of 8 GiB': b'\x89MCAP0\r\n\x01' + struct.pack('<Q', 1 << 33) + bytes(100),
    'ros1 record of 4 GiB': b'#ROSBAG V2.0\n' + struct.pack('<I', 0xFFFFFFFF) + bytes(100),
    'png': png(32, 24, png_chunk(b'IDAT', zlib.compress(bytes(100)), claimed=0xF000_0000)),
}


def test_files_that_claim_gigabytes_cost_little_memory(tmp_path):
    """Peak resident memory of a process that reads them all, measured from outside."""
    for name, content in CLAIMS.items():
        (tmp_path / name).with_suffix({'m': '.mcap', 'r': '.bag', 'p': '.png'}[name[0]]).write_bytes(content)
    code = f"""
import resource, sys
from pathlib import Path
from atvio_ros.bags.storage import BagStorage
from atvio_ros.errors import AtvioError
from atvio_ros.image_decoding import decode_compressed
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
refused = 0
for path in Path({str(tmp_path)!r}).iterdir():
    try:
        if path.suffix == '.png':
            decode_compressed('png', path.read_bytes())
        else:
            BagStorage(path).__enter__()
    except AtvioError:
        refused += 1
print(refused, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    refused, grown_mb = map(int, done.stdout.split())
    assert refused == len(CLAIMS)
    assert grown_mb < 100
