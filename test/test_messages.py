"""One builder and one decoder serve rosbags' dataclasses and rclpy's message classes; both carry the same bytes."""

from __future__ import annotations

import array
import importlib
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from atvio_ros import message_decoding, messages
from atvio_ros.bags.typestore import TYPESTORE, RosbagsMessages
from atvio_ros.errors import ImageError, MessageError
from atvio_ros.geometry import decode_motion, from_quaternion, translation
from atvio_ros.types import ImuSample, OdometryEstimate, RelativeMotion

STAMP_NS = 1_317_646_534_997_992_704  # has digits that a float of seconds loses
T = decode_motion(np.array([1.0, -2.0, 3.0, 0.1, -0.2, 2.5]))
MAKE = RosbagsMessages()


def estimate() -> OdometryEstimate:
    return OdometryEstimate(
        STAMP_NS,
        T,
        np.array([1.0, 2.0, 3.0]),
        np.array([0.1, 0.2, 0.3]),
        np.arange(36.0).reshape(6, 6),
        100.0 + np.arange(36.0).reshape(6, 6),
        RelativeMotion(np.eye(4)),
    )


def build_all(make) -> list:
    pose = messages.pose_stamped(make, STAMP_NS, 'odom', T)
    return [
        messages.odometry(make, estimate(), 'odom', 'base_link'),
        messages.pose_odometry(make, STAMP_NS, T, 'odom', 'base_link'),
        pose,
        messages.path(make, STAMP_NS, 'odom', [pose, pose]),
        messages.transform_stamped(make, STAMP_NS, 'odom', 'base_link', T),
        messages.imu(make, ImuSample(STAMP_NS, np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])), 'imu_link'),
        messages.image(make, STAMP_NS, 'camera', np.arange(36, dtype=np.uint8).reshape(3, 4, 3)),
        messages.image(make, STAMP_NS, 'camera', np.arange(12, dtype=np.uint8).reshape(3, 4)),
        messages.camera_info(make, STAMP_NS, 'camera', 1241, 376, (718.9, 718.8, 607.2, 185.2)),
    ]


def make_rclpy(type_name, /, **fields):
    """As the node's factory, and number arrays of open length in the form that rclpy takes."""
    package, kind, name = type_name.split('/')
    message_class = getattr(importlib.import_module(f'{package}.{kind}'), name)
    for field, field_type in message_class.get_fields_and_field_types().items():
        if field_type.startswith('sequence<') and isinstance(fields[field], np.ndarray):
            fields[field] = array.array(fields[field].dtype.char, fields[field].tobytes())
    return message_class(**fields)


def test_the_same_builders_make_rclpy_messages_with_the_same_bytes():
    serialization = pytest.importorskip('rclpy.serialization')
    for ours, theirs in zip(build_all(MAKE), build_all(make_rclpy), strict=True):
        back = TYPESTORE.deserialize_cdr(serialization.serialize_message(theirs), ours.__msgtype__)
        assert MAKE.serialize(back) == MAKE.serialize(ours)
        assert serialization.deserialize_message(MAKE.serialize(ours), type(theirs)) == theirs


@pytest.fixture(params=['rosbags', 'rclpy'])
def make(request):
    if request.param == 'rosbags':
        return MAKE
    pytest.importorskip('rclpy', reason='no ROS 2 here')
    return make_rclpy


def test_what_is_built_is_decoded_again_in_both_worlds(make):
    sample = ImuSample(STAMP_NS, np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0]))
    back = message_decoding.imu_sample(messages.imu(make, sample, 'imu_link'))
    assert back.stamp_ns == STAMP_NS
    np.testing.assert_array_equal(back.angular_velocity, sample.angular_velocity)
    np.testing.assert_array_equal(back.linear_acceleration, sample.linear_acceleration)

    for pixels in (np.arange(36, dtype=np.uint8).reshape(3, 4, 3), np.arange(12, dtype=np.uint8).reshape(3, 4)):
        message = messages.image(make, STAMP_NS, 'camera', pixels)
        np.testing.assert_array_equal(message_decoding.image_pixels(message), pixels)
        assert message_decoding.header_stamp_ns(message) == STAMP_NS

    intrinsics = (718.9, 718.8, 607.2, 185.2)
    d = np.array([0.1, -0.2, 0.3, 0.4])
    message = messages.camera_info(make, STAMP_NS, '/camera', 1241, 376, intrinsics, 'equidistant', d)
    info = message_decoding.camera_info(message)
    assert (info.frame_id, info.width_px, info.height_px, info.intrinsics) == ('camera', 1241, 376, intrinsics)
    assert (info.distortion_model, info.d.tolist()) == ('equidistant', d.tolist())
    np.testing.assert_array_equal(info.p.reshape(3, 4)[:, :3], info.k.reshape(3, 3))
    np.testing.assert_array_equal(info.r, np.eye(3).ravel())
    assert (info.binning, info.roi) == ((0, 0), (0, 0, 0, 0))


def test_a_compressed_image_is_decoded_in_both_worlds(make):
    pixels = np.arange(48, dtype=np.uint8).reshape(6, 8)
    data = np.asarray(cv2.imencode('.png', pixels)[1]).reshape(-1)
    header = messages.header(make, STAMP_NS, 'camera')
    message = make(messages.COMPRESSED_IMAGE, header=header, format='png', data=data)
    np.testing.assert_array_equal(message_decoding.compressed_image_pixels(message), pixels)


def test_poses_are_decoded_from_every_kind_of_message_that_carries_one_in_both_worlds(make):
    stamped = messages.transform_stamped(make, STAMP_NS, '/odom', 'base_link', T)
    parent, child, T_parent_child = message_decoding.stamped_transform(stamped)
    assert (parent, child) == ('odom', 'base_link')
    np.testing.assert_allclose(T_parent_child, T, atol=1e-12)
    for type_name, message in (
        (messages.TRANSFORM_STAMPED, stamped),
        (messages.POSE_STAMPED, messages.pose_stamped(make, STAMP_NS, 'odom', T)),
        (messages.ODOMETRY, messages.pose_odometry(make, STAMP_NS, T, 'odom', 'base_link')),
    ):
        stamp_ns, pose = message_decoding.stamped_pose(message, type_name)
        assert stamp_ns == STAMP_NS
        np.testing.assert_allclose(pose, T, atol=1e-12)


def quaternion(x: float, y: float, z: float, w: float) -> SimpleNamespace:
    return SimpleNamespace(x=x, y=y, z=z, w=w)


ORIGIN = SimpleNamespace(x=0.0, y=0.0, z=0.0)


def test_a_quaternion_that_was_rounded_is_normalised():
    pose = message_decoding.pose(ORIGIN, quaternion(0.0, 0.0, 0.7, 0.7))
    np.testing.assert_allclose(pose[:3, 0], [0.0, 1.0, 0.0], atol=1e-12)


@pytest.mark.parametrize('w', [0.0, 1e-200, 1e200, np.nan, np.inf])
def test_a_transform_without_rotation_is_refused_by_name(w):
    stamped = messages.transform_stamped(MAKE, 0, 'mast', 'camera', np.eye(4))
    with pytest.raises(MessageError, match='mast -> camera: A pose '):
        message_decoding.stamped_transform(
            SimpleNamespace(
                header=stamped.header,
                child_frame_id='camera',
                transform=SimpleNamespace(translation=ORIGIN, rotation=quaternion(0.0, 0.0, 0.0, w)),
            )
        )


@pytest.mark.parametrize('far', [1e10, -1e160, 1.7e308])
def test_a_transform_farther_than_can_be_reckoned_with_is_refused_by_name(far):
    stamped = messages.transform_stamped(MAKE, 0, 'mast', 'camera', translation(0.0, far, 0.0))
    with pytest.raises(MessageError, match=r'mast -> camera: A pose is .* m away; at most'):
        message_decoding.stamped_transform(stamped)


def test_a_position_that_is_no_number_is_refused():
    with pytest.raises(MessageError, match='NaN'):
        message_decoding.pose(SimpleNamespace(x=np.nan, y=0.0, z=0.0), quaternion(0.0, 0.0, 0.0, 1.0))


def test_a_stamp_keeps_every_nanosecond_and_negative_ones_count_back_from_the_second():
    time = messages.time(MAKE, STAMP_NS)
    assert (time.sec, time.nanosec) == (1_317_646_534, 997_992_704)
    time = messages.time(MAKE, -1)
    assert (time.sec, time.nanosec) == (-1, 999_999_999)


def test_odometry_has_its_pose_in_odom_and_its_twist_in_base_link():
    message = messages.odometry(MAKE, estimate(), 'odom', 'base_link')
    assert (message.header.frame_id, message.child_frame_id) == ('odom', 'base_link')
    orientation = message.pose.pose.orientation
    np.testing.assert_allclose(
        from_quaternion(orientation.x, orientation.y, orientation.z, orientation.w), T[:3, :3], atol=1e-12
    )
    assert (message.twist.twist.linear.x, message.twist.twist.angular.z) == (1.0, 0.3)
    assert message.pose.covariance[7] == 7.0  # row-major 6x6
    assert message.twist.covariance[7] == 107.0


def test_imu_says_that_its_orientation_is_unknown():
    message = messages.imu(MAKE, ImuSample(0, np.zeros(3), np.array([0.0, 0.0, 9.81])), 'imu_link')
    assert message.orientation_covariance[0] == -1.0
    assert message.linear_acceleration.z == 9.81


def test_camera_info_projects_a_point_on_the_axis_to_the_principal_point():
    info = messages.camera_info(MAKE, 0, 'camera', 1241, 376, (700.0, 710.0, 607.0, 185.0))
    u, v, w = info.p.reshape(3, 4) @ [0.0, 0.0, 5.0, 1.0]
    assert (u / w, v / w) == (607.0, 185.0)
    np.testing.assert_array_equal(info.k.reshape(3, 3), info.p.reshape(3, 4)[:, :3])


@pytest.mark.parametrize(
    'pixels',
    [
        np.zeros((4, 4), np.float64),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((0, 4), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
    ],
)
def test_only_grey_or_rgb_bytes_become_an_image(pixels):
    with pytest.raises(ImageError, match=r'uint8 \(H, W\)'):
        messages.image(MAKE, 0, 'camera', pixels)
