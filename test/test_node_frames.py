"""Where the sensors sit, learned from /tf_static, and which way round the node's own transform is."""

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from geometry_msgs.msg import TransformStamped
from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_graph import graph
from tf2_msgs.msg import TFMessage

from atvio_ros.geometry import from_quaternion, inverse, transform
from atvio_ros.msg import OdometryStatus

HALF = float(np.sqrt(0.5))


def link(parent: str, child: str, xyz=(0.0, 0.0, 0.0), q=(0.0, 0.0, 0.0, 1.0)) -> TransformStamped:
    stamped = TransformStamped(child_frame_id=child)
    stamped.header.frame_id = parent
    t, r = stamped.transform.translation, stamped.transform.rotation
    t.x, t.y, t.z = xyz
    r.x, r.y, r.z, r.w = q
    return stamped


def pose(p, q) -> np.ndarray:
    return transform(from_quaternion(q.x, q.y, q.z, q.w), np.array([p.x, p.y, p.z]))


def test_with_extrinsics_from_tf_it_says_which_transform_is_missing_and_then_takes_it():
    parameters = {'extrinsics_from_tf': True, 'invert_tf': True, 'standstill_detection': False}
    with graph('samples.nodes.forward', **parameters) as peer:
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        peer.node.create_publisher(TFMessage, '/tf_static', latched).publish(
            TFMessage(transforms=[link('base_link', 'imu_link'), link('mast', 'camera', q=(-HALF, 0.0, 0.0, HALF))])
        )
        peer.drive(0, 3)
        status = peer.wait_for_words('base_link -> camera')
        assert status.state == OdometryStatus.STATE_WAITING
        peer.wait_for(lambda: 'base_link -> camera' in peer.diagnostics.get('', ''), '/diagnostics do not either')
        peer.wait_for(lambda: peer.counts() == {'no_transform': 3}, 'the images are not counted')
        assert not peer.odometry

        rest = peer.node.create_publisher(TFMessage, '/tf_static', latched)
        rest.publish(TFMessage(transforms=[link('base_link', 'mast', xyz=(0.5, 0.0, 1.0))]))
        peer.wait_for(lambda: 'base_link' not in peer.status.message, 'the transform was not taken')
        peer.drive(10, 4)
        peer.wait_for_odometry(3)
        peer.wait_for(lambda: len(peer.transforms) >= 3, 'TF is missing')
        poses = [pose(m.pose.pose.position, m.pose.pose.orientation) for m in peer.odometry]
        np.testing.assert_allclose([T[:3, 3] for T in poses], [[0, 1, 0], [0, 2, 0], [0, 3, 0]], atol=1e-6)
        for T_odom_base, stamped in zip(poses, peer.transforms, strict=True):
            assert (stamped.header.frame_id, stamped.child_frame_id) == ('base_link', 'odom')
            T = pose(stamped.transform.translation, stamped.transform.rotation)
            np.testing.assert_allclose(T, inverse(T_odom_base), atol=1e-9)
