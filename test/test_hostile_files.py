"""Pictures, models and tables that claim or unpack to too much are refused before they cost anything."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.io
from safetensors.torch import load_file, save_file
from samples.bombs import png, png_chunk
from samples.models import write_tiny_model

import atvio_ros
from atvio_ros.drives import kitti_tables, mat_file
from atvio_ros.drives.sequence_store import PreparedSequence, SequenceMeta, write_meta
from atvio_ros.errors import AtvioError, DatasetError, ImageError, ModelError
from atvio_ros.image_decoding import decode_compressed
from atvio_ros.network.checkpoint import load_model


def test_the_sources_have_no_eval_no_exec_and_no_pickle():
    package = Path(atvio_ros.__file__).parent
    for file in package.rglob('*.py'):
        text = file.read_text()
        for word in ('eval(', 'exec(', 'import pickle', 'allow_pickle=True', 'weights_only=False', 'yaml.load('):
            for line in text.splitlines():
                assert word not in line.replace('.eval(', ''), f'{file.name}: {line.strip()}'


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
    with pytest.raises(ImageError, match='65535x65535 is not possible'):
        decode_compressed('jpeg', bytes(jpeg))


# ---- models


def test_a_small_model_that_asks_for_gigabytes_of_features_is_refused(tmp_path):
    path = tmp_path / 'wide.safetensors'
    write_tiny_model(path, visual_widths=(64, *[4] * 7), lstm_hidden=1, image_height_px=4096, image_width_px=4096)
    with pytest.raises(ModelError, match=r'features an image'):
        load_model(path)


@pytest.mark.parametrize('widths', [[10**9] * 3, [1024] * 9, [4] * 10**5, [-1], [10**400]])
def test_absurd_layers_are_refused_before_they_are_made(tiny_model, tmp_path, widths):
    metadata = {'format': 'atvio_ros', 'format_version': '1', 'config': f'{{"visual_widths": {widths}}}', 'card': '{}'}
    path = tmp_path / 'absurd.safetensors'
    save_file(load_file(tiny_model), path, metadata)
    with pytest.raises(ModelError) as caught:
        load_model(path)
    assert len(str(caught.value)) < 1000


def test_metadata_of_a_model_are_limited(tiny_model, tmp_path):
    metadata = {'format': 'atvio_ros', 'format_version': '1', 'config': '{}', 'card': ' ' * (1 << 21)}
    path = tmp_path / 'talkative.safetensors'
    save_file(load_file(tiny_model), path, metadata)
    with pytest.raises(ModelError, match='characters of metadata'):
        load_model(path)


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
    words = [sys.executable, '-m', 'samples.reads_all_in', tmp_path]
    done = subprocess.run(words, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    refused, grown_mb = map(int, done.stdout.split())
    assert refused == len(CLAIMS)
    assert grown_mb < 100
