"""Messages written as bytes are those that rclpy writes."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from geometry_msgs.msg import PoseStamped, TransformStamped
from nav_msgs.msg import Odometry, Path
from rclpy.serialization import deserialize_message, serialize_message
from tf2_msgs.msg import TFMessage

from atvio_ros.cdr_writing import OdometryCdr, PosesCdr, TransformCdr
from atvio_ros.errors import MessageError
from atvio_ros.geometry import from_quaternion, transform
from atvio_ros.ros.conversions import stamp_from_ns
from atvio_ros.types import Trajectory

NAMES = ['o', 'od', 'odo', 'odom', 'odom_of_one', 'robot/odom', 'ü']
STAMP_NS = 1_700_000_000_123_456_789
POSITION, ORIENTATION = (1.0, -2.0, 0.5), (0.1, 0.2, 0.3, 0.9)


@pytest.mark.parametrize('parent', NAMES)
@pytest.mark.parametrize('child', ['base_link', 'b', 'base'])
def test_odometry_and_transform(parent, child):
    message, covariances = Odometry(), np.random.default_rng(0).normal(size=(2, 36))
    message.header.stamp, message.header.frame_id, message.child_frame_id = stamp_from_ns(STAMP_NS), parent, child
    p, q = message.pose.pose.position, message.pose.pose.orientation
    p.x, p.y, p.z, q.x, q.y, q.z, q.w = *POSITION, *ORIENTATION
    v, w = message.twist.twist.linear, message.twist.twist.angular
    v.x, v.y, v.z, w.x, w.y, w.z = 1.5, 2.5, 3.5, 4.5, 5.5, 6.5
    message.pose.covariance, message.twist.covariance = covariances
    written = OdometryCdr(parent, child).message(
        STAMP_NS, POSITION, ORIENTATION, covariances[0], (1.5, 2.5, 3.5), (4.5, 5.5, 6.5), covariances[1]
    )
    assert len(written) == len(serialize_message(message))  # what lies in gaps is left to chance there
    assert deserialize_message(written, Odometry) == message
    transform = TransformStamped(header=message.header, child_frame_id=child)
    t, r = transform.transform.translation, transform.transform.rotation
    t.x, t.y, t.z, r.x, r.y, r.z, r.w = *POSITION, *ORIENTATION
    written = TransformCdr(parent, child).message(STAMP_NS, POSITION, ORIENTATION)
    assert len(written) == len(serialize_message(TFMessage(transforms=[transform])))
    assert deserialize_message(written, TFMessage) == TFMessage(transforms=[transform])


@pytest.mark.parametrize('frame', NAMES)
@pytest.mark.parametrize('count', [0, 1, 2, 5])
def test_poses_and_paths(frame, count):
    q = np.array(ORIENTATION) / np.linalg.norm(ORIENTATION)
    stamps_ns = STAMP_NS + np.arange(count) * 700_000_000
    poses = np.array([transform(from_quaternion(*q), np.array(POSITION) + i) for i in range(count)]).reshape(-1, 4, 4)
    made, expected = PosesCdr(frame, Trajectory(stamps_ns, poses)), Path()
    expected.header.stamp, expected.header.frame_id = stamp_from_ns(STAMP_NS), frame
    for index, stamp_ns in enumerate(stamps_ns.tolist()):
        found = deserialize_message(made.pose(index), PoseStamped)
        assert found.header.stamp == stamp_from_ns(stamp_ns)
        assert found.header.frame_id == frame
        p, r = found.pose.position, found.pose.orientation
        np.testing.assert_allclose((p.x, p.y, p.z, r.x, r.y, r.z, r.w), (*(np.array(POSITION) + index), *q), atol=1e-12)
        expected.poses.append(found)
    assert deserialize_message(made.path(STAMP_NS), Path) == expected
    assert len(made.path(STAMP_NS)) == len(serialize_message(expected))
    expected.poses = expected.poses[::2]
    assert deserialize_message(made.path(STAMP_NS, np.arange(0, count, 2)), Path) == expected


def test_a_stamp_that_ros_does_not_have_is_refused():
    with pytest.raises(MessageError, match='32 bits'):
        TransformCdr('odom', 'base_link').message(1 << 62, POSITION, ORIENTATION)
    with pytest.raises(MessageError, match='32 bits'):
        PosesCdr('odom', Trajectory(np.array([STAMP_NS, 1 << 62]), np.stack([np.eye(4)] * 2)))
