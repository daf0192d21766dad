"""Messages and pictures with any content: nothing comes out but a value or an error of ours."""

from __future__ import annotations

from contextlib import suppress

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from samples.bags import MAKE, write_rosbag2
from samples.mutation import edits, fuzz, mutated

from atvio_ros import messages
from atvio_ros.bags.reader import BagReader
from atvio_ros.errors import AtvioError, ImageError
from atvio_ros.image_decoding import ENCODINGS, decode_compressed, decode_image
from atvio_ros.odometry.imu_buffer import ImuBuffer
from atvio_ros.preprocessing import scale_image
from atvio_ros.types import ImuSample

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
def test_any_imu_message_of_a_bag_gives_a_reading_that_the_buffer_takes_or_refuses(
    tmp_path_factory, values, sec, nanosec
):
    message = messages.imu(MAKE, ImuSample(0, np.array(values[:3]), np.array(values[3:])), 'imu')
    message.header.stamp.sec, message.header.stamp.nanosec = sec, nanosec
    path = tmp_path_factory.mktemp('imu') / 'bag'
    with BagReader(write_rosbag2(path, [('/imu', 0, message)], 'mcap')) as bag:
        sample = next(bag.imu())
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

    from atvio_ros.message_decoding import compressed_image_pixels, image_pixels, imu_sample

    assume('\x00' not in encoding)
    with suppress(UnicodeEncodeError):
        encoding.encode()
    header = Header(stamp=Time(sec=stamp[0], nanosec=stamp[1]))
    raw = Image(header=header, encoding=encoding, height=height, width=width, step=step, data=data)
    with suppress(ImageError):
        assert image_pixels(raw).shape[:2] == (height, width)
    with suppress(ImageError):
        compressed_image_pixels(CompressedImage(header=header, format=encoding, data=data))
    vectors = [Vector3(x=x, y=y, z=z) for x, y, z in (values[:3], values[3:])]
    sample = imu_sample(Imu(header=header, angular_velocity=vectors[0], linear_acceleration=vectors[1]))
    assert sample.stamp_ns == stamp[0] * 1_000_000_000 + stamp[1]
