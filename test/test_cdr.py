"""Messages straight from their bytes are what rclpy makes of them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image, Imu
from std_msgs.msg import Header

from atvio_ros import message_decoding
from atvio_ros.cdr import compressed_image_from_cdr, image_from_cdr, imu_from_cdr
from atvio_ros.errors import MessageError
from atvio_ros.ros.conversions import stamp_from_ns

STAMPS_NS = (0, 1_700_000_000_123_456_789, -5_000_000_001)
FRAMES = ('', 'i', 'imu', '/imu_link', 'kamera-ü', 'a frame of twenty-two')


def header(stamp_ns: int, frame_id: str) -> Header:
    return Header(stamp=stamp_from_ns(stamp_ns), frame_id=frame_id)


def some_imu(stamp_ns: int = STAMPS_NS[1], frame_id: str = 'imu_link') -> Imu:
    message = Imu(header=header(stamp_ns, frame_id))
    message.orientation.w, message.orientation_covariance = 0.5, np.arange(9.0)
    message.angular_velocity.x, message.angular_velocity.y, message.angular_velocity.z = 0.1, -0.2, 0.3
    message.angular_velocity_covariance = np.arange(9.0) + 20.0
    message.linear_acceleration.x, message.linear_acceleration.y, message.linear_acceleration.z = 1.0, -2.0, 9.81
    message.linear_acceleration_covariance = np.arange(9.0) + 40.0
    return message


@pytest.mark.parametrize('stamp_ns', STAMPS_NS)
@pytest.mark.parametrize('frame_id', FRAMES)
def test_a_reading_is_the_one_of_the_message(stamp_ns, frame_id):
    message = some_imu(stamp_ns, frame_id)
    found, expected = imu_from_cdr(bytes(serialize_message(message))), message_decoding.imu_sample(message)
    assert (found.stamp_ns, found.frame_id) == (expected.stamp_ns, expected.frame_id)
    np.testing.assert_array_equal(found.angular_velocity, expected.angular_velocity)
    np.testing.assert_array_equal(found.linear_acceleration, expected.linear_acceleration)


@pytest.mark.parametrize('frame_id', FRAMES)
@pytest.mark.parametrize(('encoding', 'channels'), [('mono8', 1), ('rgb8', 3), ('bgr8', 3)])
def test_an_image_has_the_pixels_of_the_message(frame_id, encoding, channels):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5 * channels), dtype=np.uint8)
    message = Image(
        header=header(STAMPS_NS[1], frame_id), height=3, width=5, encoding=encoding, step=5 * channels,
        data=pixels.tobytes(),
    )  # fmt: skip
    found = image_from_cdr(bytes(serialize_message(message)))
    np.testing.assert_array_equal(message_decoding.image_pixels(found), message_decoding.image_pixels(message))
    assert message_decoding.header_stamp_ns(found) == STAMPS_NS[1]
    assert message_decoding.header_frame(found) == message_decoding.header_frame(message)


def test_a_compressed_image_has_the_bytes_of_the_message():
    message = CompressedImage(
        header=header(STAMPS_NS[2], 'camera'), format='rgb8; jpeg compressed bgr8', data=b'\1\2\3'
    )
    found = compressed_image_from_cdr(bytes(serialize_message(message)))
    assert (found.format, bytes(found.data)) == (message.format, b'\1\2\3')
    assert message_decoding.header_stamp_ns(found) == STAMPS_NS[2]


def test_big_endian_is_read_as_well():
    little = bytes(serialize_message(some_imu(frame_id='imu')))
    big = bytearray(b'\0\0\0\0')
    body = memoryview(little)[4:]
    for width, count in ((4, 3),):
        for k in range(count):
            big += bytes(body[k * width : (k + 1) * width])[::-1]
    big += bytes(body[12:16])  # imu and its end
    for k in range((len(body) - 16) // 8):
        big += bytes(body[16 + 8 * k : 24 + 8 * k])[::-1]
    np.testing.assert_array_equal(imu_from_cdr(bytes(big)).angular_velocity, [0.1, -0.2, 0.3])
    assert imu_from_cdr(bytes(big)).stamp_ns == STAMPS_NS[1]


@pytest.mark.parametrize('decode', [imu_from_cdr, image_from_cdr, compressed_image_from_cdr])
@pytest.mark.parametrize('start', [b'', b'\0', b'\0\1', b'\0\7\0\0' + bytes(400), b'\0\1\0\0' + b'\xff' * 400])
def test_what_is_no_message_is_refused(decode, start):
    with pytest.raises(MessageError):
        decode(start)


@pytest.mark.parametrize('decode_and_message', [(imu_from_cdr, some_imu()), (image_from_cdr, Image(data=b'12345678'))])
def test_a_message_that_ends_early_is_refused_wherever_it_ends(decode_and_message):
    decode, message = decode_and_message
    whole = bytes(serialize_message(message))
    decode(whole)
    for length in range(4, len(whole) - 8):
        with pytest.raises(MessageError):
            decode(whole[:length])
