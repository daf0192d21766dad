"""Whatever bytes and fields come in, nothing comes out but a value or an error of ours.

The examples are the same in every run, unless ATVIO_FUZZ=50, say, asks for fifty times as many new ones.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save_file
from samples.bags import drive_messages, write_rosbag1, write_rosbag2
from samples.kitti import write_loose
from scipy.io import savemat
from test_bag_damage import read_all

from atvio_ros.bags import reader as bag_reader
from atvio_ros.drives.kitti_tables import MAT_KEY, read_imu_table, read_times
from atvio_ros.drives.sequence_store import read_meta
from atvio_ros.errors import AtvioError, ImageError, ModelError
from atvio_ros.image_decoding import ENCODINGS, decode_compressed, decode_image
from atvio_ros.network.atvio import Atvio
from atvio_ros.network.checkpoint import ModelCard, load_model, save_model
from atvio_ros.network.config import AtvioConfig
from atvio_ros.odometry.imu_buffer import ImuBuffer
from atvio_ros.preprocessing import scale_image
from atvio_ros.trajectory_files import read_kitti_poses, read_tum

LONGEST_MESSAGE = 3000
TIMES = int(os.environ.get('ATVIO_FUZZ', '1'))
EDGES = (0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 33, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)


def fuzz(examples: int):
    """Settings of a test that writes its file anew for each example."""
    return settings(
        max_examples=examples * TIMES,
        deadline=None,
        derandomize=TIMES == 1,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )


@st.composite
def edits(draw: st.DrawFn) -> list[tuple[str, float, int, int]]:
    """What to do to some bytes: kind, place as a share of the length, number of bytes, value."""
    one = st.tuples(
        st.sampled_from(('set', 'set', 'edge', 'cut', 'insert', 'copy', 'end')),
        st.floats(0.0, 1.0, exclude_max=True),
        st.sampled_from((1, 2, 4, 8, 16)),
        st.one_of(st.integers(0, 255), st.sampled_from(EDGES)),
    )
    return draw(st.lists(one, min_size=1, max_size=4))


def mutated(content: bytes, changes: list[tuple[str, float, int, int]]) -> bytes:
    data = bytearray(content)
    for kind, share, count, value in changes:
        at = int(share * len(data))
        number = (value & ((1 << 8 * count) - 1)).to_bytes(count, 'little')
        if kind == 'set':
            data[at : at + 1] = bytes([value & 0xFF])
        elif kind == 'edge':
            data[at : at + count] = number
        elif kind == 'cut':
            del data[at : at + count]
        elif kind == 'insert':
            data[at:at] = number
        elif kind == 'copy':
            data[at : at + count] = data[:count]
        else:
            del data[at:]
    return bytes(data)


def only_our_errors(read: Callable[[], object]) -> None:
    message = ''
    try:
        read()
    except AtvioError as error:
        message = str(error)
    assert len(message) < LONGEST_MESSAGE


# ---- files


@pytest.fixture(scope='module', params=[False, True], ids=['plain', 'packed'])
def mat(request, tmp_path_factory) -> tuple[Path, bytes]:
    path = tmp_path_factory.mktemp('mat') / 'imu.mat'
    savemat(path, {'other': 'text', MAT_KEY: np.arange(66.0).reshape(11, 6)}, do_compression=request.param)
    return path, path.read_bytes()


@fuzz(150)
@given(changes=edits())
def test_a_mutated_mat_file_is_read_or_refused(mat, changes):
    path, content = mat
    path.write_bytes(mutated(content, changes))
    only_our_errors(lambda: read_imu_table(path))


@pytest.fixture(scope='module')
def bags(tmp_path_factory) -> dict[str, tuple[Path, bytes]]:
    """Bare storage files, which are quicker to open than folders, and their content."""
    folder = tmp_path_factory.mktemp('bags')
    files = {
        'mcap': write_rosbag2(folder / 'a', drive_messages(), 'mcap') / 'a.mcap',
        'db3': write_rosbag2(folder / 'b', drive_messages()) / 'b.db3',
        'ros1': write_rosbag1(folder / 'c.bag', drive_messages(), 'LZ4'),
    }
    return {form: (path, path.read_bytes()) for form, path in files.items()}


@pytest.mark.parametrize('form', ['mcap', 'db3', 'ros1'])
@fuzz(120)
@given(changes=edits())
def test_a_mutated_bag_is_read_or_refused(form, bags, changes):
    path, content = bags[form]
    path.write_bytes(mutated(content, changes))
    only_our_errors(lambda: read_all(path))


@fuzz(60)
@given(changes=edits())
def test_mutated_metadata_of_a_bag_are_read_or_refused(tmp_path_factory, changes):
    path = tmp_path_factory.getbasetemp() / 'metadata_fuzz'
    if not path.exists():
        write_rosbag2(path, drive_messages()[:1], 'mcap')
        (path / 'whole').write_bytes((path / 'metadata.yaml').read_bytes())
    (path / 'metadata.yaml').write_bytes(mutated((path / 'whole').read_bytes(), changes))
    only_our_errors(lambda: read_all(path))


@pytest.fixture(scope='module')
def model(tmp_path_factory) -> tuple[Path, bytes]:
    path = tmp_path_factory.mktemp('model') / 'tiny.safetensors'
    config = AtvioConfig(
        name='tiny', visual_widths=(4, 4, 4), lstm_hidden=4, image_height_px=32, image_width_px=64,
        rotation='gyro_residual',
    )  # fmt: skip
    save_model(path, Atvio(config), ModelCard(trained=True))
    return path, path.read_bytes()


@fuzz(150)
@given(changes=edits(), keep_length=st.booleans())
def test_a_mutated_model_is_read_or_refused(model, changes, keep_length):
    path, content = model
    size = 8 + int.from_bytes(content[:8], 'little')
    head = mutated(content[8:size], changes) if keep_length else mutated(content[:size], changes)
    path.write_bytes((len(head).to_bytes(8, 'little') if keep_length else b'') + head + content[size:])
    only_our_errors(lambda: load_model(path))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@fuzz(150)
@given(field=st.sampled_from([*AtvioConfig.__dataclass_fields__, 'other']), value=json_values)
def test_any_value_of_any_setting_in_a_model_is_read_or_refused(model, field, value):
    path, content = model
    tensors = load(content)
    head = json.loads(content[8 : 8 + int.from_bytes(content[:8], 'little')])['__metadata__']
    config = json.dumps({**json.loads(head['config']), field: value})
    save_file(tensors, path, {**head, 'config': config})
    with suppress(ModelError):
        load_model(path)


text_lines = st.text(st.sampled_from('0123456789.,-+einfaNx# \t\n'), max_size=200)


@pytest.mark.filterwarnings('ignore:loadtxt')
@pytest.mark.parametrize(
    ('name', 'read'), [('poses', read_kitti_poses), ('poses', read_tum), ('times', read_times), ('imu', read_imu_table)]
)
@fuzz(120)
@given(changes=edits(), text=text_lines)
def test_mutated_tables_are_read_or_refused(name, read, tmp_path_factory, changes, text):
    folder = tmp_path_factory.getbasetemp() / 'tables_fuzz'
    paths = write_loose(folder) if not folder.exists() else {}
    if paths:
        for key, path in paths.items():
            if path.is_file():
                path.replace(folder / f'{key}.whole')
    path = folder / 'fuzzed'
    path.write_bytes(mutated((folder / f'{name}.whole').read_bytes(), changes))
    only_our_errors(lambda: read(path))
    path.write_text(text)
    only_our_errors(lambda: read(path))


@fuzz(80)
@given(value=json_values, key=st.sampled_from(('images', 'T_base_camera', 'excluded', 'version', 'x')))
def test_any_description_of_a_prepared_sequence_is_read_or_refused(tmp_path, value, key):
    (tmp_path / 'meta.json').write_text(json.dumps({key: value}))
    only_our_errors(lambda: read_meta(tmp_path))
    (tmp_path / 'meta.json').write_text(json.dumps(value))
    only_our_errors(lambda: read_meta(tmp_path))


# ---- messages

uint32 = st.one_of(st.integers(0, 40), st.sampled_from((1 << 15, 1 << 16, 1 << 31, (1 << 32) - 1)))
encodings = st.one_of(st.sampled_from(ENCODINGS), st.text(max_size=30))


@fuzz(300)
@given(
    encoding=encodings, height=uint32, width=uint32, step=uint32, big=st.integers(0, 255), data=st.binary(max_size=3000)
)
def test_any_fields_of_an_image_are_decoded_or_refused(encoding, height, width, step, big, data):
    with suppress(ImageError):
        image = decode_image(encoding, height, width, step, bool(big), data)
        assert image.shape[:2] == (height, width)


@fuzz(300)
@given(encoding=st.sampled_from(ENCODINGS), height=st.integers(0, 9), width=st.integers(0, 9), pad=st.integers(0, 3))
def test_any_small_size_of_any_encoding_is_decoded_and_scaled_or_refused(encoding, height, width, pad):
    for sample_bytes in (1, 2, 3, 4, 6):
        step = width * sample_bytes + pad
        rows = height * 3 // 2 if encoding in ('nv12', 'nv21') else height
        with suppress(ImageError):
            image = decode_image(encoding, height, width, step, False, bytes(step * rows))
            assert scale_image(image, 8, 16).shape[:2] == (8, 16)


@pytest.mark.parametrize('extension', ['.png', '.jpg'])
@fuzz(200)
@given(changes=edits(), form=st.text(max_size=20))
def test_a_mutated_compressed_image_is_decoded_or_refused(extension, changes, form):
    pixels = np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    content = cv2.imencode(extension, pixels)[1].tobytes()
    with suppress(ImageError):
        image = decode_compressed(form, mutated(content, changes))
        assert image.dtype == np.uint8
        assert image.ndim == 2 or image.shape[2] == 3


numbers = st.floats(width=64)  # NaN and infinity included


@fuzz(150)
@given(values=st.lists(numbers, min_size=6, max_size=6), sec=st.integers(-(2**31), 2**31 - 1), nanosec=uint32)
def test_any_imu_message_of_a_bag_gives_a_reading_that_the_buffer_takes_or_refuses(values, sec, nanosec):
    vectors = [SimpleNamespace(x=x, y=y, z=z) for x, y, z in (values[:3], values[3:])]
    stamp = SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=nanosec), frame_id='imu')
    message = SimpleNamespace(header=stamp, angular_velocity=vectors[0], linear_acceleration=vectors[1])
    sample = bag_reader._imu(message, '')
    buffer = ImuBuffer()
    with suppress(AtvioError):
        buffer.add(sample)
        assert np.isfinite(buffer.window(sample.stamp_ns, sample.stamp_ns + 1).values).all()


@fuzz(150)
@given(
    stamp=st.tuples(st.integers(-(2**31), 2**31 - 1), st.integers(0, 2**32 - 1)),
    encoding=encodings,
    height=uint32,
    width=uint32,
    step=uint32,
    data=st.binary(max_size=2000),
    values=st.lists(numbers, min_size=6, max_size=6),
)
def test_any_ros_message_is_converted_or_refused(stamp, encoding, height, width, step, data, values):
    pytest.importorskip('rclpy', reason='ROS 2 is not here')
    from builtin_interfaces.msg import Time
    from geometry_msgs.msg import Vector3
    from sensor_msgs.msg import CompressedImage, Image, Imu
    from std_msgs.msg import Header

    from atvio_ros.message_decoding import imu_sample
    from atvio_ros.ros.conversions import camera_frame

    assume('\x00' not in encoding)
    with suppress(UnicodeEncodeError):
        encoding.encode()
    header = Header(stamp=Time(sec=stamp[0], nanosec=stamp[1]))
    raw = Image(header=header, encoding=encoding, height=height, width=width, step=step, data=data)
    with suppress(ImageError):
        assert camera_frame(raw, 0, 8, 16).image.shape[:2] == (8, 16)
    with suppress(ImageError):
        camera_frame(CompressedImage(header=header, format=encoding, data=data), 0, 8, 16)
    vectors = [Vector3(x=x, y=y, z=z) for x, y, z in (values[:3], values[3:])]
    sample = imu_sample(Imu(header=header, angular_velocity=vectors[0], linear_acceleration=vectors[1]))
    assert sample.stamp_ns == stamp[0] * 1_000_000_000 + stamp[1]
